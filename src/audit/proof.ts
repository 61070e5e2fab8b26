import { createTree, nodeHash, sameBytes } from './merkle.ts'

/** Leaf hashes `from` and on; fewer than `count` only at the end of the log. */
export type LeafReader = (from: number, count: number) => Promise<Uint8Array[]>

/** Merkle root over the leaves `start` up to, not including, `end`. */
export type SubtreeReader = (start: number, end: number) => Promise<Uint8Array>

const batch = 5000

/** Proof that leaf `index` stands in the tree of `size` leaves. RFC 9162 §2.1.3.1. */
export async function inclusionProof(
  index: number,
  size: number,
  subtree: SubtreeReader,
): Promise<Uint8Array[]> {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`)
  const path: Uint8Array[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start)
    const left = index < middle
    path.push(await (left ? subtree(middle, end) : subtree(start, middle)))
    if (left) end = middle
    if (!left) start = middle
  }
  return path.reverse()
}

/** Proof that the tree of `size2` leaves begins with the tree of `size1`. RFC 9162 §2.1.4.1. */
export async function consistencyProof(
  size1: number,
  size2: number,
  subtree: SubtreeReader,
): Promise<Uint8Array[]> {
  if (!(size1 > 0 && size1 <= size2)) throw new RangeError(`no consistency proof from ${size1} to ${size2}`)
  const path: Uint8Array[] = []
  let start = 0
  let end = size2
  while (end !== size1) {
    const middle = start + largestPowerBelow(end - start)
    const left = size1 <= middle
    path.push(await (left ? subtree(middle, end) : subtree(start, middle)))
    if (left) end = middle
    if (!left) start = middle
  }
  if (start > 0) path.push(await subtree(start, end))
  return path.reverse()
}

/** Whether `proof` shows that the leaf stands at `index` of the tree with this root. RFC 9162 §2.1.3.2. */
export function verifyInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  return verifySubtreeInclusion(index, { start: 0, end: size }, leaf, proof, root)
}

/** Whether the second tree begins with the first. RFC 9162 §2.1.4.2; an empty first tree proves nothing: false. */
export function verifyConsistency(
  size1: number,
  size2: number,
  root1: Uint8Array,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  return size1 > 0 && verifySubtreeConsistency({ start: 0, end: size1 }, size2, root1, root2, proof)
}

/** Leaves `start` up to, not including, `end`: a node of the tree when start is a multiple of its width. */
export interface Subtree {
  start: number
  end: number
}

/** Inclusion in a subtree, of which a whole tree is the case that starts at 0. draft-ietf-plants-merkle-tree-certs §4.3. */
export function verifySubtreeInclusion(
  index: number,
  subtree: Subtree,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSubtree(subtree) || index < subtree.start || index >= subtree.end) return false
  if (![leaf, ...proof].every(isHash)) return false
  let node = index - subtree.start
  let last = subtree.end - subtree.start - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else {
      hash = nodeHash(hash, sibling)
    }
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && sameBytes(hash, root)
}

/**
 * Consistency of a subtree with a tree, of which two trees are the case that starts at 0. Same draft, §4.4. An empty
 * subtree is consistent with every tree.
 */
export function verifySubtreeConsistency(
  subtree: Subtree,
  size: number,
  subtreeRoot: Uint8Array,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (subtree.start === subtree.end) return proof.length === 0 && sameBytes(subtreeRoot, createTree().root())
  if (!isSubtree(subtree) || subtree.end > size || !proof.every(isHash)) return false
  let [first, last, total] = [subtree.start, subtree.end - 1, size - 1]
  const up = () => {
    ;[first, last, total] = [half(first), half(last), half(total)]
  }
  if (proof.length > 0 && !isHash(subtreeRoot)) return false
  const atEdge = last === total
  while (first !== last && (atEdge || last % 2 === 1)) up()
  const rest = [...proof]
  const seed = first === last ? subtreeRoot : rest.shift()
  if (!seed) return false
  let [subtreeHash, treeHash] = [seed, seed]
  for (const sibling of rest) {
    if (total === 0) return false
    if (last % 2 === 1 || last === total) {
      if (first < last) subtreeHash = nodeHash(sibling, subtreeHash)
      treeHash = nodeHash(sibling, treeHash)
      while (last % 2 === 0 && last !== 0) up()
    } else {
      treeHash = nodeHash(treeHash, sibling)
    }
    up()
  }
  return total === 0 && sameBytes(subtreeHash, subtreeRoot) && sameBytes(treeHash, root)
}

/** Subtrees of a log of which nothing but its leaves is at hand: every leaf below is read and hashed. */
export function subtreesOf(leaves: LeafReader): SubtreeReader {
  return async (start, end) => {
    const tree = createTree()
    for (let from = start; from < end; from += batch) {
      const hashes = await leaves(from, Math.min(batch, end - from))
      for (const hash of hashes) tree.append(hash)
    }
    if (tree.size() !== end - start) throw new RangeError(`leaves ${start} to ${end} are not all there`)
    return tree.root()
  }
}

function isSubtree({ start, end }: Subtree): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end) return false
  let width = 1
  while (width < end - start) width *= 2
  return start % width === 0
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === 32
}

function half(value: number): number {
  return Math.floor(value / 2)
}

function largestPowerBelow(size: number): number {
  let power = 1
  while (power * 2 < size) power *= 2
  return power
}

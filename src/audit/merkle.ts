import { hash } from 'node:crypto'
import { Failure } from '#core/failure.ts'

/**
 * SHA-256 of anything, 32 bytes. The digest comes over as characters: making its bytes here costs half of what it costs
 * to get a Buffer.
 */
export function sha256(bytes: Uint8Array): Uint8Array {
  const characters = hash('sha256', bytes, 'binary')
  const digest = new Uint8Array(32)
  for (let index = 0; index < 32; index += 1) digest[index] = characters.charCodeAt(index)
  return digest
}

/** Hash of a leaf: SHA-256(0x00 ‖ entry). RFC 9162 §2.1.1. */
export function leafHash(entry: Uint8Array): Uint8Array {
  const input = new Uint8Array(entry.length + 1)
  input.set(entry, 1)
  return sha256(input)
}

/** Hashing does not wait, so that one input serves every node. */
const nodeInput = new Uint8Array(65)
nodeInput[0] = 1

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right). RFC 9162 §2.1.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeInput.set(left, 1)
  nodeInput.set(right, 33)
  return sha256(nodeInput)
}

/** A Merkle tree of which only the peaks are kept: the roots of its perfect subtrees, at most 53. */
export interface Tree {
  /** A leaf's hash, or the root of 2^height leaves: only where so many begin, at a size that is a multiple of theirs. */
  append(hash: Uint8Array, height?: number): void
  size(): number
  /** RFC 9162 §2.1.1; the empty tree's root is the hash of nothing. */
  root(): Uint8Array
  /** Peaks from left to right, 32 bytes each, as a checkpoint keeps them. */
  peaks(): Uint8Array
}

/** An empty tree, or one that goes on from the peaks at `size`. Throws Failure `internal` when the two do not fit. */
export function createTree(size = 0, packedPeaks: Uint8Array = new Uint8Array()): Tree {
  const peaks = unpack(packedPeaks)
  if (peaks.length !== countOnes(size))
    throw new Failure('internal', `the peaks kept do not fit a log of ${size} events`)

  return {
    append(hash, height = 0) {
      const leaves = 2 ** height
      if (size % leaves !== 0) throw new Failure('internal', `no subtree of ${leaves} begins at ${size}`)
      // Every set low bit of the size is a peak that now has a sibling of its own height.
      let node = hash
      for (let rest = size / leaves; rest % 2 === 1; rest = Math.floor(rest / 2))
        node = nodeHash(peaks.pop() ?? node, node)
      peaks.push(node)
      size += leaves
    },
    size: () => size,
    root: () => rootOf(peaks),
    peaks: () => pack(peaks),
  }
}

function rootOf(peaks: readonly Uint8Array[]): Uint8Array {
  const last = peaks.at(-1)
  return last
    ? peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
    : sha256(new Uint8Array())
}

function unpack(packed: Uint8Array): Uint8Array[] {
  const peaks: Uint8Array[] = []
  for (let at = 0; at < packed.length; at += 32) peaks.push(packed.slice(at, at + 32))
  return peaks
}

function pack(peaks: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(peaks.length * 32)
  for (const [index, peak] of peaks.entries()) packed.set(peak, index * 32)
  return packed
}

function countOnes(size: number): number {
  let ones = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}

/** Whether two byte strings are the same. Nothing secret is compared here, so time may tell. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index += 1) {
    if (left[index] !== right[index]) return false
  }
  return true
}

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createTree, leafHash } from '#audit/merkle.ts'
import {
  consistencyProof,
  inclusionProof,
  subtreesOf,
  verifyConsistency,
  verifyInclusion,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
} from '#audit/proof.ts'

/** Cases of transparency-dev/merkle: hashes in base64; null stands for an empty list. */
interface Vector {
  file: string
  wantErr: boolean
  leafIdx: number
  treeSize: number
  size1: number
  size2: number
  start: number
  end: number
  size: number
  root: string | null
  root1: string | null
  root2: string | null
  leafHash: string | null
  proof: string[] | null
}

function vectors(kind: string): Vector[] {
  return JSON.parse(
    readFileSync(new URL(`../../fixtures/third-party/tlog-merkle/${kind}.json`, import.meta.url), 'utf8'),
  )
}

const bytes = (text: string | null) => new Uint8Array(Buffer.from(text ?? '', 'base64'))
const list = (proof: string[] | null) => (proof ?? []).map(bytes)

const checks: Record<string, (vector: Vector) => boolean> = {
  inclusion: (v) => verifyInclusion(v.leafIdx, v.treeSize, bytes(v.leafHash), list(v.proof), bytes(v.root)),
  consistency: (v) => verifyConsistency(v.size1, v.size2, bytes(v.root1), bytes(v.root2), list(v.proof)),
  subtreeinclusion: (v) =>
    verifySubtreeInclusion(v.leafIdx, v, bytes(v.leafHash), list(v.proof), bytes(v.root)),
  subtreeconsistency: (v) =>
    verifySubtreeConsistency(v, v.size, bytes(v.root1), bytes(v.root2), list(v.proof)),
}

describe('proofs of the reference implementation', () => {
  test.each(Object.keys(checks))('every %s case is accepted or rejected as the reference does', (kind) => {
    const cases = vectors(kind)
    expect(cases.length).toBeGreaterThanOrEqual(98)
    const differing = cases.filter((vector) => checks[kind]?.(vector) === vector.wantErr)
    expect(differing.map((vector) => vector.file)).toEqual([])
  })
})

describe('our own proofs', () => {
  const leaves = Array.from({ length: 40 }, (_, index) => leafHash(Uint8Array.of(index)))
  const reader = subtreesOf(async (from, count) => leaves.slice(from, from + count))
  const rootAt = (size: number) => {
    const tree = createTree()
    for (const leaf of leaves.slice(0, size)) tree.append(leaf)
    return tree.root()
  }

  test('every leaf of every tree up to 40 is proven to be where it is, and nowhere else', async () => {
    for (let size = 1; size <= leaves.length; size += 1) {
      const root = rootAt(size)
      for (let index = 0; index < size; index += 1) {
        const proof = await inclusionProof(index, size, reader)
        const leaf = leaves[index] ?? new Uint8Array()
        expect(verifyInclusion(index, size, leaf, proof, root)).toBe(true)
        if (size > 1) expect(verifyInclusion((index + 1) % size, size, leaf, proof, root)).toBe(false)
      }
    }
  })

  test('every tree up to 40 is proven to begin with every smaller one, and with no other', async () => {
    for (let size2 = 1; size2 <= leaves.length; size2 += 1) {
      for (let size1 = 1; size1 <= size2; size1 += 1) {
        const proof = await consistencyProof(size1, size2, reader)
        expect(verifyConsistency(size1, size2, rootAt(size1), rootAt(size2), proof)).toBe(true)
        expect(verifyConsistency(size1, size2, leafHash(rootAt(size1)), rootAt(size2), proof)).toBe(false)
      }
    }
  })

  test('a tree that goes on from its peaks has the root of one that was never put down', () => {
    for (let size = 0; size <= leaves.length; size += 1) {
      const before = createTree()
      for (const leaf of leaves.slice(0, size)) before.append(leaf)
      const after = createTree(size, before.peaks())
      for (const leaf of leaves.slice(size)) after.append(leaf)
      expect(after.root()).toEqual(rootAt(leaves.length))
    }
  })

  test('peaks that do not fit the size are refused', () => {
    expect(() => createTree(3, new Uint8Array(32))).toThrow('peaks')
  })

  test('the root of the empty tree is the hash of nothing', () => {
    expect(Buffer.from(createTree().root()).toString('hex')).toMatch(/^e3b0c44298fc1c14/)
  })

  test('a proof that cannot be made is refused', async () => {
    await expect(inclusionProof(5, 5, reader)).rejects.toThrow(RangeError)
    await expect(consistencyProof(0, 5, reader)).rejects.toThrow(RangeError)
    await expect(inclusionProof(1, 100, reader)).rejects.toThrow('not all there')
  })
})

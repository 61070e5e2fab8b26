import type { Statement } from './driver.ts'
import { sqlite as db } from './schema.ts'

/** Rows of one INSERT, largest first: a message has some thirty search rows, and a statement costs more than a row. */
const inserts = [16, 8, 4, 2, 1].map((size) => ({ size, sql: insertOf(size) }))

/** Search rows of one resource or audit event. The same value twice (an identifier listed twice) is one row. */
export function insertTokens(id: string, hashes: readonly Uint8Array[]): Statement[] {
  const statements: Statement[] = []
  let at = 0
  for (const { size, sql } of inserts) {
    for (; hashes.length - at >= size; at += size) {
      statements.push({ sql, parameters: hashes.slice(at, at + size).flatMap((hash) => [hash, id]) })
    }
  }
  return statements
}

function insertOf(size: number): string {
  const row = { hash: new Uint8Array(0), id: '' }
  return db
    .insertInto('token_row')
    .values(Array.from({ length: size }, () => row))
    .onConflict((c) => c.doNothing())
    .compile().sql
}

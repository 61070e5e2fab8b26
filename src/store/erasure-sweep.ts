// Node only: looks through the files of a clinic's data, and of its backups, for what was erased.
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'

export interface Sought {
  /** Ids of data keys that were destroyed. */
  keys: readonly string[]
  /** What is in no file, as UTF-8, UTF-16 or base64: ids, and words that are known to have stood there. */
  texts: readonly string[]
}

export interface Swept {
  file: string
  /** Rows that are sealed under one of the keys, by table. */
  rows: Record<string, number>
  /** Which of the texts stand somewhere in its bytes. */
  texts: string[]
  /** Bytes looked at. */
  bytes: number
}

const chunk = 16 * 1024 * 1024

/** Every byte of a database with its log of changes: rows by their keys, free pages and all by their bytes. */
export function sweepDatabase(file: string, sought: Sought): Swept {
  const needles = sought.texts.flatMap((text) => writings(text).map((bytes) => ({ text, bytes })))
  const found = new Set<string>()
  let bytes = 0
  for (const each of [file, `${file}-wal`, `${file}-journal`].filter((name) => existsSync(name)))
    bytes += sweepBytes(each, needles, found)
  return { file, rows: rowsUnder(file, sought.keys), texts: [...found], bytes }
}

/** Database files in a folder of backups. */
export function backupsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name.endsWith('.db') && each.name !== 'keys.db')
    .map((each) => join(each.parentPath, each.name))
    .sort()
}

/** A table that is added later is looked through too: whatever names a data key in a column `box` is sealed under it. */
function rowsUnder(file: string, keys: readonly string[]): Record<string, number> {
  const db = new Database(file, { readonly: true })
  try {
    const tables = db
      .prepare<[], string>(
        `SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c ON c.name = 'box'
         WHERE m.type = 'table' AND m.name <> 'tombstone' ORDER BY m.name`,
      )
      .pluck()
      .all()
    const counts = tables.map((table) => {
      const count = db.prepare<[string], number>(
        `SELECT count(*) FROM "${table}" WHERE box IN (SELECT value FROM json_each(?))`,
      )
      return [table, count.pluck().get(JSON.stringify(keys)) ?? 0] as const
    })
    return Object.fromEntries(counts.filter(([, count]) => count > 0))
  } finally {
    db.close()
  }
}

/** Chunks overlap by the longest of what is sought. */
function sweepBytes(
  file: string,
  needles: readonly { text: string; bytes: Buffer }[],
  found: Set<string>,
): number {
  const overlap = Math.max(0, ...needles.map(({ bytes }) => bytes.length))
  const buffer = Buffer.alloc(overlap + chunk)
  const descriptor = openSync(file, 'r')
  let total = 0
  let kept = 0
  try {
    for (;;) {
      const read = readSync(descriptor, buffer, kept, chunk, null)
      if (read === 0) return total
      total += read
      const window = buffer.subarray(0, kept + read)
      for (const { text, bytes } of needles) if (window.includes(bytes)) found.add(text)
      const rest = Math.min(overlap, window.length)
      buffer.copyWithin(0, window.length - rest, window.length)
      kept = rest
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Base64 of a text within a longer one depends on where it begins: what is sure of it, for each of the three. */
function writings(text: string): Buffer[] {
  const utf8 = Buffer.from(text)
  const inBase64 = [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), utf8])
      .toString('base64')
      .replace(/=+$/, '')
    return whole.slice(Math.ceil((shift * 4) / 3) + (shift > 0 ? 1 : 0), -1)
  })
  const encoded = inBase64.filter((each) => each.length >= 6).map((each) => Buffer.from(each))
  return [utf8, Buffer.from(text, 'utf16le'), ...encoded]
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'

/** Every file of a clinic's folder, keyring included, with its bytes. */
function filesIn(folder: string): { name: string; bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name))
    .map((name) => ({ name: name.slice(folder.length + 1), bytes: readFileSync(name) }))
}

/** Which of the texts stand in which files, as UTF-8, UTF-16 or base64. */
export function findInFiles(folder: string, texts: readonly string[]): string[] {
  const files = filesIn(folder)
  return texts.flatMap((text) =>
    writings(text).flatMap((bytes) =>
      files.filter((file) => file.bytes.includes(bytes)).map((file) => `${text} in ${file.name}`),
    ),
  )
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

/** Rows of every table, by table. */
export function rowsIn(folder: string): Map<string, Record<string, unknown>[]> {
  const db = new Database(join(folder, 'data.db'), { readonly: true })
  const names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[]
  const rows = names.map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()] as const)
  db.close()
  return new Map(rows) as Map<string, Record<string, unknown>[]>
}

/** How many rows each table has. */
export function rowCounts(folder: string): Record<string, number> {
  return Object.fromEntries([...rowsIn(folder)].map(([name, rows]) => [name, rows.length]))
}

// Node only: reads and writes the keyring folder.
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '#core/failure.ts'
import type { Keyring } from '#core/ports.ts'
import { randomKey } from './crypto.ts'

/**
 * Opens `<folder>/keyring.json` (`{"active": "...", "keys": {"...": "<base64>"}}`), making folder and file with a fresh
 * 256-bit key on first use. Refuses a file that others than its owner may read.
 */
export function openFileKeyring(folder: string): Keyring {
  const file = join(folder, 'keyring.json')
  if (!existsSync(file)) createKeyring(folder, file)
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new Failure('internal', `The keyring ${file} can be read by others: chmod 600 it`)
  }
  const { active, keys } = JSON.parse(readFileSync(file, 'utf8')) as {
    active: string
    keys: Record<string, string>
  }
  const opened = new Map(
    Object.entries(keys).map(([id, text]) => [id, new Uint8Array(Buffer.from(text, 'base64'))]),
  )
  if (!opened.has(active)) throw new Failure('internal', `The keyring ${file} lacks its active key`)
  return { active, keys: opened }
}

function createKeyring(folder: string, file: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const id = `kek-${new Date().toISOString().slice(0, 10)}`
  const keys = { [id]: Buffer.from(randomKey()).toString('base64') }
  writeFileSync(file, `${JSON.stringify({ active: id, keys }, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
}

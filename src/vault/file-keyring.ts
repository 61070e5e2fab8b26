// Node only: reads and writes the keyring folder.
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Failure } from '#core/failure.ts'
import type { Keyring } from '#core/ports.ts'
import { randomKey } from './crypto.ts'
import { readKeyring, writeKeyring } from './keyring-text.ts'

/**
 * Opens `<folder>/keyring.json`, making folder and file with a fresh 256-bit key on first use. Refuses a file that
 * others than its owner may read. The file is looked at again whenever a key is needed: a rotation done by another
 * process holds from then on. Keys are needed when a data key is first opened, not for each value.
 */
export function openFileKeyring(folder: string): Keyring {
  const file = join(folder, 'keyring.json')
  if (!existsSync(file)) createKeyring(folder)
  let known = { keyring: readFile(file), mark: markOf(file) }

  function current(): Keyring {
    const mark = markOf(file)
    if (mark !== known.mark) known = { keyring: readFile(file), mark }
    return known.keyring
  }

  current()
  return {
    get active() {
      return current().active
    },
    get keys() {
      return current().keys
    },
  }
}

/** Adds a fresh key that wraps from now on; the ones before still open. Resolves with its id once that is durable. */
export function addActiveKey(folder: string): string {
  const { keys } = openFileKeyring(folder)
  const day = `kek-${new Date().toISOString().slice(0, 10)}`
  let id = day
  for (let number = 2; keys.has(id); number += 1) id = `${day}.${number}`
  writeFile(folder, { active: id, keys: new Map([...keys, [id, randomKey()]]) })
  return id
}

/** Takes a key out. Ask first whether a wrap still needs it: what it alone opens is gone with it. */
export function removeKey(folder: string, id: string): void {
  const { active, keys } = openFileKeyring(folder)
  if (id === active) throw new Failure('conflict', `${id} is the active key: rotate first`)
  if (!keys.has(id)) throw new Failure('not-found', `There is no key ${id} in the keyring`)
  writeFile(folder, { active, keys: new Map([...keys].filter(([each]) => each !== id)) })
}

function createKeyring(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const id = `kek-${new Date().toISOString().slice(0, 10)}`
  writeFile(folder, { active: id, keys: new Map([[id, randomKey()]]) })
}

function readFile(file: string): Keyring {
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new Failure('internal', `The keyring ${file} can be read by others: chmod 600 it`)
  }
  return readKeyring(readFileSync(file, 'utf8'), file)
}

/** Written beside and moved into place: a reader sees the old file or the new one. Two at a time would lose a key. */
function writeFile(folder: string, keyring: Keyring): void {
  const next = join(folder, 'keyring.json.next')
  const descriptor = openForWriting(next)
  try {
    writeSync(descriptor, writeKeyring(keyring))
    fsyncSync(descriptor)
    renameSync(next, join(folder, 'keyring.json'))
    syncFolder(folder)
  } catch (cause) {
    rmSync(next, { force: true })
    throw cause
  } finally {
    closeSync(descriptor)
  }
}

function openForWriting(file: string): number {
  try {
    return openSync(file, 'wx', 0o600)
  } catch (cause) {
    throw new Failure('conflict', `The keyring is being changed; if nobody is at it, remove ${file}`, {
      cause,
    })
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/** Changes with every replacement of the file. */
function markOf(file: string): string {
  const { ino, mtimeNs, size, mode } = statSync(file, { bigint: true })
  return `${ino} ${mtimeNs} ${size} ${mode}`
}

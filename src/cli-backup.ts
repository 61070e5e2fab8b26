// Node only: `postern backup` and `postern restore` (docs/retention.md).
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Command } from 'commander'
import { readConfig } from '#config.ts'
import { Failure } from '#core/failure.ts'
import type { KeyStore } from '#core/ports.ts'
import type { CommandTools } from './cli-audit.ts'
import type { OpenClinic } from './node.ts'

/** Pages copied at a time; requests come in between. */
const pages = 2_000
const keysAtATime = 1_000

export function addBackupCommands(program: Command, { withClinic, say, commandLine }: CommandTools): void {
  const told = ({ gateway }: OpenClinic, kind: 'export' | 'configuration', outcomeText: string) =>
    gateway.tell({
      ...{ kind, outcome: 'success', outcomeText, caller: commandLine, requestId: crypto.randomUUID() },
      patients: [],
      entities: [],
    })

  program
    .command('backup <file>')
    .description(
      'copy the database beside a running gateway, and list the data keys it needs, without any key',
    )
    .action((file: string) =>
      withClinic(async (clinic) => {
        if (existsSync(file)) throw new Failure('conflict', `There is a file ${file} already`)
        await told(clinic, 'export', 'database backed up')
        await copyOnline(file)
        const keys = await keyIds(clinic.keys)
        const { size, note } = (await clinic.store.lastCheckpoint()) ?? { size: 0, note: '' }
        const manifest = {
          at: new Date().toISOString(),
          clinic: readConfig(process.env).clinic,
          keys,
          size,
          checkpoint: note,
        }
        writeFileSync(`${file}.manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
        say({ file, keys: keys.length, size }, `${file} needs ${keys.length} data keys of the key store`)
      }),
    )
  program
    .command('restore <file>')
    .description(
      'put a backup in the place of a database that is gone; what was erased since is erased again',
    )
    .action(async (file: string) => {
      placeCopy(file)
      await withClinic(async (clinic) => {
        const { restored } = await clinic.store.settleErasures(Date.now())
        await told(clinic, 'configuration', `database restored, erasures done again: ${restored}`)
        await clinic.gateway.log.checkpoint()
        const { findings } = await clinic.gateway.log.verify()
        const faults = findings.filter(({ severity }) => severity !== 'warning')
        say(
          { restored: file, erasedAgain: restored, findings },
          `${file} is in place; ${restored} erasures done again`,
        )
        if (faults.length > 0) process.exitCode = 1
      })
    })
}

async function copyOnline(file: string): Promise<void> {
  const db = new Database(join(readConfig(process.env).data, 'data.db'), { readonly: true })
  try {
    await db.backup(file, {
      progress: ({ totalPages, remainingPages }) => {
        process.stderr.write(`${totalPages - remainingPages} of ${totalPages} pages\n`)
        return pages
      },
    })
  } finally {
    db.close()
  }
}

async function keyIds(keys: KeyStore): Promise<string[]> {
  const all: string[] = []
  for (;;) {
    const rows = await keys.list(all.at(-1), keysAtATime)
    all.push(...rows.map(({ keyId }) => keyId))
    if (rows.length < keysAtATime) return all
  }
}

/** Never over a database that is there: whoever wants that moves it away first. */
function placeCopy(file: string): void {
  const { data } = readConfig(process.env)
  const place = join(data, 'data.db')
  if (!existsSync(file)) throw new Failure('not-found', `The file ${file} cannot be read`)
  if (existsSync(place))
    throw new Failure('conflict', `${place} is there: stop the gateway and move it away first`)
  mkdirSync(data, { recursive: true, mode: 0o700 })
  for (const rest of [`${place}-wal`, `${place}-shm`]) rmSync(rest, { force: true })
  copyFileSync(file, place)
}

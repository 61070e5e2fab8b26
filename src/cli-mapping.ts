import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import { flows } from '#flows/index.ts'
import type { ArtifactText } from '#intake/artifact-name.ts'
import { differenceLines } from '#intake/difference.ts'
import type { Fixture } from '#intake/fixture-trial.ts'
import type { Pushed } from '#intake/workshop.ts'
import type { OpenClinic } from './node.ts'

export interface MappingCommandPorts {
  withClinic(act: (clinic: OpenClinic) => Promise<void>): Promise<void>
  say(value: unknown, text: string): void
  /** Who works here, for the log. */
  commandLine: Caller
  looked(gateway: OpenClinic['gateway'], what: string): Promise<void>
}

const home = join(import.meta.dirname, '..')

/** `postern push` and `postern mapping …`: mappings and code tables, changed without a release (docs/mapping.md). */
export function addMappingCommands(program: Command, ports: MappingCommandPorts): void {
  const { withClinic, say, commandLine, looked } = ports
  const by = () => ({ caller: commandLine, requestId: crypto.randomUUID() })
  program
    .command('push <path>')
    .description('try a mapping, a code table or a folder of them with every fixture, and put it in force')
    .option('--accept', 'although fixtures come out different than expected')
    .action((path: string, { accept = false }: { accept?: boolean }) =>
      withClinic(async ({ gateway }) => {
        const shipped = fixturesBelow(join(home, 'fixtures'))
        const pushed = await gateway.workshop.push({ ...readPush(path), shipped, accept }, by())
        say(pushed, pushedLines(pushed).join('\n'))
        if (!pushed.activated) process.exitCode = 1
      }),
    )
  const mapping = program.command('mapping').description('mappings and code tables, by file name')
  mapping
    .command('list')
    .description('what is in force')
    .action(() =>
      withClinic(async ({ gateway }) => {
        await looked(gateway, 'mappings listed')
        const { active } = await gateway.shelf.inForce()
        const names = [...new Set((await gateway.shelf.versions()).map(({ name }) => name))].sort()
        const rows = await Promise.all(
          names.map(async (name) => {
            const { sha256 = '' } = (await gateway.shelf.active(name)) ?? {}
            return { name, sha256, ...active[name] }
          }),
        )
        say(rows, rows.map((row) => [row.name, row.sha256.slice(0, 12), pushedBy(row)].join('\t')).join('\n'))
      }),
    )
  mapping
    .command('show <name> [sha]')
    .description('the versions of a mapping or code table; with a version, its text')
    .action((name: string, sha: string | undefined) =>
      withClinic(async ({ gateway }) => {
        await looked(gateway, 'mapping shown')
        const versions = await gateway.shelf.versions(name)
        if (versions.length === 0)
          throw new Failure('not-found', `There is no ${name}: try postern mapping list`)
        const active = await gateway.shelf.active(name)
        if (sha === undefined) {
          const lines = versions.map((each) =>
            [each.sha256 === active?.sha256 ? '*' : ' ', each.sha256.slice(0, 12), pushedBy(each)].join('\t'),
          )
          return say(versions, lines.join('\n'))
        }
        const version = versions.find((each) => each.sha256.startsWith(sha))
        if (!version) throw new Failure('not-found', `There is no version ${sha} of ${name}`)
        say(version, version.text)
      }),
    )
  mapping
    .command('rollback <name> <sha>')
    .description('put a version that was here before back in force')
    .action((name: string, sha: string) =>
      withClinic(async ({ gateway }) => {
        const told = await gateway.workshop.rollback(name, sha, by())
        say(
          told,
          `${told.name} is ${told.sha256.slice(0, 12)} again, was ${told.before?.slice(0, 12) ?? 'none'}`,
        )
      }),
    )
}

function pushedBy({ by, at }: { by?: string | undefined; at?: number | undefined }): string {
  return by === undefined ? 'shipped' : `${by}, ${new Date(at ?? 0).toISOString()}`
}

function pushedLines({ activated, refused, versions, fixtures }: Pushed): string[] {
  const changed = fixtures.filter(({ state }) => state !== 'same')
  return [
    ...versions.map(({ name, sha256, before }) => {
      return `${name}  ${before?.slice(0, 12) ?? 'new'} → ${sha256.slice(0, 12)}`
    }),
    ...changed.flatMap(({ flow, name, state, differences }) => [
      `${flow}/${name}: ${state}`,
      ...differenceLines(differences),
    ]),
    `${fixtures.length} fixtures tried, ${changed.length} come out otherwise`,
    activated ? (versions.length > 0 ? 'In force now' : 'Nothing new') : `Not in force: ${refused}`,
  ]
}

/** A file, or a folder that holds mappings and tables, itself or below `mappings`, and fixtures below `fixtures`. */
function readPush(path: string): { files: ArtifactText[]; fixtures: Fixture[] } {
  if (!isFolder(path)) return { files: [readArtifact(path)], fixtures: [] }
  const folder = isFolder(join(path, 'mappings')) ? join(path, 'mappings') : path
  const names = readdirSync(folder).filter((name) => /\.(jsonata|json)$/.test(name))
  const files = names.sort().map((name) => readArtifact(join(folder, name)))
  if (files.length === 0) throw new Failure('not-found', `There is no mapping and no code table in ${path}`)
  return { files, fixtures: fixturesBelow(join(path, 'fixtures')) }
}

function readArtifact(file: string): ArtifactText {
  try {
    return { name: basename(file), text: readFileSync(file, 'utf8') }
  } catch (cause) {
    throw new Failure('not-found', `The file ${file} cannot be read`, { cause })
  }
}

function fixturesBelow(root: string): Fixture[] {
  return flows.flatMap(({ name: flow }) => {
    const folder = join(root, flow)
    if (!isFolder(folder)) return []
    return readdirSync(folder)
      .filter((name) => /\.in\.(json|hl7)$/.test(name))
      .map((name) => {
        const golden = join(folder, name.replace(/\.in\.\w+$/, '.out.json'))
        const expected = statSync(golden, { throwIfNoEntry: false }) && readFileSync(golden, 'utf8')
        const body = readFileSync(join(folder, name)).toString('base64')
        return { flow, name, body, ...(expected ? { expected } : {}) }
      })
  })
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

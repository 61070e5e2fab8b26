import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Artifacts, Clock, Store } from '#core/ports.ts'
import { type ArtifactText, artifactKind, canonicalText } from './artifact-name.ts'
import {
  type ArtifactVersion,
  type InForce,
  inForceWrite,
  overlaid,
  type Shelf,
  type ShippedVersion,
  versionWrite,
} from './artifact-shelf.ts'
import { type Compared, compareVersions } from './compare.ts'
import { type Fixture, fixtureWrite, keptFixtures, type Tried, tryFixtures } from './fixture-trial.ts'
import { compileMapping } from './mapping-engine.ts'
import { mappingsOf, runs, wholeMapping } from './mapping-imports.ts'
import type { ReplayPorts } from './replay.ts'

export interface Push {
  files: readonly ArtifactText[]
  /** Messages that are tried with it, and kept for the pushes after this one. */
  fixtures: readonly Fixture[]
  /** Tried before those, and not kept: what comes with the software. */
  shipped?: readonly Fixture[]
  /** Activates although fixtures come out different than expected. */
  accept: boolean
}

export interface Pushed {
  /** Whether it is in force now. */
  activated: boolean
  /** Why not. */
  refused?: string
  /** What changed, with the version that was in force before. */
  versions: { name: string; sha256: string; before?: string }[]
  fixtures: Tried[]
}

/** Who does it, for the log. */
export interface By {
  caller: Caller
  requestId: string
}

export interface Workshop {
  /**
   * Compiles, replays the fixtures of every flow concerned, and activates all of it at once where nothing is worse or
   * unexpected. Throws Failure `unsupported` or `invalid` for a text that is no mapping or table, `conflict` where
   * somebody else changed what is in force meanwhile.
   */
  push(push: Push, by: By): Promise<Pushed>
  /**
   * Puts a version that was here before back in force, by at least seven digits of its SHA-256; a shipped one follows the
   * software's releases again. Nothing is replayed: this is for the moment when something is wrong. Throws Failure
   * `unsupported` for a version that this release does not compile.
   */
  rollback(name: string, sha256: string, by: By): Promise<{ name: string; sha256: string; before?: string }>
  /** What messages become by two versions of one thing (`compareVersions`), by the code rows of a client where one is named. */
  compare(
    versions: readonly [string, string],
    files: readonly { file: string; body: Uint8Array }[],
    client?: string,
  ): Promise<Compared>
}

export interface WorkshopPorts extends Pick<ReplayPorts, 'validator' | 'digest'> {
  store: Pick<Store, 'commit' | 'registrations'>
  shelf: Shelf
  audit: Audit
  clock: Clock
  flows: readonly Flow[]
}

/** Where mappings and code tables are changed without a release (I12). */
export function createWorkshop(ports: WorkshopPorts): Workshop {
  const { store, shelf, audit, clock } = ports

  function tell(by: By, outcome: 'success' | 'failed', outcomeText: string) {
    const act = { kind: 'configuration', outcome, outcomeText, ...by, patients: [], entities: [] } as const
    return audit.record({ ...act, at: clock.now() })
  }

  /** What is refused is on record before it is said. */
  async function onRecord<T>(by: By, what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (cause) {
      const kind = cause instanceof Failure ? cause.kind : 'internal'
      await store.commit({ audit: tell(by, 'failed', `${what}: ${kind}`) })
      throw cause
    }
  }

  async function changesIn(files: readonly ArtifactText[]) {
    const names = new Set(files.map(({ name }) => name))
    if (names.size !== files.length) throw new Failure('invalid', 'A name stands twice in this push')
    const found = await Promise.all(
      files.map(async (file) => {
        const text = canonicalText(file)
        const before = (await shelf.active(file.name))?.sha256
        return { name: file.name, text, sha256: ports.digest(text), ...(before ? { before } : {}) }
      }),
    )
    return found.filter(({ sha256, before }) => sha256 !== before)
  }

  async function push({ files, fixtures, shipped = [], accept }: Push, by: By): Promise<Pushed> {
    const inForce = await shelf.inForce()
    const active = await shelf.current()
    const changes = await changesIn(files)
    const candidate = overlaid(active, changes, active)
    requireUsed(changes, ports.flows, candidate)
    const flows = concernedBy(changes, ports.flows, candidate)
    requireWhole(flows, candidate)
    const trial = { ...ports, active, candidate, flows }
    const kept = await keptFixtures(store)
    const tried = changes.length > 0 ? await tryFixtures(trial, [...shipped, ...kept, ...fixtures]) : []
    const refused = changes.length > 0 ? refusalOf(tried, accept) : undefined
    const versions = changes.map(({ text: _text, ...version }) => version)
    const names = changes.map(({ name, sha256 }) => `${name} ${sha256.slice(0, 12)}`).join(', ')
    if (refused) {
      await store.commit({ audit: tell(by, 'failed', `push refused (${refused}): ${names}`) })
      return { activated: false, refused, versions, fixtures: tried }
    }
    const at = clock.now()
    const who = { by: by.caller.clientId, at }
    const next = Object.fromEntries(changes.map(({ name, sha256 }) => [name, { sha256, ...who }]))
    await putInForce(
      inForce,
      { ...inForce.active, ...next },
      {
        entries: tell(
          by,
          'success',
          `pushed and activated${accept ? ' (accepted)' : ''}: ${names || 'nothing new'}`,
        ),
        versions: changes.map(({ name, text, sha256 }) => ({ name, text, sha256, ...who })),
        fixtures,
        at,
      },
    )
    return { activated: true, versions, fixtures: tried }
  }

  async function putInForce(before: InForce, active: InForce['active'], what: Activation): Promise<void> {
    const { registration, nonce } = inForceWrite(before, active, what.at)
    try {
      await store.commit({
        audit: what.entries,
        registrations: [...what.versions.map(versionWrite), ...what.fixtures.map(fixtureWrite), registration],
        nonces: [nonce],
      })
    } catch (cause) {
      if (!(cause instanceof Failure && cause.kind === 'conflict')) throw cause
      const text = 'Somebody else changed mappings or code tables meanwhile: look at them and do this again'
      throw new Failure('conflict', text, { cause })
    }
  }

  async function rollback(name: string, sha256: string, by: By) {
    artifactKind(name)
    const inForce = await shelf.inForce()
    const before = (await shelf.active(name))?.sha256
    const version = requireOne(await shelf.versions(name), sha256)
    // It stood in force once, but maybe under a release that took more than this one, or beside other imports.
    canonicalText(version)
    const current = await shelf.current()
    const candidate = overlaid(current, [version], current)
    requireWhole(concernedBy([version], ports.flows, candidate), candidate)
    const { [name]: _replaced, ...others } = inForce.active
    const at = clock.now()
    const own = { sha256: version.sha256, by: by.caller.clientId, at }
    const active = version.by === undefined ? others : { ...others, [name]: own }
    const entries = tell(by, 'success', `rolled back: ${name} ${version.sha256.slice(0, 12)}`)
    await putInForce(inForce, active, { entries, versions: [], fixtures: [], at })
    return { name, sha256: version.sha256, ...(before ? { before } : {}) }
  }

  return {
    push: (push_, by) => onRecord(by, 'push', () => push(push_, by)),
    rollback: (name, sha256, by) => onRecord(by, 'rollback', () => rollback(name, sha256, by)),
    compare: (versions, files, sender) => compareVersions({ ...ports, sender }, versions, files),
  }
}

interface Activation {
  entries: ReturnType<Audit['record']>
  versions: readonly ArtifactVersion[]
  fixtures: readonly Fixture[]
  at: number
}

/** A mapping that no flow uses would never run, and nobody would know. */
function requireUsed(
  changes: readonly ArtifactText[],
  flows: readonly Flow[],
  { mappings }: Artifacts,
): void {
  for (const { name } of changes) {
    const { form, stem } = artifactKind(name)
    if (form === 'mapping' && !flows.some((flow) => runs(flow, stem, mappings)))
      throw new Failure('invalid', `No flow uses a mapping ${stem}`)
  }
}

/** A table may be asked by any mapping, and a mapping imported by several. */
function concernedBy(
  changes: readonly ArtifactText[],
  flows: readonly Flow[],
  { mappings }: Artifacts,
): Flow[] {
  const kinds = changes.map(({ name }) => artifactKind(name))
  return flows.filter((flow) =>
    kinds.some(({ form, stem }) => form === 'codes' || runs(flow, stem, mappings)),
  )
}

/** Each text compiled by itself; with what it imports it has to as well. */
function requireWhole(flows: readonly Flow[], { mappings }: Artifacts): void {
  for (const name of new Set(flows.flatMap(mappingsOf)))
    compileMapping(name, wholeMapping(name, mappings).text)
}

function refusalOf(tried: readonly Tried[], accept: boolean): string | undefined {
  const count = (state: Tried['state']) => tried.filter((each) => each.state === state).length
  if (count('fails') > 0) return `${count('fails')} of ${tried.length} fixtures fail`
  if (accept) return undefined
  if (tried.length === 0) return 'no fixture to replay: push one with it'
  return count('differs') > 0 ? `${count('differs')} of ${tried.length} fixtures differ` : undefined
}

function requireOne<Version extends ArtifactVersion | ShippedVersion>(
  versions: readonly Version[],
  sha256: string,
): Version {
  if (!/^[0-9a-f]{7,64}$/.test(sha256))
    throw new Failure('invalid', 'Give at least seven digits of the SHA-256 of a version')
  const found = versions.filter((each) => each.sha256.startsWith(sha256))
  const [first] = found
  if (!first) throw new Failure('not-found', 'There is no such version')
  if (found.some((each) => each.sha256 !== first.sha256))
    throw new Failure('conflict', 'Several versions begin like this: give more digits')
  return first
}

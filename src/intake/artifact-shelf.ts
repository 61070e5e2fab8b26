import type { RegistrationWrite } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Artifacts, Store } from '#core/ports.ts'
import { type ArtifactText, artifactKind } from './artifact-name.ts'

/** One text of a mapping or code table, as it was pushed. */
export interface ArtifactVersion extends ArtifactText {
  sha256: string
  /** Client id of who pushed it. */
  by: string
  /** Milliseconds since the epoch. */
  at: number
}

/** A version that came with the software, in the folder `mappings`: what a new clinic starts with. */
export type ShippedVersion = ArtifactText & { sha256: string; by?: undefined; at?: undefined }

/** Which pushed version stands for which name; what is not named is as shipped. */
export interface InForce {
  /** Raised by one with every change: two changes at once collide on it. */
  serial: number
  active: Record<string, { sha256: string; by: string; at: number }>
}

export interface Shelf {
  /** What is in force at this moment, pushed by whatever process. */
  current(): Promise<Artifacts>
  inForce(): Promise<InForce>
  /** The version in force of one name. */
  active(name: string): Promise<ArtifactVersion | ShippedVersion | undefined>
  /** Every version of a name, or of all; shipped ones first, pushed ones as they came. */
  versions(name?: string): Promise<(ArtifactVersion | ShippedVersion)[]>
}

export interface ShelfPorts {
  store: Pick<Store, 'findRegistration' | 'registrations' | 'onCommit' | 'onChangeElsewhere'>
  shipped: Artifacts
  /** SHA-256, hexadecimal. */
  digest(content: string): string
}

const inForceKey = { kind: 'artifacts-in-force', id: 'current' } as const

/** Mappings and code tables: those shipped, and over them those pushed into the store (I12). */
export function createShelf({ store, shipped, digest }: ShelfPorts): Shelf {
  const texts = new Map<string, ArtifactVersion>()
  let fresh: Promise<Artifacts> | undefined
  let last: { json: string; artifacts: Artifacts } | undefined

  store.onChangeElsewhere?.(() => {
    fresh = undefined
  })
  store.onCommit(({ registrations }) => {
    if (registrations?.some(({ kind }) => kind === inForceKey.kind)) fresh = undefined
  })

  async function find(name: string, sha256: string): Promise<ArtifactVersion> {
    const key = `${name}/${sha256}`
    const known = texts.get(key)
    if (known) return known
    const json = await store.findRegistration('artifact', key)
    if (json === undefined)
      throw new Failure('internal', `The version of ${name} that is in force is not here`)
    const version = JSON.parse(json) as ArtifactVersion
    texts.set(key, version)
    return version
  }

  /** Other processes commit all the time, and hardly ever here: what did not change keeps its compiled form. */
  async function load(): Promise<Artifacts> {
    const json = (await store.findRegistration(inForceKey.kind, inForceKey.id)) ?? ''
    if (last?.json === json) return last.artifacts
    const { active } = readInForce(json)
    const names = Object.entries(active)
    const versions = await Promise.all(names.map(([name, { sha256 }]) => find(name, sha256)))
    const artifacts = overlaid(shipped, versions, last?.artifacts)
    last = { json, artifacts }
    return artifacts
  }

  const shippedTexts = () =>
    [
      ...[...shipped.mappings].map(([stem, text]) => ({ name: `${stem}.jsonata`, text })),
      ...[...shipped.conceptMaps].map(([stem, map]) => ({ name: `${stem}.json`, text: JSON.stringify(map) })),
    ].map((each): ShippedVersion => ({ ...each, sha256: digest(each.text) }))

  const inForce = async () =>
    readInForce((await store.findRegistration(inForceKey.kind, inForceKey.id)) ?? '')

  return {
    inForce,
    async current() {
      fresh ??= load()
      const asked = fresh
      try {
        return await asked
      } catch (cause) {
        if (fresh === asked) fresh = undefined
        throw cause
      }
    },
    async active(name) {
      const pushed = (await inForce()).active[name]
      return pushed ? find(name, pushed.sha256) : shippedTexts().find((each) => each.name === name)
    },
    async versions(name) {
      const rows = await store.registrations('artifact')
      const pushed = rows.map(({ json }) => JSON.parse(json) as ArtifactVersion).sort((a, b) => a.at - b.at)
      return [...shippedTexts(), ...pushed].filter((each) => name === undefined || each.name === name)
    },
  }
}

/** What a commit writes so that a version is on the shelf. */
export function versionWrite(version: ArtifactVersion): RegistrationWrite {
  return { kind: 'artifact', id: `${version.name}/${version.sha256}`, json: JSON.stringify(version) }
}

/** What a commit writes so that other versions are in force: with `nonces`, so that two at once are not both right. */
export function inForceWrite({ serial }: InForce, active: InForce['active'], at: number) {
  const next: InForce = { serial: serial + 1, active }
  return {
    registration: { ...inForceKey, json: JSON.stringify(next) } satisfies RegistrationWrite,
    // A day is far more than a change takes; the serial is never used again.
    nonce: { issuer: inForceKey.kind, value: String(next.serial), expires: at + 86_400_000 },
  }
}

/** Texts laid over what stands below; a table whose text did not change stays the same value. */
export function overlaid(below: Artifacts, texts: readonly ArtifactText[], before?: Artifacts): Artifacts {
  const mappings = new Map(below.mappings)
  const conceptMaps = new Map(below.conceptMaps)
  for (const { name, text } of texts) {
    const { form, stem } = artifactKind(name)
    if (form === 'mapping') {
      mappings.set(stem, text)
      continue
    }
    const known = before?.conceptMaps.get(stem)
    conceptMaps.set(stem, known !== undefined && JSON.stringify(known) === text ? known : JSON.parse(text))
  }
  return { ...below, mappings, conceptMaps }
}

function readInForce(json: string): InForce {
  return json === '' ? { serial: 0, active: {} } : (JSON.parse(json) as InForce)
}

import type { Caller, Role } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Artifacts } from '#core/ports.ts'
import type { Identified, Reference, Resource } from '#core/resource.ts'
import { requireProfiles } from './profile-gate.ts'
import { createTransformer, type Transformer } from './transform.ts'

/** What came of a message when it was only tried, and how it was sent where that is not the usual way. */
export interface Replayed {
  given?: Given
  resources?: unknown[]
  warnings?: string[]
  purged?: true
  refused?: { kind: string; issues: string[] }
}

/** How a fixture is sent: role and special permissions of its sender, the zone of times without offset. */
export interface Given {
  role?: Role
  grants?: string[]
  timeZone?: string
}

export interface ReplayPorts {
  artifacts: Artifacts
  validator: {
    check(resource: Resource, profile?: string): Issue[]
    restoreDecimals(resource: unknown): unknown
  }
  /** SHA-256, hexadecimal. */
  digest(content: string | Uint8Array): string
  /** Client id of the sender: its own code rows count. */
  sender?: string
}

/** What a message becomes when it is kept. */
export interface Made {
  resources: Identified[]
  /** Whom it names, as they are stored where nobody knows them. */
  stubs: Resource[]
  warnings: Issue[]
}

export interface Replay {
  transformer: Transformer
  /** Undefined for a message that is not kept. Throws the Failure that refuses it. */
  make<Source>(flow: Flow<Source>, body: Uint8Array, given?: Given): Promise<Made | undefined>
  /** The same, with refusals told. */
  replay<Source>(flow: Flow<Source>, body: Uint8Array, given?: Given): Promise<Replayed>
}

/** When every message that is tried came in. */
export const noon = Date.UTC(2026, 0, 5, 12)

/**
 * Takes messages through flow, rules, mapping and profile gate without a store: real mappings and profiles, ids that can
 * be read, whoever is named as if known, and no mapping hash, so that two results differ in what was mapped only.
 */
export function createReplay({ artifacts, validator, digest, sender = 'platform' }: ReplayPorts): Replay {
  const transformer = createTransformer({
    artifacts: () => artifacts,
    digest: (content) => (typeof content === 'string' ? 'sha256-of-the-mapping' : digest(content)),
    deriveId: (...parts) =>
      parts
        .slice(2)
        .join('.')
        .replace(/[^A-Za-z0-9.-]/g, '-'),
    restoreDecimals: validator.restoreDecimals,
  })

  async function make<Source>(flow: Flow<Source>, body: Uint8Array, given: Given = {}) {
    const caller = callerWith(given, sender)
    const source = flow.read(body, { timeZone: given.timeZone ?? 'America/Chicago' })
    const verdicts = flow.rules.map((rule) => rule(source, caller))
    if (verdicts.some((verdict) => !verdict.keep)) return undefined
    const parties = flow.parties(source)
    const made = await transformer.transform(flow, source, {
      caller,
      messageId: flow.messageId(source),
      received: noon,
      body,
      references: {
        ...Object.fromEntries(parties.map((party) => [party.slot, referenceOf(party)])),
        ...ordersNamed(flow, source),
      },
    })
    const stubs = parties.map(({ stub }) => stub)
    requireProfiles(validator, flow, [...made.resources, ...stubs])
    const warnings = verdicts.flatMap((each) => (each.keep ? (each.warnings ?? []) : []))
    return { resources: made.resources, stubs, warnings: [...warnings, ...made.warnings] }
  }

  async function replay<Source>(flow: Flow<Source>, body: Uint8Array, given: Given = {}): Promise<Replayed> {
    const kept = Object.keys(given).length > 0 ? { given } : {}
    try {
      const made = await make(flow, body, given)
      if (!made) return { ...kept, purged: true }
      const warnings = made.warnings.map(({ text, expression }) =>
        [expression, text].filter(Boolean).join(': '),
      )
      return { ...kept, resources: made.resources, ...(warnings.length > 0 ? { warnings } : {}) }
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure
      const issues = failure.issues.map(({ expression, text }) => `${expression ?? ''}: ${text}`)
      return { ...kept, refused: { kind: failure.kind, issues } }
    }
  }

  return { transformer, make, replay }
}

function callerWith({ role = 'platform', grants = [] }: Given, clientId: string): Caller {
  return {
    clientId,
    name: 'Messaging platform',
    role,
    scopes: [],
    actors: ['Organization/platform'],
    purpose: 'TREAT',
    grants,
  }
}

function referenceOf({ type, identifier }: Party): Reference {
  return `${type}/${identifier.value.replace(/[^A-Za-z0-9.-]/g, '-')}`
}

/** As if every order were here, by the first of its numbers, and named the one pharmacy. */
function ordersNamed<Source>(flow: Flow<Source>, source: Source): Record<string, Reference> {
  const links = flow.orders?.(source) ?? []
  const named = links.flatMap(({ slot, values: [number = 'none'] }): [string, Reference][] => [
    [slot, `MedicationRequest/${number}`],
    [`${slot}-pharmacy`, 'Organization/1234567893'],
    [`${slot}-patient`, 'Patient/MRN-4711'],
  ])
  return Object.fromEntries(named)
}

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { Caller, Role } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Reference, Resource } from '#core/resource.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { createTransformer } from '#intake/transform.ts'
import { createValidator } from '#validator/validator.ts'

/** What a fixture's `.out.json` may say: how it was sent, and what came of it. */
export interface Expected {
  given?: { role?: Role; grants?: string[]; timeZone?: string }
  resources?: unknown[]
  warnings?: string[]
  purged?: true
  refused?: { kind: string; issues: string[] }
}

const root = new URL('../../', import.meta.url).pathname
const artifacts = readArtifacts(root)
const validator = createValidator({
  base: JSON.parse(readFileSync(`${root}profiles/base/r4.json`, 'utf8')),
  profiles: artifacts.profiles,
})
const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')

/** Real mappings and profiles; ids that can be read, and no mapping hash, so that goldens say only what was mapped. */
export const transformer = createTransformer({
  artifacts,
  digest: (content) => (typeof content === 'string' ? 'sha256-of-the-mapping' : sha256(content)),
  deriveId: (...parts) =>
    parts
      .slice(2)
      .join('.')
      .replace(/[^A-Za-z0-9.-]/g, '-'),
  restoreDecimals: validator.restoreDecimals,
})

export const noon = Date.UTC(2026, 0, 5, 12)

export function callerWith(grants: readonly string[], role: Role = 'platform'): Caller {
  return {
    clientId: 'platform',
    name: 'Messaging platform',
    role,
    scopes: [],
    actors: ['Organization/platform'],
    purpose: 'TREAT',
    grants,
  }
}

export function fixturesOf(flow: string): string[] {
  return readdirSync(`${root}fixtures/${flow}`)
    .map((name) => /^(.*\.in\.(?:json|hl7))$/.exec(name)?.[1])
    .filter((name) => name !== undefined)
}

export function readFixture(flow: string, name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${root}fixtures/${flow}/${name}`))
}

export function expectedOf(flow: string, name: string): string {
  return readFileSync(`${root}fixtures/${flow}/${name.replace(/\.in\.\w+$/, '.out.json')}`, 'utf8')
}

/** One message through its flow, rules and mapping, as intake does it; then every profile is checked. */
export async function replay<Source>(
  flow: Flow<Source>,
  body: Uint8Array,
  given: Expected['given'] = {},
): Promise<Expected> {
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

interface Made {
  resources: Resource[]
  /** Whom it names, as they are stored where nobody knows them. */
  stubs: Resource[]
  warnings: Issue[]
}

/** What a message becomes; nothing where it is not kept. Throws the Failure that refuses it. */
export async function make<Source>(
  flow: Flow<Source>,
  body: Uint8Array,
  given: Expected['given'] = {},
): Promise<Made | undefined> {
  const caller = callerWith(given.grants ?? [], given.role)
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
  requireProfiles(flow, [...made.resources, ...stubs])
  const warnings = [...verdicts.flatMap((each) => (each.keep ? (each.warnings ?? []) : [])), ...made.warnings]
  return { resources: made.resources, stubs, warnings }
}

/** Indented JSON in which decimals stay as they are. */
export function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
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

function requireProfiles(flow: Pick<Flow, 'profiles'>, resources: readonly { resourceType: string }[]): void {
  const issues = resources.flatMap((resource) =>
    validator.check(resource, flow.profiles[resource.resourceType as keyof Flow['profiles']]),
  )
  const errors = issues.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Failure('invalid', errors)
}

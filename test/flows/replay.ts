import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Reference } from '#core/resource.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { createTransformer } from '#intake/transform.ts'
import { createValidator } from '#validator/validator.ts'

/** What a fixture's `.out.json` may say: how it was sent, and what came of it. */
export interface Expected {
  given?: { grants?: string[]; timeZone?: string }
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
const transformer = createTransformer({
  artifacts,
  digest: (content) => (typeof content === 'string' ? 'sha256-of-the-mapping' : sha256(content)),
  deriveId: (...parts) => parts.slice(2).join('.'),
  restoreDecimals: validator.restoreDecimals,
})

export const noon = Date.UTC(2026, 0, 5, 12)

export function callerWith(grants: readonly string[]): Caller {
  return {
    clientId: 'platform',
    name: 'Messaging platform',
    role: 'platform',
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
  const caller = callerWith(given.grants ?? [])
  const kept = Object.keys(given).length > 0 ? { given } : {}
  try {
    const source = flow.read(body, { timeZone: given.timeZone ?? 'America/Chicago' })
    const verdicts = flow.rules.map((rule) => rule(source, caller))
    if (verdicts.some((verdict) => !verdict.keep)) return { ...kept, purged: true }
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
    requireProfiles(flow, [...made.resources, ...parties.map(({ stub }) => stub)])
    const warned = [...verdicts.flatMap((each) => (each.keep ? (each.warnings ?? []) : [])), ...made.warnings]
    const warnings = warned.map(({ text, expression }) => [expression, text].filter(Boolean).join(': '))
    return { ...kept, resources: made.resources, ...(warnings.length > 0 ? { warnings } : {}) }
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    const issues = failure.issues.map(({ expression, text }) => `${expression ?? ''}: ${text}`)
    return { ...kept, refused: { kind: failure.kind, issues } }
  }
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

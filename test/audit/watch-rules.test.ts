import type { AuditEvent } from 'fhir/r4'
import { describe, expect, test } from 'vitest'
import { createAudit } from '#audit/balp.ts'
import { watchRules } from '#audit/watch-rules.ts'
import { factOf, fires, freshState } from '#audit/watch-state.ts'
import type { Act } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'

const audit = createAudit({
  server: { name: 'test', reference: 'Device/postern', address: 'https://clinic.example.org' },
  ids: { random: () => crypto.randomUUID() },
})
const minute = 60_000
/** Two in the afternoon and two at night, in Berlin. */
const day = Date.parse('2026-05-01T12:00:00Z')
const night = Date.parse('2026-05-01T00:00:00Z')

const ehr: Caller = {
  clientId: 'ehr',
  name: 'EHR',
  role: 'ehr',
  scopes: [],
  actors: ['Organization/1'],
  purpose: 'TREAT',
  grants: [],
  tokenId: 'jti',
  network: '10.0.0.1',
}

function act(more: Partial<Act>): Act {
  const base = { kind: 'read', outcome: 'success', at: day, requestId: 'r', caller: ehr } as const
  return { ...base, patients: [], entities: [], ...more }
}

/** Which rules fire, and at which of the acts. */
function fired(acts: readonly Act[]): string[] {
  const state = freshState()
  return acts.flatMap((each, index) =>
    audit.record(each).flatMap(({ json }) => {
      const fact = factOf(JSON.parse(json) as AuditEvent)
      const firing = watchRules.filter((rule) => fires(rule, fact, state, 'Europe/Berlin'))
      // What is remembered has to survive being written down.
      Object.assign(state, JSON.parse(JSON.stringify(state)))
      return firing.map((rule) => `${rule.name} at ${index}`)
    }),
  )
}

const times = (count: number, make: (index: number) => Partial<Act>) =>
  Array.from({ length: count }, (_, index) => act(make(index)))

const refusal = (at: number, network = '10.9.9.9'): Partial<Act> => ({
  kind: 'token',
  outcome: 'denied',
  at,
  network,
  caller: undefined,
  query: 'grant_type=client_credentials',
})
const signIn = (network: string, clientId = 'ehr'): Partial<Act> => ({
  kind: 'token',
  query: 'grant_type=client_credentials',
  caller: { ...ehr, clientId, network },
})
const reading = (index: number, at: number): Partial<Act> => ({
  at,
  patients: [`Patient/${index}`],
  entities: [`Communication/${index}`],
})

describe('a burst of refused sign-ins', () => {
  test('fires with the tenth from one network within ten minutes, and then begins anew', () => {
    expect(fired(times(19, (n) => refusal(day + n * minute * 0.5)))).toEqual(['failed-login-burst at 9'])
  })
  test('is none when they are spread over time, over networks, or let in', () => {
    expect(fired(times(30, (n) => refusal(day + n * minute * 1.2)))).toEqual([])
    expect(fired(times(30, (n) => refusal(day, `10.9.9.${n}`)))).toEqual([])
    expect(fired(times(30, () => signIn('10.0.0.1')))).toEqual([])
  })
})

describe('a new network', () => {
  test('fires when a system that was known elsewhere signs in from it, once', () => {
    const acts = ['10.0.0.1', '10.0.0.1', '203.0.113.9', '203.0.113.9', '10.0.0.1'].map((each) =>
      act(signIn(each)),
    )
    expect(fired(acts)).toEqual(['new-network at 2'])
  })
  test('is none for the first sign-in, for another system, or for one that was refused', () => {
    const refused = act({ ...signIn('203.0.113.9'), outcome: 'denied' })
    expect(fired([act(signIn('10.0.0.1')), act(signIn('203.0.113.9', 'pharmacy')), refused])).toEqual([])
  })
})

describe('a bulk read at night', () => {
  test('fires with the fiftieth patient within an hour', () => {
    expect(fired(times(60, (n) => reading(n, night + n * 1000)))).toEqual(['night-bulk-read at 49'])
    const search = act({
      kind: 'search',
      at: night,
      query: 'Patient?',
      patients: times(50, () => ({})).map((_, n) => `Patient/${n}` as const),
    })
    expect(fired([search])).toEqual(['night-bulk-read at 0'])
  })
  test('is none by day, of few patients however often, over many hours, or of what was refused', () => {
    expect(fired(times(60, (n) => reading(n, day + n * 1000)))).toEqual([])
    expect(fired(times(200, (n) => reading(n % 40, night + n * 1000)))).toEqual([])
    expect(fired(times(60, (n) => reading(n, night + n * 2 * minute)))).toEqual([])
    expect(fired(times(60, (n) => ({ ...reading(n, night + n * 1000), outcome: 'denied' })))).toEqual([])
  })
})

describe('single acts', () => {
  test('an export of the log fires; one that failed does not, nor does a disclosure', () => {
    expect(fired([act({ kind: 'export' })])).toEqual(['export at 0'])
    expect(fired([act({ kind: 'export', outcome: 'failed' })])).toEqual([])
    expect(fired([act({ kind: 'disclosure', recipient: { name: 'x', address: 'y' } })])).toEqual([])
  })
  test('a change of a consent fires; reading one does not, nor does an act that a consent allowed', () => {
    const entities = ['Consent/1/_history/2']
    for (const kind of ['create', 'update', 'delete'] as const)
      expect(fired([act({ kind, entities })])).toEqual(['consent-change at 0'])
    expect(fired([act({ kind: 'read', entities: ['Consent/1'] })])).toEqual([])
    expect(
      fired([act({ kind: 'update', entities: ['Task/1/_history/2'], consents: ['Consent/1'] })]),
    ).toEqual([])
  })
  test('a change of a client fires; a replayed delivery does not', () => {
    expect(fired([act({ kind: 'configuration', outcomeText: 'client ehr registered' })])).toEqual([
      'client-change at 0',
    ])
    expect(fired([act({ kind: 'configuration', outcomeText: 'delivery replayed' })])).toEqual([])
  })
  test('a change of the wrapping keys fires; another configuration does not', () => {
    expect(fired([act({ kind: 'configuration', outcomeText: 'key retired: kek-1' })])).toEqual([
      'key-change at 0',
    ])
    expect(fired([act({ kind: 'configuration', outcomeText: 'Destination x registered' })])).toEqual([])
  })
})

test('what is remembered has a limit', () => {
  const state = freshState()
  const rule = watchRules.find(({ name }) => name === 'failed-login-burst')
  for (let n = 0; n < 5000; n += 1) {
    const [entry] = audit.record(act(refusal(day, `10.${n >> 8}.${n & 255}.1`)))
    if (rule) fires(rule, factOf(JSON.parse(entry?.json ?? '')), state, 'UTC')
  }
  expect(Object.keys(state.bursts)).toHaveLength(2000)
})

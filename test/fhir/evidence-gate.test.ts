import type { Patient } from 'fhir/r4'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readLedger } from '#care/ledger-reading.ts'
import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import type { Driver } from '#store/driver.ts'
import { type Answered, type OpenFhir, openFhir } from './open-fhir.ts'
import { answersOf, messageOf, openSigningDesk, type SigningDesk } from './signing-desk.ts'

/*
 * R24 and R25: whatever comes in at whatever moment between a prescriber's look and the signature, nothing is signed on
 * what was not seen, and what is signed is whole. The moments are the calls of the store, each of which is atomic.
 */
let open: OpenFhir
let desk: SigningDesk
/** What happens before the call of the store of this number. */
let intrusion: { at: number; act(): Promise<void> } | undefined
let calls = 0
/** Fails the next unit that signs at this statement. */
let breakAt: number | undefined
let statements = 0

beforeAll(async () => {
  open = await openFhir({ between: counted, beneath: breaking })
  desk = await openSigningDesk(open, open.store)
})
afterAll(() => open.close())

function counted(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function' || name === 'onCommit') return method
      return async (...values: unknown[]) => {
        calls += 1
        if (intrusion?.at === calls) await intrusion.act()
        return method.apply(target, values)
      }
    },
  })
}

function breaking(driver: Driver): Driver {
  return {
    ...driver,
    atomically(unit) {
      const at = breakAt
      if (at === undefined || !unit.some(({ guard }) => guard === 'ledger')) return driver.atomically(unit)
      statements = unit.length
      breakAt = undefined
      const broken = { sql: 'INSERT INTO no_such_table VALUES (1)', parameters: [] }
      return driver.atomically([...unit.slice(0, at), broken, ...unit.slice(at)])
    },
  }
}

let patients = 0
/** One prescriber's walk; what came of it. */
async function walk(
  at: number,
  act: (name: string) => Promise<void>,
): Promise<{ name: string; answer: Answered; all: number }> {
  const name = `p${patients++}`
  await desk.patient(name)
  calls = 0
  intrusion = { at, act: () => act(name) }
  const view = await desk.look(name)
  const answer = view.status === 200 ? await desk.sign(name) : view
  intrusion = undefined
  return { name, answer, all: calls }
}

/** Says from the ledgers alone whether what was signed had been seen: by position, nothing of the gate's own code. */
async function requireSound(name: string, records: readonly Reference[], answer: Answered): Promise<void> {
  const order = JSON.parse((await open.store.read('MedicationRequest', `again-${name}`))?.json ?? '{}')
  let signed = 0
  for (const record of records) {
    const { entries } = await readLedger(open.store, record)
    const end = entries.findIndex(({ entry }) => entry.kind === 'signed')
    if (end < 0) continue
    signed += 1
    const before = entries.slice(0, end).map(({ entry }) => entry)
    const seen = before.flatMap((entry) =>
      entry.kind === 'viewed' && entry.person === 'Practitioner/doctor'
        ? entry.seen.map(({ what }) => what)
        : [],
    )
    const last = new Map(
      before.flatMap((entry) => ('what' in entry ? [[entry.what.split('/_')[0], entry.what] as const] : [])),
    )
    expect(
      [...last.values()].filter((what) => !seen.includes(what)),
      name,
    ).toEqual([])
  }
  expect([order.status, answer.status === 200], JSON.stringify(answer.json)).toEqual(
    signed > 0 ? ['active', true] : ['draft', false],
  )
}

const colleague = (name: string) => ({
  patient: `Patient/${name}` as const,
  entry: {
    kind: 'viewed' as const,
    id: crypto.randomUUID(),
    at: 1,
    person: 'Practitioner/colleague' as const,
    session: { client: 'x', signedIn: 1, factors: 2 },
    seen: [],
  },
})

/** Another record of the same person, with a message in it. */
async function merge(name: string): Promise<void> {
  const other = `${name}-old`
  const linked = (to: string, type: 'replaces' | 'replaced-by'): Patient => ({
    resourceType: 'Patient',
    active: type === 'replaces',
    link: [{ type, other: { reference: `Patient/${to}` } }],
  })
  await desk.write({ resourceType: 'Patient' }, other)
  await desk.write(messageOf(other), `message-${other}`)
  await desk.write(linked(name, 'replaced-by'), other, 2)
  await desk.write(linked(other, 'replaces'), name, 2)
}

describe('at every moment between look and signature', () => {
  // What comes in once the signature is committed is too late; a message that is edited before it is read is seen.
  it.each<[string, number, (name: string) => Promise<void>]>([
    ['a new message', 1, (name) => desk.write(messageOf(name, 'It is worse'), `new-${name}`)],
    ['the same message edited', 2, (name) => desk.write(messageOf(name, 'Worse'), `message-${name}`, 2)],
    ['new answers', 1, (name) => desk.write(answersOf(name), `answers-${name}`)],
    ['a merge with a record that has a message', 1, merge],
  ])(
    '%s is either seen or comes after what was signed',
    async (_, signed, act) => {
      const { all } = await walk(0, async () => {})
      const outcomes: Record<number, number> = {}
      for (let at = 1; at <= all + 1; at++) {
        const { name, answer } = await walk(at, act)
        await requireSound(name, [`Patient/${name}`, `Patient/${name}-old`], answer)
        outcomes[answer.status] = (outcomes[answer.status] ?? 0) + 1
      }
      expect(outcomes).toEqual({ 200: signed, 409: all + 1 - signed })
    },
    60_000,
  )

  it('what a colleague looks at changes nothing', async () => {
    const { all } = await walk(0, async () => {})
    for (let at = 1; at <= all; at++) {
      const { name, answer } = await walk(at, async (each) => {
        await open.store.commit({ audit: [], ledger: [colleague(each)] })
      })
      expect(answer.status, JSON.stringify(answer.json)).toBe(200)
      await requireSound(name, [`Patient/${name}`], answer)
    }
  }, 60_000)
})

describe('a signature that breaks off', () => {
  /** What a signature makes, by number. */
  async function traces() {
    const { entries } = await readLedger(open.store, 'Patient/broken')
    const count = async (type: string) => {
      const criteria = [{ kind: 'token' as const, param: 'patient', values: ['Patient/broken'] }]
      return (await open.store.search({ type, criteria, limit: 10 })).length
    }
    return {
      signed: entries.filter(({ entry }) => entry.kind === 'signed').length,
      version: (await open.store.read('MedicationRequest', 'again-broken'))?.version,
      records: await count('Provenance'),
      // One for the pharmacy, one by which the order before is to end.
      tasks: await count('Task'),
      deliveries: (await open.store.deliveries(10)).length,
    }
  }

  it('at any statement of its commit leaves nothing behind, and made again it is whole', async () => {
    const pharmacy = { id: 'pharmacy', active: true, role: 'pharmacy', organization: 'Organization/pharmacy' }
    await open.store.commit({
      audit: [],
      registrations: [{ kind: 'destination', id: 'pharmacy', json: JSON.stringify(pharmacy) }],
    })
    await desk.patient('broken')
    await desk.look('broken')
    const nothing = { signed: 0, version: 1, records: 0, tasks: 0, deliveries: 0 }
    expect(await traces()).toEqual(nothing)
    for (let at = 0; at === 0 || at <= statements; at++) {
      breakAt = at
      expect((await desk.sign('broken')).status).toBe(503)
      expect(await traces(), `broken at ${at}`).toEqual(nothing)
    }
    expect(statements).toBeGreaterThan(20)
    expect((await desk.sign('broken')).status).toBe(200)
    expect(await traces()).toEqual({ signed: 1, version: 2, records: 1, tasks: 2, deliveries: 2 })
  }, 60_000)
})

describe('what the signer may not see', () => {
  it('is neither asked for nor named to them, and the ledger says that it was withheld', async () => {
    await desk.patient('hiding')
    await desk.write(answersOf('hiding'), 'hidden-answers')
    await desk.look('hiding')
    expect((await desk.sign('hiding')).status).toBe(409)
    open.policy.hidden.add('QuestionnaireResponse/hidden-answers')
    const signed = await desk.sign('hiding')
    open.policy.hidden.clear()
    expect(signed.status, signed.body).toBe(200)
    expect(signed.body).not.toContain('hidden-answers')
    const { entries } = await readLedger(open.store, 'Patient/hiding')
    expect(entries.at(-1)?.entry).toMatchObject({
      kind: 'signed',
      verdict: 'seen',
      withheld: ['QuestionnaireResponse/hidden-answers/_history/1'],
    })
  })
})

describe('an override', () => {
  it('takes a grant', async () => {
    await desk.patient('urgent')
    const code = 'told-otherwise'
    const coding = [{ system: 'https://postern.health/fhir/CodeSystem/unseen-override', code }]
    const why = { coding, text: 'The patient told me by telephone' }
    desk.doctor.grants = []
    expect((await desk.sign('urgent', why)).status).toBe(403)
    desk.doctor.grants = ['sign-unseen']
    expect((await desk.sign('urgent', why)).status).toBe(200)
    const { entries } = await readLedger(open.store, 'Patient/urgent')
    expect(entries.at(-1)?.entry).toMatchObject({
      verdict: 'overridden',
      unseen: ['Communication/message-urgent/_history/1'],
      override: { code, text: 'The patient told me by telephone' },
    })
  })
})

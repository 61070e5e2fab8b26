import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAudit } from '#audit/balp.ts'
import { inviteAgain, invitePerson, signOutEverywhere } from '#auth/people/invite.ts'
import { relyingPartyOf } from '#auth/people/passkey.ts'
import { createPeople, type People } from '#auth/people/people.ts'
import { codeAt } from '#auth/people/totp.ts'
import { createSealer } from '#auth/sealer.ts'
import { versioned } from '#core/resource.ts'
import { type OpenStore, openStore } from '../open-store.ts'

const clock = { time: 0, now: () => clock.time }
const ids = { random: () => crypto.randomUUID() as string }
const audit = createAudit({ server: { name: 'Postern test', reference: 'Device/postern' }, ids })
const minute = 60_000
const by = () => ({ requestId: 'test-setup', at: clock.now() })
const visit = (cookies?: string) => ({ requestId: ids.random(), network: '10.0.0.1', cookies })

let open: OpenStore
let people: People
let account: string
let key: string
let secret: string

async function ports() {
  const sealer = createSealer(await open.vault.box('clinic'), open.vault, clock)
  return { store: open.store, audit, clock, sealer, party: relyingPartyOf('https://clinic.example') }
}

async function practitioner(version: number, active: boolean) {
  const resource = versioned({ resourceType: 'Practitioner', active }, 'brandt', version, clock.now())
  await open.store.commit({ audit: [], writes: [{ resource, version, updated: clock.now() }] })
}

async function enrolled(code: string): Promise<{ status: number; key: string; secret: string }> {
  const { body } = await people.openInvitation(new URLSearchParams({ code }), visit())
  const find = (pattern: RegExp) => pattern.exec(body)?.[1] ?? ''
  const found = { key: find(/data-key>([^<]*)/), secret: find(/data-secret>([^<]*)/) }
  const state = find(/name="state" value="([^"]*)"/)
  const first = await codeAt(found.secret, Math.floor(clock.now() / 30_000))
  const { status } = await people.enrolTotp(new URLSearchParams({ state, code: first }), visit())
  clock.time += minute
  return { ...found, status }
}

beforeEach(async () => {
  clock.time = Date.parse('2026-03-01T12:00:00Z')
  open = await openStore()
  people = createPeople(await ports())
  await practitioner(1, true)
  const asked = { person: 'Practitioner/brandt', role: 'privacy-officer', purpose: 'HOPERAT', grants: [] }
  const invited = await invitePerson(await ports(), asked, by())
  account = invited.account
  ;({ key, secret } = await enrolled(invited.code))
})
afterEach(() => open.close())

const now = (steps = 0) => codeAt(secret, Math.floor(clock.now() / 30_000) + steps)

async function signIn(code: string, { as = key, cookie = '' } = {}) {
  const form = new URLSearchParams({ key: as, code })
  try {
    const { status, headers } = await people.signInByCode(form, visit(cookie))
    return { status, cookie: headers['set-cookie']?.split(';')[0] ?? '', flags: headers['set-cookie'] }
  } catch (cause) {
    return { status: (cause as { kind: string }).kind, cookie: '', flags: '' }
  }
}

async function isIn(cookie: string): Promise<boolean> {
  return (await people.signInPage('', visit(cookie))).body.includes('You are signed in')
}

async function told(): Promise<string[]> {
  const found = await open.store.search({ type: 'AuditEvent', criteria: [], limit: 500 })
  return found.map(({ stored }) => {
    const { subtype, outcome, outcomeDesc } = JSON.parse(stored.json)
    return `${subtype[0].code} ${outcome} ${outcomeDesc}`
  })
}

describe('a code', () => {
  it('is the one of RFC 6238', async () => {
    const published = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
    const vectors = [
      [59, '287082'],
      [1111111109, '081804'],
      [1234567890, '005924'],
      [20000000000, '353130'],
    ] as const
    for (const [seconds, code] of vectors)
      expect(await codeAt(published, Math.floor(seconds / 30))).toBe(code)
  })

  it('signs in once, a step early or late, and never again or after a later one', async () => {
    const [early, current] = [await now(-1), await now()]
    expect((await signIn(current)).status).toBe(303)
    expect((await signIn(current)).status).toBe(401)
    expect((await signIn(early)).status).toBe(401)
    expect((await signIn(await now(1))).status).toBe(303)
    expect((await signIn(await now(2))).status).toBe(401)
  })

  it('used twice at once signs in once', async () => {
    const code = await now()
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => signIn(code)))
    expect(outcomes.filter(({ status }) => status === 303)).toHaveLength(1)
  })

  it('that is wrong five times shuts the account’s codes out, for longer each time; a wrong key does not', async () => {
    const wrong = `${Number(await now()) ^ 1}`.padStart(6, '0')
    for (let i = 0; i < 10; i++) expect((await signIn(wrong, { as: `${account}.guess` })).status).toBe(401)
    for (let i = 0; i < 5; i++) expect((await signIn(wrong)).status).toBe(401)
    expect((await signIn(await now())).status).toBe(429)
    clock.time += 15 * minute
    expect((await signIn(await now())).status).toBe(303)
    expect(await told()).toEqual(
      expect.arrayContaining([
        '110122 8 wrong code; the account’s codes are shut out',
        '110122 8 shut out after wrong codes',
        '110122 0 signed in by totp',
      ]),
    )
  })
})

describe('a session', () => {
  it('is a cookie that no script, other site or plain connection gets, new with each sign-in', async () => {
    const first = await signIn(await now())
    expect(first.flags).toMatch(
      /^__Host-postern=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200$/,
    )
    clock.time += minute
    const second = await signIn(await now(), { cookie: first.cookie })
    expect(second.cookie).not.toBe(first.cookie)
    expect([await isIn(first.cookie), await isIn(second.cookie)]).toEqual([false, true])
  })

  it('ends after a quarter of an hour without a request, and after twelve hours in any case', async () => {
    const idle = await signIn(await now())
    clock.time += 15 * minute + 1
    expect(await isIn(idle.cookie)).toBe(false)
    const busy = await signIn(await now())
    for (let passed = 0; passed < 12 * 60 - 10; passed += 10) {
      clock.time += 10 * minute
      expect(await isIn(busy.cookie)).toBe(true)
    }
    clock.time += 10 * minute
    expect(await isIn(busy.cookie)).toBe(false)
  })

  it('holds in another process on the same database', async () => {
    const { cookie } = await signIn(await now())
    people = createPeople(await ports())
    expect(await isIn(cookie)).toBe(true)
  })

  it.each([
    ['its person signs out', (cookie: string) => people.signOut(visit(cookie))],
    [
      'its person is signed out everywhere',
      async () => signOutEverywhere(await ports(), account, { disable: false }, by()),
    ],
    [
      'its account is disabled',
      async () => signOutEverywhere(await ports(), account, { disable: true }, by()),
    ],
    ['its person’s record is no longer active', () => practitioner(2, false)],
  ])('is over with the next request when %s', async (_, end) => {
    const { cookie } = await signIn(await now())
    expect(await isIn(cookie)).toBe(true)
    clock.time += 1
    await end(cookie)
    expect(await isIn(cookie)).toBe(false)
  })

  it('leaves neither cookie, key, secret nor person readable in the database', async () => {
    const { cookie } = await signIn(await now())
    const bytes = ['data.db', 'data.db-wal']
      .map((file) => readFileSync(join(open.folder, file), 'latin1'))
      .join('')
    for (const text of [
      cookie.split('=')[1] ?? '',
      key,
      key.split('.')[1] ?? '',
      secret,
      'Practitioner/brandt',
    ])
      expect(bytes.includes(text)).toBe(false)
  })
})

describe('a lost device', () => {
  it('is no way in any more, and only an invitation that is made after it is', async () => {
    const { cookie } = await signIn(await now())
    const before = await inviteAgain(await ports(), account, by())
    clock.time += minute
    await signOutEverywhere(await ports(), account, { forgetDevices: true }, by())
    expect([await isIn(cookie), (await signIn(await now())).status]).toEqual([false, 401])
    const early = await people.openInvitation(new URLSearchParams({ code: before.code }), visit())
    expect(early.status).toBe(401)
    ;({ key, secret } = await enrolled((await inviteAgain(await ports(), account, by())).code))
    expect((await signIn(await now())).status).toBe(303)
  })
})

describe('an invitation', () => {
  it('is good once, within three days, and adds a way in beside the others', async () => {
    const again = await inviteAgain(await ports(), account, by())
    const fresh = await enrolled(again.code.toUpperCase())
    expect(fresh.status).toBe(303)
    expect((await people.openInvitation(new URLSearchParams({ code: again.code }), visit())).status).toBe(401)
    const late = await inviteAgain(await ports(), account, by())
    clock.time += 3 * 86_400_000
    expect((await people.openInvitation(new URLSearchParams({ code: late.code }), visit())).status).toBe(401)
    expect(await told()).toContain('110129 8 invitation: unauthenticated')
  })

  it('that was made before its person was signed out everywhere is over with all the rest', async () => {
    const lost = await inviteAgain(await ports(), account, by())
    clock.time += 1
    await signOutEverywhere(await ports(), account, { disable: false }, by())
    expect((await people.openInvitation(new URLSearchParams({ code: lost.code }), visit())).status).toBe(401)
    const fresh = await inviteAgain(await ports(), account, by())
    expect((await enrolled(fresh.code)).status).toBe(303)
  })

  it.each([
    [{ person: 'Practitioner/nobody' }, /no active record/],
    [{ role: 'patient' }, /no active record/],
    [{ role: 'prescriber' }, /on behalf of an Organization/],
    [{ person: 'Device/x' }, /person/],
  ])('is not made for %o', async (more, why) => {
    const asked = { person: 'Practitioner/brandt', role: 'auditor', purpose: 'HOPERAT', grants: [], ...more }
    await expect(invitePerson(await ports(), asked, by())).rejects.toThrow(why)
  })
})

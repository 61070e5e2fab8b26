import { afterEach, describe, expect, it } from 'vitest'
import { Failure } from '#core/failure.ts'
import { createLockout, createRateLimit } from '#inbound/rate-limit.ts'
import { openClinic, type TestClinic } from '../open-clinic.ts'

const clock = { at: 0, now: () => clock.at }

function waits(act: () => void): number | undefined {
  try {
    act()
    return undefined
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    expect(cause.kind).toBe('too-many')
    return cause.retryAfterSeconds
  }
}

describe('a rate limit', () => {
  it('gives a second’s worth at once, then the rate, to each key by itself', () => {
    const limit = createRateLimit({ now: clock.now, perSecond: 10 })
    for (let i = 0; i < 10; i++) expect(waits(() => limit.take('a'))).toBeUndefined()
    expect(waits(() => limit.take('a'))).toBe(1)
    expect(waits(() => limit.take('b'))).toBeUndefined()
    clock.at += 100
    expect(waits(() => limit.take('a'))).toBeUndefined()
    expect(waits(() => limit.take('a'))).toBe(1)
  })
})

describe('a lockout', () => {
  const open = () =>
    createLockout({ now: clock.now, failures: 3, windowMs: 60_000, lockMs: 30_000, maxMs: 100_000 })
  const failThrice = (lockout: ReturnType<typeof open>) => [1, 2, 3].map(() => lockout.fail('x'))

  it('shuts out after so many failures, for longer each time, up to a limit', () => {
    const lockout = open()
    for (const seconds of [30, 60, 100, 100]) {
      expect(failThrice(lockout)).toEqual([false, false, true])
      expect(waits(() => lockout.check('x'))).toBe(seconds)
      expect(waits(() => lockout.check('y'))).toBeUndefined()
      clock.at += seconds * 1000
      expect(waits(() => lockout.check('x'))).toBeUndefined()
    }
  })

  it('forgets failures that are old, or that a success made good', () => {
    const lockout = open()
    lockout.fail('x')
    lockout.fail('x')
    lockout.succeed('x')
    expect(lockout.fail('x')).toBe(false)
    lockout.fail('x')
    clock.at += 61_000
    expect(lockout.fail('x')).toBe(false)
  })
})

describe('at the door', () => {
  let clinic: TestClinic
  afterEach(() => clinic.close())

  const ehr = () =>
    clinic.client({
      id: 'ehr',
      role: 'ehr',
      organization: 'Organization/clinic',
      scopes: ['system/Communication.rs'],
      purposes: ['TREAT'],
      grants: [],
    })

  it('a client that asks too often gets 429 and is told when to come back', async () => {
    clinic = await openClinic({ POSTERN_CLIENT_RATE: '5' })
    const client = await ehr()
    const answers = await Promise.all(Array.from({ length: 12 }, () => client.token()).slice(0, 1)).then(() =>
      Promise.all(Array.from({ length: 12 }, () => client.request('GET', '/fhir/Communication?_count=1'))),
    )
    const refused = answers.filter(({ status }) => status === 429)
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(5)
    expect(refused.length).toBeGreaterThan(0)
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(refused[0]?.body.issue[0].code).toBe('throttled')
    const auditor = await clinic.client({
      id: 'auditor',
      role: 'auditor',
      scopes: ['system/AuditEvent.rs'],
      purposes: ['HOPERAT'],
      grants: [],
    })
    const { text } = await auditor.request('GET', '/fhir/AuditEvent?_count=100')
    expect(text.match(/too many requests/g)).toHaveLength(1)
  })

  it('who keeps failing at the token endpoint is shut out, and others are not', async () => {
    clinic = await openClinic()
    const client = await ehr()
    const ask = (iss: string) =>
      fetch(`${clinic.baseUrl}/auth/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          scope: 'system/*.rs',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: `e30.${btoa(JSON.stringify({ iss })).replaceAll('=', '')}.AAAA`,
        }),
      })
    const statuses: number[] = []
    for (let i = 0; i < 22; i++) statuses.push((await ask('guessed')).status)
    expect(statuses.slice(0, 20).every((status) => status === 401)).toBe(true)
    expect(statuses.slice(20)).toEqual([429, 429])
    expect(Number((await ask('guessed')).headers.get('retry-after'))).toBeGreaterThan(20)
    expect((await client.request('GET', '/fhir/Communication?_count=1')).status).toBe(200)
  })

  it('who keeps failing to sign in is shut out by the address that the proxy tells, and nobody else is', async () => {
    clinic = await openClinic({ POSTERN_PROXIES: '127.0.0.1,10.0.0.9' })
    const from = (forwarded: string, path = 'sign-in-by-code') =>
      fetch(`${clinic.baseUrl}/auth/${path}`, {
        headers: { 'x-forwarded-for': forwarded },
        redirect: 'manual',
        ...(path === 'sign-in'
          ? {}
          : { method: 'POST', body: new URLSearchParams({ key: 'x', code: '000000' }) }),
      }).then(({ status }) => status)
    for (let i = 0; i < 20; i++) expect(await from('198.51.100.1')).toBe(401)
    // What stands before the proxy's own word is the stranger's.
    for (const same of ['198.51.100.1', '192.0.2.7, 198.51.100.1', '::ffff:198.51.100.1, 10.0.0.9'])
      expect(await from(same)).toBe(429)
    for (const other of ['198.51.100.2', '198.51.100.1, 198.51.100.2']) expect(await from(other)).toBe(401)
    // Who is in already is not kept from leaving.
    expect(await from('198.51.100.1', 'sign-out')).toBe(303)

    const before = await clinic.store.logSize()
    const pages = await Promise.all(Array.from({ length: 300 }, () => from('198.51.100.3', 'sign-in')))
    expect(new Set(pages)).toEqual(new Set([200, 429]))
    expect(await clinic.store.logSize()).toBe(before + 1)
  })

  it('who keeps knocking with tokens that are none is shut out, and the log does not grow by it', async () => {
    clinic = await openClinic()
    const knock = () =>
      fetch(`${clinic.baseUrl}/fhir/Patient/1`, { headers: { authorization: 'Bearer a.b.c' } })
    for (let i = 0; i < 200; i++) expect((await knock()).status).toBe(401)
    const before = await clinic.store.logSize()
    expect((await knock()).status).toBe(429)
    expect(await clinic.store.logSize()).toBe(before)
  })
})

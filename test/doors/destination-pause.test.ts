import { afterAll, expect, it, vi } from 'vitest'
import { registerDestination } from '#outbound/destinations.ts'
import { openClinic, type TestClinic } from '../open-clinic.ts'
import { operator } from '../outbound/open-outbox.ts'
import { type Pharmacy, startPharmacy } from '../peers/pharmacy.ts'
import { postern } from './command-line.ts'

const open: (TestClinic | Pharmacy)[] = []
afterAll(async () => {
  for (const each of open) await each.close()
})

it('the command line pauses a destination of a running gateway, shows it, and lets it go on; the log says who', async () => {
  const server = await startPharmacy()
  const clinic = await openClinic()
  open.push(clinic, server)
  const parties = {
    sending: { application: 'POSTERN', facility: 'CLINIC' },
    receiving: { application: 'EHR', facility: 'NORTH' },
  }
  const channel = { kind: 'mllp', host: server.host, port: server.port, ...parties }
  const organization = 'Organization/northside'
  const registered = { id: 'ehr', name: 'Northside', role: 'ehr', organization, purpose: 'TREAT', channel }
  const ports = {
    store: clinic.store,
    audit: clinic.gateway.audit,
    clock: { now: Date.now },
    ids: { random: () => crypto.randomUUID() },
  }
  await registerDestination(ports, registered, operator)
  const run = async (...words: string[]) => {
    const ended = await postern(clinic.folder, ...words)
    expect(ended.stderr).toBe('')
    return ended.stdout
  }
  await run('destination', 'pause', 'ehr')
  expect(await run('destination', 'list')).toBe('ehr\tNorthside\tehr\tmllp\tpaused\n')

  const { store, gateway } = clinic
  const at = Date.now()
  const delivery = { id: crypto.randomUUID(), destination: 'ehr', resources: [], due: at }
  await store.commit({ audit: [], deliveries: [delivery] })
  const state = async () => (await store.deliveries(10)).find(({ id }) => id === delivery.id)?.state
  expect(await gateway.deliverer.run()).toBe(0)
  expect(await state()).toBe('queued')
  expect(await run('deliveries', 'list')).toMatch(
    new RegExp(`${delivery.id}\tehr\tqueued\tattempt 0\t\tpaused`),
  )

  await run('destination', 'resume', '--all')
  await vi.waitFor(async () => expect(await state()).not.toBe('queued'), { timeout: 10_000 })
  const log = await store.search({ type: 'AuditEvent', criteria: [], limit: 50 })
  const told = log.map(({ stored }) => stored.json).join('\n')
  expect(told).toMatch(/Destination ehr paused/)
  expect(told).toMatch(/Destination ehr resumed/)
  expect(told).toMatch(/command line/)
}, 60_000)

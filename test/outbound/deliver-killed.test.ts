import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { startEhr } from '../peers/ehr.ts'
import { startFaultyServer } from '../peers/faulty-server.ts'
import { doctor, hospital, messageOf, openOutbox, patient } from './open-outbox.ts'

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()))
})

function kept<P extends { close(): Promise<void> }>(peer: P): P {
  started.push(peer)
  return peer
}

function ehrAt(address: string) {
  const organization = 'Organization/hospital'
  const channel = { kind: 'fhir', address, timeoutMs: 20_000 }
  return { id: 'ehr', name: 'Hospital EHR', role: 'ehr', organization, purpose: 'TREAT', channel }
}

test('kill -9 while a message is being sent loses nothing: the next process sends the same bytes', {
  timeout: 30_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-killed-'))
  const hanging = kept(await startFaultyServer('hang'))
  const ehr = kept(await startEhr())
  const before = await openOutbox(folder)
  await before.register(ehrAt(`http://127.0.0.1:${hanging.port}/fhir`))
  await before.queue([patient, doctor, hospital, messageOf('m1')], 'ehr', ['Communication/m1'])
  await before.queue([messageOf('m2')], 'ehr', ['Communication/m2'])
  const start = before.clock.now()
  await before.store.close()

  const script = fileURLToPath(new URL('./deliver-process.ts', import.meta.url))
  const victim = spawn(process.execPath, [script, folder, String(start)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await vi.waitFor(() => expect(String(hanging.received[0])).toContain('less today'), {
    timeout: 15_000,
    interval: 20,
  })
  victim.kill('SIGKILL')
  const [, signal] = await once(victim, 'exit')
  expect(signal).toBe('SIGKILL')

  const after = kept(await openOutbox(folder, start))
  await after.register(ehrAt(ehr.base))
  const deliverer = after.deliverer()
  expect(await deliverer.run()).toBe(0)
  after.pass(60_000)
  expect(await deliverer.run()).toBe(1)
  expect(await deliverer.run()).toBe(1)
  expect(
    (await ehr.all('Communication')).map((each) => 'identifier' in each && each.identifier),
  ).toMatchObject([[{ value: 'm1' }], [{ value: 'm2' }]])
  const sentBefore = String(hanging.received[0])
  expect(ehr.requests[0]?.body).toBe(sentBefore.slice(sentBefore.indexOf('\r\n\r\n') + 4))
  expect((await after.store.deliveries(10)).map(({ state, attempt }) => [state, attempt])).toEqual([
    ['delivered', 1],
    ['delivered', 2],
  ])
})

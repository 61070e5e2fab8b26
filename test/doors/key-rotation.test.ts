import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { rewrapAll } from '#vault/rewrap.ts'
import { openClinic } from '../open-clinic.ts'
import { postern } from './command-line.ts'
import { made, openScene } from './scene.ts'

const count = 120

it('a rotation of the wrapping key beside the running gateway fails no read and no write', async () => {
  const scene = await openScene()
  const { folder } = scene.clinic
  const patients = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      made(scene.platform, {
        resourceType: 'Patient',
        identifier: [{ system: 'urn:oid:1.2.3', value: `R-${n}` }],
      }),
    ),
  )
  await scene.clinic.stop()
  // A gateway that has no data key open yet: every first read needs the keyring.
  const clinic = await openClinic({}, folder)
  const reader = await clinic.client({
    id: 'reader',
    role: 'platform',
    scopes: ['system/*.cruds'],
    purposes: ['TREAT'],
    grants: [],
  })
  const old = clinic.keyring.active
  const run = { going: true }
  const answers: number[] = []
  const load = (async () => {
    for (let n = 0; run.going || n < count; n += 1) {
      const read = await reader.request('GET', `/fhir/${patients[n % count]}`)
      const written = await reader.request('POST', '/fhir/Patient', { resourceType: 'Patient' })
      answers.push(read.status, written.status)
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
  })()
  const rotated = await postern(folder, 'keys', 'rotate')
  expect(rotated.stderr).toContain('data keys looked at')
  expect(rotated.code).toBe(0)
  const early = await postern(folder, 'keys', 'retire', clinic.keyring.active)
  expect(early.code).toBe(1)
  const retired = await postern(folder, 'keys', 'retire', old)
  expect(retired.stdout + retired.stderr).toContain('out of the keyring')
  run.going = false
  await load
  expect(new Set(answers)).toEqual(new Set([200, 201]))

  expect(readFileSync(join(folder, 'keyring', 'keyring.json'), 'utf8')).not.toContain(`"${old}"`)
  await clinic.stop()
  const again = await openClinic({}, folder)
  expect([...again.keyring.keys.keys()]).not.toContain(old)
  for (const patient of patients)
    expect(await again.store.read('Patient', patient.slice(8))).toMatchObject({ version: 1 })
  const told = await again.store.search({ type: 'AuditEvent', criteria: [], limit: 5000 })
  const words = told.map(({ stored }) => JSON.parse(stored.json).outcomeDesc)
  expect(words).toContain(`key retired: ${old}`)
  await again.close()
}, 120_000)

it('a keyring in the environment opens the clinic and leaves no key in a file', async () => {
  const keys = { one: Buffer.alloc(32, 1).toString('base64') }
  const POSTERN_KEYRING_JSON = JSON.stringify({ active: 'one', keys })
  const clinic = await openClinic({ POSTERN_KEYRING_JSON })
  expect(clinic.keyring.active).toBe('one')
  expect(existsSync(join(clinic.folder, 'keyring', 'keyring.json'))).toBe(false)
  await clinic.stop()

  const both = { active: 'two', keys: { ...keys, two: Buffer.alloc(32, 2).toString('base64') } }
  const later = await openClinic({ POSTERN_KEYRING_JSON: JSON.stringify(both) }, clinic.folder)
  expect(await rewrapAll({ clinic: 'test', keyring: later.keyring, keys: later.keys })).not.toMatchObject({
    rewrapped: 0,
  })
  await later.stop()
  const { one: _, ...rest } = both.keys
  const last = await openClinic(
    { POSTERN_KEYRING_JSON: JSON.stringify({ active: 'two', keys: rest }) },
    clinic.folder,
  )
  expect(await last.store.logSize()).toBeGreaterThan(0)
  await last.close()
  await expect(openClinic({ POSTERN_KEYRING_JSON: '{}' })).rejects.toThrow(
    'POSTERN_KEYRING_JSON is no keyring',
  )
})

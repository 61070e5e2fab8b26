// A clinic's folder with as many resources as asked for: made once, then kept for the next run.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAudit } from '#audit/balp.ts'
import { createLeafMaker } from '#audit/leaf.ts'
import { readConfig } from '#config.ts'
import type { Act } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { Reference } from '#core/resource.ts'
import { versionReferenceTo } from '#core/resource.ts'
import { createStore } from '#store/store.ts'
import { openFileKeyring } from '#vault/file-keyring.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createVault } from '#vault/vault.ts'
import { openClinic, systemPorts } from '../../src/node.ts'
import { openBulk } from './bulk-driver.ts'
import { type MadeAct, madeActs } from './made-acts.ts'

/** Raised whenever what is made changes: a folder of an older kind is not used. */
const kind = 1
const seed = 20_260_112
export const clinicName = 'test'

export interface Volume {
  folder: string
  resources: number
  patients: number
  /** Patients with more messages than a page of 20 holds. */
  busy: string[]
}

/** Finds or makes the folder for so many resources below another one. */
export async function volumeIn(parent: string, resources: number): Promise<Volume> {
  const folder = join(parent, `postern-volume-${kind}-${resources}`)
  const note = join(folder, 'volume.json')
  if (existsSync(note)) return { ...(JSON.parse(readFileSync(note, 'utf8')) as Volume), folder }
  const began = performance.now()
  rmSync(folder, { recursive: true, force: true })
  const made = await fill(folder, resources)
  await settle(folder)
  // Written last and moved into place: a folder without it is one that was not finished.
  writeFileSync(`${note}.new`, JSON.stringify(made))
  renameSync(`${note}.new`, note)
  const seconds = (performance.now() - began) / 1000
  process.stderr.write(`${made.resources} resources were made in ${seconds.toFixed(0)} s: ${folder}\n`)
  return { ...made, folder }
}

const caller: Caller = {
  clientId: 'platform',
  name: 'Platform',
  role: 'platform',
  scopes: ['system/*.cruds'],
  actors: [],
  purpose: 'TREAT',
  grants: [],
}

/** Everything through the store's own commit: sealed, indexed, with an audit event for each act. */
async function fill(folder: string, resources: number): Promise<Volume> {
  mkdirSync(join(folder, 'keyring'), { recursive: true, mode: 0o700 })
  const keys = openSqliteKeyStore(join(folder, 'keyring', 'keys.db'))
  const keyring = openFileKeyring(join(folder, 'keyring'))
  const vault = await createVault({ clinic: clinicName, keyring, keys })
  const driver = await openBulk(join(folder, 'data.db'))
  const store = createStore({ driver, vault, leaves: createLeafMaker() })
  const audit = createAudit({
    server: { name: `Postern ${clinicName}`, reference: 'Device/postern', address: 'http://127.0.0.1' },
    ids: systemPorts.ids,
  })
  const messages = new Map<Reference, number>()
  let count = 0
  let commits: Promise<unknown>[] = []
  for (const act of madeActs({ seed, resources, until: Date.now() })) {
    commits.push(store.commit({ audit: audit.record(actOf(act, count)), writes: writesOf(act) }))
    count += act.resources.length
    if (act.patient) messages.set(act.patient, (messages.get(act.patient) ?? 0) + messagesOf(act))
    // Data keys that are new are made durable together.
    if (commits.length < 500) continue
    await Promise.all(commits)
    commits = []
  }
  await Promise.all(commits)
  await store.close()
  keys.close()
  const busy = [...messages].filter(([, sent]) => sent > 20).map(([patient]) => patient)
  return { folder, resources: count, patients: messages.size, busy }
}

function actOf({ kind: act, at, patient, resources }: MadeAct, count: number): Act {
  const entities = resources.map(versionReferenceTo)
  const patients = patient ? [patient] : []
  return { kind: act, outcome: 'success', at, requestId: `made-${count}`, caller, patients, entities }
}

function writesOf({ resources, at }: MadeAct) {
  return resources.map((resource) => ({ resource, version: 1, updated: at }))
}

function messagesOf({ resources }: MadeAct): number {
  return resources.filter(({ resourceType }) => resourceType === 'Communication').length
}

/** What a gateway does about so many events behind its requests, it has done before anything is measured. */
async function settle(folder: string): Promise<void> {
  const config = readConfig({ POSTERN_DATA: folder, POSTERN_CLINIC: clinicName })
  const clinic = await openClinic(config, 'http://127.0.0.1')
  await clinic.gateway.log.checkpoint()
  await clinic.gateway.watch()
  await clinic.gateway.upkeep()
  await clinic.close()
}

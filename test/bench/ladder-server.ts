// The server under measurement, a process of its own: the whole gateway, and beside it the ladder (P0).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import Database from 'better-sqlite3'
import { createLeafMaker } from '#audit/leaf.ts'
import { registerClient } from '#auth/clients.ts'
import type { Flow } from '#core/flow.ts'
import type { Reference } from '#core/resource.ts'
import { flows } from '#flows/index.ts'
import { registerDestination } from '#outbound/destinations.ts'
import { openSqlite } from '#store/sqlite.ts'
import { createStore } from '#store/store.ts'
import { openFileKeyring } from '#vault/file-keyring.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createVault } from '#vault/vault.ts'
import { systemPorts } from '../../src/node.ts'
import { openClinic } from '../open-clinic.ts'
import { createLadder } from './ladder.ts'
import { ehrOrganization, fixture } from './messages.ts'
import type { Ask, Disk, Told } from './server-process.ts'

const clinic = await openClinic({ POSTERN_CHECKPOINT_SECONDS: '5' })
// What is measured ends at the outbox row; deliveries are another figure (P7).
await clinic.gateway.deliverer.stop()
const platform = await clinic.client({
  id: 'platform',
  role: 'platform',
  scopes: ['system/*.cruds'],
  purposes: ['TREAT'],
  grants: ['order-source'],
})
const registered = await platform.request('POST', '/fhir/Organization', ehrOrganization)
if (registered.status !== 201) throw new Error(`The EHR's organization: ${registered.text}`)
const organization: Reference = `Organization/${registered.body.id}`
const ehr = await clinic.client({
  id: 'ehr',
  role: 'ehr',
  organization,
  scopes: ['system/*.rs'],
  purposes: ['TREAT'],
  grants: [],
})
await registerClient(
  clinic.store,
  clinic.gateway.audit,
  {
    id: 'interface-engine',
    name: 'Interface engine',
    role: 'platform',
    scopes: ['system/*.cruds'],
    purposes: ['TREAT'],
    grants: ['order-source'],
    jwks: { keys: [] },
    active: true,
    hl7v2: { addresses: ['127.0.0.1'], timeZone: 'America/Chicago' },
  },
  { requestId: 'bench', at: Date.now() },
)
const caller = await clinic.gateway.auth.authenticate(`Bearer ${await platform.token()}`, '127.0.0.1')
await registerDestination(
  { ...systemPorts, store: clinic.store, audit: clinic.gateway.audit },
  {
    id: 'ehr',
    name: 'EHR',
    role: 'ehr',
    organization,
    purpose: 'TREAT',
    channel: { kind: 'fhir', address: 'http://127.0.0.1:9/fhir' },
  },
  caller,
)

// The ladder has a store of its own, so that its rows do not stand in the gateway's way.
const folder = mkdtempSync(join(tmpdir(), 'postern-ladder-'))
const keys = openSqliteKeyStore(join(folder, 'keys.db'))
const vault = await createVault({ clinic: 'ladder', keyring: openFileKeyring(join(folder, 'keyring')), keys })
const store = createStore({ driver: openSqlite(join(folder, 'data.db')), vault, leaves: createLeafMaker() })
const ladder = await createLadder({
  store,
  vault,
  audit: clinic.gateway.audit,
  caller,
  flow: flows.find((each) => each.name === 'secure-message') as Flow,
  text: fixture('secure-message/patient-to-clinician'),
})
const tell = (told: Told) => process.send?.(told)
const server = serve({ fetch: ladder.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
  tell({ gateway: clinic.baseUrl, ladder: `http://127.0.0.1:${port}`, mllp: clinic.mllpPort ?? 0 }),
)

/** What the gateway's file holds; a body is sealed with a version byte, an IV and a tag (29 bytes). */
function disk(): Disk {
  const db = new Database(join(clinic.folder, 'data.db'), { readonly: true })
  const pages = db.pragma('page_count', { simple: true }) as number
  const counted = db
    .prepare('SELECT count(*) AS resources, sum(length(body) - 29) AS jsonBytes FROM version')
    .get() as { resources: number; jsonBytes: number }
  const bytes = pages * (db.pragma('page_size', { simple: true }) as number)
  const tables = db
    .prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC')
    .all() as { name: string; bytes: number }[]
  db.close()
  return { ...counted, bytes, tables, rssBytes: process.memoryUsage.rss() }
}

process.on('message', async (ask: Ask) => {
  if (ask === 'cpu') tell(process.cpuUsage())
  if (ask === 'tokens') tell({ platform: await platform.token(), ehr: await ehr.token() })
  if (ask === 'disk') tell(disk())
  if (ask === 'close') {
    server.close()
    await store.close()
    keys.close()
    rmSync(folder, { recursive: true, force: true })
    await clinic.close()
    process.disconnect()
  }
})

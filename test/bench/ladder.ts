import { Hono } from 'hono'
import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { Flow } from '#core/flow.ts'
import type { Store, Vault } from '#core/ports.ts'
import type { Identified } from '#core/resource.ts'

export interface LadderPorts {
  store: Store
  vault: Vault
  audit: Audit
  caller: Caller
  /** Whose schema the `schema` step adds. */
  flow: Flow
  /** What is sealed and stored: the text of a message. */
  text: string
}

const patient = 'Patient/ladder'
const readId = 'ladder-read'
const hello = { status: 'ok' }

/** From bare Hono to what no gateway of this kind can leave out, a route a step (P0): each step holds those before it. */
export async function createLadder({ store, vault, audit, caller, flow, text }: LadderPorts): Promise<Hono> {
  const box = await vault.box(patient)

  function auditOf(kind: 'create' | 'read', id: string) {
    const act = { kind, outcome: 'success', at: Date.now(), requestId: id, caller } as const
    return audit.record({ ...act, patients: [patient], entities: [`Communication/${id}`] })
  }

  /** Is found by four values: patient, subject, sender and status. */
  function keep(id: string) {
    const resource: Identified = {
      resourceType: 'Communication',
      id,
      status: 'completed',
      subject: { reference: patient },
      sender: { reference: patient },
      payload: [{ contentString: text }],
    }
    return store.commit({
      audit: auditOf('create', id),
      writes: [{ resource, version: 1, updated: Date.now() }],
    })
  }

  const seal = (body: string) => {
    const { id } = JSON.parse(body) as { id: string }
    return { id, sealed: box.seal(body, id).length }
  }

  await keep(readId)
  const app = new Hono()
  app.post('/hono', (c) => c.json(hello, 201))
  app.post('/body', async (c) => c.json({ length: (await c.req.text()).length }, 201))
  app.post('/parse', async (c) => c.json({ id: (JSON.parse(await c.req.text()) as { id: string }).id }, 201))
  app.post('/seal', async (c) => c.json(seal(await c.req.text()), 201))
  app.post('/index', async (c) => {
    const sealed = seal(await c.req.text())
    const fields = ['patient', 'subject', 'sender', 'status']
    return c.json({ ...sealed, rows: fields.map((field) => vault.index(field, sealed.id).length) }, 201)
  })
  app.post('/commit', async (c) => {
    const { id } = JSON.parse(await c.req.text()) as { id: string }
    return c.json(await keep(id), 201)
  })
  app.post('/schema', async (c) => {
    const id = flow.messageId(flow.read(new Uint8Array(await c.req.arrayBuffer()), { timeZone: 'UTC' }))
    return c.json(await keep(id), 201)
  })
  app.get('/hono', (c) => c.json(hello))
  app.get('/row', async (c) => c.text((await store.read('Communication', readId))?.json ?? ''))
  app.get('/audited', async (c) => {
    const found = await store.read('Communication', readId)
    await store.commit({ audit: auditOf('read', readId) })
    return c.text(found?.json ?? '')
  })
  return app
}

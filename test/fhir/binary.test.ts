import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAccess } from '#access/authorize.ts'
import type { Caller } from '#core/caller.ts'
import { type Resource, versioned } from '#core/resource.ts'
import { ehr, type OpenFhir, openFhir } from './open-fhir.ts'

const to = (reference: string) => ({ reference })
const patient: Caller = { ...ehr, clientId: 'patient', role: 'patient', actors: ['Patient/1'] }
const stranger: Caller = { ...ehr, clientId: 'stranger', actors: ['Organization/stranger'] }

let open: OpenFhir
beforeAll(async () => {
  open = await openFhir({ access: (store, clock) => createAccess({ store, clock }) })
  await keep({ resourceType: 'Patient', id: '1', managingOrganization: to('Organization/ehr') })
  const document = { resourceType: 'DocumentReference', status: 'current', subject: to('Patient/1') }
  const content = [{ attachment: { url: 'Binary/x' } }]
  await keep({ ...document, id: 'open', content, author: [to('Organization/ehr')] } as never)
  await keep({
    resourceType: 'Flag',
    id: 'staff',
    status: 'active',
    code: { text: 'x' },
    subject: to('Patient/1'),
  })
})
afterAll(() => open.close())

async function keep(resource: Resource): Promise<void> {
  const version = ((await open.store.read(resource.resourceType, resource.id ?? ''))?.version ?? 0) + 1
  const next = versioned(resource, resource.id ?? '', version, 1_700_000_000_000)
  await open.store.commit({ audit: [], writes: [{ resource: next, version, updated: 1_700_000_000_000 }] })
}

const bytes = new Uint8Array([0xff, 0xd8, 0, 1, 2, 0x0a, 0xfe])
const jwe = 'eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0.b2Rk.aXY.Y2lwaGVy.dGFn'

/** Sends a file as it is; its id where it was taken. */
async function send(content: string | Uint8Array, type: string, context: string, caller = ehr) {
  const headers = { 'content-type': type, 'x-security-context': context }
  const body = content as string
  const { status, json } = await open.ask('POST', 'Binary', { body, headers, caller })
  return { status, id: json.id as string, json }
}

async function read(id: string, accept?: string, caller = ehr) {
  const headers: Record<string, string> = accept ? { accept } : {}
  return open.ask('GET', `Binary/${id}`, { headers, caller })
}

it('a file goes in and out as it is, or in a Binary for who asks for FHIR', async () => {
  const { status, id } = await send(bytes, 'image/jpeg', 'Patient/1')
  expect(status).toBe(201)
  for (const accept of [undefined, '*/*', 'image/jpeg', 'image/*;q=0.5, application/fhir+json;q=0.1']) {
    const { headers, bytes: given } = await read(id, accept)
    expect([headers['Content-Type'], given], accept).toEqual(['image/jpeg', bytes])
    expect(headers['Content-Disposition'], 'never opened in a browser').toBe('attachment')
    expect(headers.ETag).toBe('W/"1"')
  }
  for (const accept of [
    'application/fhir+json',
    'application/json',
    'image/jpeg;q=0.1, application/fhir+json',
  ]) {
    const { json } = await read(id, accept)
    const data = btoa(String.fromCharCode(...bytes))
    expect(json, accept).toMatchObject({ resourceType: 'Binary', contentType: 'image/jpeg', data })
  }
  expect((await read(id, 'application/pdf')).status).toBe(406)
  expect((await open.ask('GET', `Binary/${id}?_format=json`)).json.contentType).toBe('image/jpeg')
  const batch = {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [{ request: { method: 'GET', url: `Binary/${id}` } }],
  }
  expect((await open.ask('POST', '', { body: batch })).json.entry[0].resource.contentType).toBe('image/jpeg')
})

it('what is encrypted is kept and given back to the letter', async () => {
  const { id } = await send(jwe, 'application/jose', 'DocumentReference/open')
  const { headers, bytes: given } = await read(id)
  expect(headers['Content-Type']).toBe('application/jose')
  expect(new TextDecoder().decode(given)).toBe(jwe)
})

it('a Binary posted in a Bundle stays a Binary', async () => {
  const resource = {
    resourceType: 'Binary',
    contentType: 'text/plain',
    securityContext: to('Patient/1'),
    data: 'eA==',
  }
  const entry = [{ resource, request: { method: 'POST', url: 'Binary' } }]
  const { status, json } = await open.ask('POST', '', {
    body: { resourceType: 'Bundle', type: 'transaction', entry },
  })
  expect([status, json.entry?.[0].resource?.securityContext]).toEqual([200, to('Patient/1')])
})

it('who may not see what a file is a part of does not see the file', async () => {
  const { id } = await send('x', 'text/plain', 'DocumentReference/open')
  const { id: flagged } = await send('x', 'text/plain', 'Flag/staff')
  const statuses = async (file: string) =>
    Promise.all([ehr, patient, stranger].map(async (caller) => (await read(file, '*/*', caller)).status))
  expect(await statuses(id)).toEqual([200, 200, 404])
  expect(await statuses(flagged)).toEqual([200, 404, 404])
  const deny = {
    resourceType: 'Consent',
    id: 'deny',
    status: 'active',
    scope: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
    },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: to('Patient/1'),
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision: {
      type: 'permit',
      provision: [
        {
          type: 'deny',
          class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'DocumentReference' }],
        },
      ],
    },
  }
  await keep(deny as never)
  expect(await statuses(id), 'a refusal of documents is one of their files').toEqual([404, 200, 404])
  // What else there is, this consent opens to everybody.
  expect(await statuses(flagged)).toEqual([200, 404, 200])
  await keep({ ...deny, status: 'inactive' } as never)
  expect(await statuses(id)).toEqual([200, 200, 404])
})

it('a file that says of nobody whose it is, or of what one may not see, is refused alike', async () => {
  const nothing = await send('x', 'text/plain', 'DocumentReference/nothing')
  const hidden = await send('x', 'text/plain', 'DocumentReference/open', stranger)
  const none = await send('x', 'text/plain', 'Organization/1')
  for (const { status, json } of [nothing, hidden, none]) {
    expect([status, json.issue[0].expression]).toEqual([422, ['Binary.securityContext']])
    expect(json.issue).toEqual(nothing.json.issue)
  }
  expect((await send('x', 'text/plain', 'Patient/1', stranger)).status).toBe(403)
  expect((await send('x', 'nonsense', 'Patient/1')).status).toBe(415)
})

it('a file is sealed with its patient, and nobody says otherwise', async () => {
  const url = 'https://postern.health/fhir/StructureDefinition/binary-patient'
  const body = {
    resourceType: 'Binary',
    meta: { extension: [{ url, valueReference: to('Patient/other') }] },
    contentType: 'text/plain',
    securityContext: to('DocumentReference/open'),
    data: 'eA==',
  }
  const { status, json } = await open.ask('POST', 'Binary', { body })
  expect(status).toBe(201)
  expect(json.meta.extension).toEqual([{ url, valueReference: to('Patient/1') }])
})

it('a file is no larger than 4 MiB, whichever way it comes', async () => {
  const most = 'x'.repeat(4 * 1024 * 1024)
  expect((await send(most, 'text/plain', 'Patient/1')).status).toBe(201)
  expect((await send(`${most}x`, 'text/plain', 'Patient/1')).status).toBe(413)
  const body = { resourceType: 'Binary', contentType: 'text/plain', securityContext: to('Patient/1') }
  expect((await open.ask('POST', 'Binary', { body: { ...body, data: btoa(`${most}xyz`) } })).status).toBe(413)
})

it('a file is no part of another file', async () => {
  const { id } = await send(bytes, 'image/jpeg', 'Patient/1')
  expect((await send(bytes, 'image/jpeg', `Binary/${id}`)).status).toBe(422)
})

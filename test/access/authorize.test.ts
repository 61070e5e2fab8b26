import { randomUUID } from 'node:crypto'
import type { CareTeam } from 'fhir/r4'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAccess } from '#access/authorize.ts'
import { createAudit } from '#audit/balp.ts'
import type { Caller, Interaction, Role } from '#core/caller.ts'
import type { Access, Decision } from '#core/decision.ts'
import { type Identified, type Resource, versioned } from '#core/resource.ts'
import { type OpenStore, openStore } from '../open-store.ts'

const clock = { now: () => Date.parse('2026-03-01T12:00:00Z') }
const audit = createAudit({
  server: { name: 'test', reference: 'Device/postern' },
  ids: { random: randomUUID },
})
const versions = new Map<string, Identified>()

let open: OpenStore
let access: Access

beforeAll(async () => {
  open = await openStore()
  access = createAccess({ store: open.store, clock })
  await put({ resourceType: 'Organization', id: 'clinic', name: 'Clinic' })
  await put(roleOf('ann', 'clinic'))
  await put({ resourceType: 'Patient', id: 'p1', name: [{ family: 'One' }] })
  await put({ resourceType: 'Patient', id: 'p2', managingOrganization: { reference: 'Organization/clinic' } })
  await put(order)
})
afterAll(() => open.close())

async function put(resource: Resource, deleted = false): Promise<Identified> {
  const key = `${resource.resourceType}/${resource.id}`
  const previous = versions.get(key)
  const version = Number(previous?.meta?.versionId ?? 0) + 1
  const next = versioned(resource, String(resource.id), version, clock.now())
  const act = {
    kind: 'update',
    outcome: 'success',
    at: clock.now(),
    requestId: 'test',
    patients: [],
    entities: [],
  } as const
  await open.store.commit({
    audit: audit.record(act),
    writes: [{ resource: next, version, updated: clock.now(), previous, deleted }],
  })
  versions.set(key, next)
  return next
}

function roleOf(practitioner: string, organization: string, more: object = {}): Resource {
  return {
    resourceType: 'PractitionerRole',
    id: `${practitioner}-${organization}`,
    practitioner: { reference: `Practitioner/${practitioner}` },
    organization: { reference: `Organization/${organization}` },
    ...more,
  }
}

const message = (patient: string, more: object = {}): Resource =>
  ({
    resourceType: 'Communication',
    id: 'm',
    status: 'completed',
    subject: { reference: `Patient/${patient}` },
    sender: { reference: `Patient/${patient}` },
    recipient: [{ reference: 'Practitioner/ann' }],
    payload: [{ contentString: 'canary' }],
    ...more,
  }) as Resource

const order = {
  resourceType: 'MedicationRequest',
  id: 'o1',
  meta: {
    security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'HIV' }],
    source: 'canary:source',
  },
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">canary</div>' },
  extension: [{ url: 'http://canary', valueString: 'canary' }],
  contained: [
    {
      resourceType: 'Medication',
      id: 'med',
      code: { text: 'Drug' },
      text: { status: 'generated', div: 'canary' },
    },
    { resourceType: 'Communication', id: 'c', status: 'completed', payload: [{ contentString: 'canary' }] },
  ],
  status: 'active',
  intent: 'order',
  medicationReference: { reference: '#med' },
  subject: { reference: 'Patient/p1' },
  requester: { reference: 'Practitioner/ann' },
  supportingInformation: [{ reference: 'Communication/canary' }],
  reasonCode: [{ text: 'canary' }],
  note: [{ text: 'canary' }],
  _status: { extension: [{ url: 'http://canary', valueString: 'canary' }] },
  dosageInstruction: [{ text: 'one daily' }],
  dispenseRequest: { performer: { reference: 'Organization/pharmacy' } },
} as unknown as Identified

function caller(role: Role, organization: string, more: Partial<Caller> = {}): Caller {
  const actors = [`Organization/${organization}` as const]
  return {
    clientId: role,
    name: role,
    role,
    scopes: ['system/*.cruds'],
    actors,
    purpose: 'TREAT',
    grants: [],
    ...more,
  }
}

function read(who: Caller, stored: Resource, interaction: Interaction = 'read'): Promise<Decision> {
  return access.decide({ caller: who, interaction, type: stored.resourceType, stored })
}

const consent = (id: string, patient: string, provision: object, more: object = {}): Resource =>
  ({
    resourceType: 'Consent',
    id,
    status: 'active',
    scope: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
    },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${patient}` },
    dateTime: '2026-01-01',
    provision,
    ...more,
  }) as Resource

const actor = (reference: string) => [{ role: { coding: [{ code: 'IRCP' }] }, reference: { reference } }]
const ehr = caller('ehr', 'clinic')
const stranger = caller('ehr', 'elsewhere')
const pharmacy = caller('pharmacy', 'pharmacy')

describe('the gate', () => {
  it('refuses what the role may not do, and what the scopes do not cover, with the reason', () => {
    expect(access.gate(ehr, 'read', 'AuditEvent')).toMatchObject({ permit: false, reasons: ['role:ehr'] })
    const narrow = caller('ehr', 'clinic', { scopes: ['system/Patient.r'] })
    expect(access.gate(narrow, 'read', 'Communication').reasons).toEqual(['role:ehr', 'scope'])
    expect(access.gate(narrow, 'read', 'Patient').permit).toBe(true)
    expect(access.gate(ehr, 'read', '__proto__').permit).toBe(false)
    expect(access.gate(pharmacy, 'update', 'MedicationRequest').permit).toBe(false)
    expect(access.gate(caller('auditor', 'clinic'), 'search', 'AuditEvent').permit).toBe(true)
  })
})

describe('treating parties', () => {
  it('are the organizations whose people are in the thread, and nobody else', async () => {
    expect((await read(ehr, message('p1'))).permit).toBe(true)
    expect(await read(stranger, message('p1'))).toMatchObject({ permit: false })
    expect((await read(stranger, message('p1'))).reasons).toContain('not-treating')
  })

  it('are the managing organization for everything of its patient', async () => {
    expect((await read(ehr, message('p2', { recipient: [] }))).permit).toBe(true)
    expect((await read(ehr, message('p1', { recipient: [] }))).permit).toBe(false)
  })

  it('are the people of an active care team, from the next request on, and no longer than that', async () => {
    const bare = message('p1', { recipient: [{ reference: 'CareTeam/t' }] })
    expect((await read(stranger, bare)).permit).toBe(false)
    const team: CareTeam = {
      resourceType: 'CareTeam',
      id: 't',
      status: 'active',
      subject: { reference: 'Patient/p1' },
      managingOrganization: [{ reference: 'Organization/elsewhere' }],
    }
    await put(team)
    expect((await read(stranger, bare)).permit).toBe(true)
    await put({ ...team, period: { end: '2026-02-28' } })
    expect((await read(stranger, bare)).permit).toBe(false)
    await put(team)
    await put({ ...team, status: 'inactive' })
    expect((await read(stranger, bare)).permit).toBe(false)
  })

  it('end at once with the role they worked in', async () => {
    const toBob = message('p1', { recipient: [{ reference: 'Practitioner/bob' }] })
    await put(roleOf('bob', 'clinic'))
    expect((await read(ehr, toBob)).permit).toBe(true)
    await put(roleOf('bob', 'clinic', { active: false }))
    expect((await read(ehr, toBob)).permit).toBe(false)
  })

  it('see who the patient is with whom they deal', async () => {
    const patient = versions.get('Patient/p1') as Identified
    expect((await read(stranger, patient)).permit).toBe(false)
    await put(message('p1', { id: 'm-known', recipient: [{ reference: 'Organization/elsewhere' }] }))
    expect((await read(stranger, patient)).permit).toBe(true)
  })

  it('are nobody for what has no patient', async () => {
    expect((await read(ehr, message('p1', { subject: undefined }))).reasons).toContain('no-patient')
  })
})

describe('consent', () => {
  const about = (patient: string) => message(patient, { sender: { reference: `Patient/${patient}` } })
  const everybody = ['TREAT', 'HPAYMT'].map((code) => ({ code }))

  it('that refuses holds from the next request on, and until it is taken back', async () => {
    expect((await read(ehr, about('c1'))).permit).toBe(true)
    await put(consent('no', 'c1', { type: 'deny', actor: actor('Organization/clinic') }))
    expect(await read(ehr, about('c1'))).toMatchObject({ permit: false, consents: ['Consent/no'] })
    await put(
      consent('no', 'c1', { type: 'deny', actor: actor('Organization/clinic') }, { status: 'inactive' }),
    )
    expect((await read(ehr, about('c1'))).permit).toBe(true)
    await put(consent('no', 'c1', { type: 'deny' }))
    expect((await read(ehr, about('c1'))).permit).toBe(false)
    await put(consent('no', 'c1', { type: 'deny' }), true)
    expect((await read(ehr, about('c1'))).permit).toBe(true)
  })

  it('that permits opens reading to others, and makes no author of them', async () => {
    await put(
      consent('yes', 'c2', { type: 'permit', purpose: everybody, actor: actor('Organization/elsewhere') }),
    )
    expect(await read(stranger, about('c2'))).toMatchObject({ permit: true, consents: ['Consent/yes'] })
    expect((await read(stranger, about('c2'), 'update')).permit).toBe(false)
    expect((await read(caller('ehr', 'third'), about('c2'))).permit).toBe(false)
    expect((await read({ ...stranger, purpose: 'HMARKT' }, about('c2'))).permit).toBe(false)
  })

  it('is needed for every purpose but treatment', async () => {
    expect((await read({ ...ehr, purpose: 'HPAYMT' }, about('c3'))).reasons).toContain('purpose')
    expect((await read({ ...ehr, purpose: 'BTG' }, about('c3'))).permit).toBe(false)
    await put(consent('pay', 'c3', { type: 'permit', purpose: everybody }))
    expect((await read({ ...ehr, purpose: 'HPAYMT' }, about('c3'))).permit).toBe(true)
  })

  it('that cannot be computed refuses', async () => {
    await put(consent('vague', 'c4', { actor: actor('Organization/clinic') }))
    expect((await read(ehr, about('c4'))).reasons).toContain('consent:not-computable')
  })

  it('never opens an order to a pharmacy that it does not name, but may close one', async () => {
    await put(consent('all', 'p3', { type: 'permit' }))
    const other = { ...order, subject: { reference: 'Patient/p3' } } as Identified
    expect((await read(pharmacy, other)).permit).toBe(true)
    expect((await read(caller('pharmacy', 'elsewhere'), other)).permit).toBe(false)
    await put(consent('none', 'p3', { type: 'deny', actor: actor('Organization/pharmacy') }))
    expect((await read(pharmacy, other)).permit).toBe(false)
  })

  it('of a group counts for its members while they are members', async () => {
    const group = {
      resourceType: 'Group',
      id: 'g',
      type: 'practitioner',
      actual: true,
      member: [{ entity: { reference: 'Organization/elsewhere' } }],
    } as unknown as Resource
    await put(group)
    await put(consent('grp', 'c5', { type: 'permit', actor: actor('Group/g') }))
    expect((await read(stranger, about('c5'))).permit).toBe(true)
    await put({ ...group, member: [] } as unknown as Resource)
    expect((await read(stranger, about('c5'))).permit).toBe(false)
  })

  it('makes somebody a proxy only by name, and only until its end', async () => {
    const proxy = caller('proxy', 'x', { actors: ['RelatedPerson/r'] })
    await put(consent('any', 'c6', { type: 'permit' }))
    expect((await read(proxy, about('c6'))).permit).toBe(false)
    const named = { type: 'permit', actor: actor('RelatedPerson/r') }
    await put(consent('prox', 'c6', { ...named, period: { end: '2026-12-31' } }))
    expect((await read(proxy, about('c6'))).permit).toBe(true)
    await put(consent('prox', 'c6', { ...named, period: { end: '2025-12-31' } }))
    expect((await read(proxy, about('c6'))).permit).toBe(false)
  })

  it('is not found in the cache by a request that came after the commit, however the loads race', async () => {
    for (let round = 0; round < 20; round++) {
      const id = `race-${round}`
      const reads = Array.from({ length: 5 }, () => read(ehr, about(id)))
      const written = put(consent(id, id, { type: 'deny' }))
      reads.push(...Array.from({ length: 5 }, () => read(ehr, about(id))))
      await written
      expect((await read(ehr, about(id))).permit).toBe(false)
      await Promise.all(reads)
      expect((await read(ehr, about(id))).permit).toBe(false)
    }
  })
})

describe('writes', () => {
  it('are refused when they move a resource to another patient, or out of the own hands', async () => {
    const update = (incoming: Resource) =>
      access.decide({
        caller: ehr,
        interaction: 'update',
        type: 'Communication',
        stored: message('p1'),
        incoming,
      })
    expect((await update(message('p1', { status: 'stopped' }))).permit).toBe(true)
    expect((await update(message('p2'))).reasons).toContain('subject-change')
    expect((await update(message('p1', { subject: undefined }))).reasons).toContain('subject-change')
    expect((await update(message('p1', { recipient: [{ reference: 'Practitioner/eve' }] }))).permit).toBe(
      false,
    )
  })

  it('of a dispense need the own order of the same patient', async () => {
    const dispense = (patient: string, prescription: string, performer = 'Organization/pharmacy') =>
      ({
        resourceType: 'MedicationDispense',
        id: 'd',
        status: 'completed',
        subject: { reference: `Patient/${patient}` },
        performer: [{ actor: { reference: performer } }],
        authorizingPrescription: [{ reference: prescription }],
      }) as Resource
    const create = (incoming: Resource) =>
      access.decide({ caller: pharmacy, interaction: 'create', type: 'MedicationDispense', incoming })
    expect((await create(dispense('p1', 'MedicationRequest/o1'))).permit).toBe(true)
    expect((await create(dispense('p2', 'MedicationRequest/o1'))).permit).toBe(false)
    expect((await create(dispense('p1', 'MedicationRequest/none'))).permit).toBe(false)
    expect((await create(dispense('p1', 'MedicationRequest/o1', 'Organization/elsewhere'))).permit).toBe(
      false,
    )
  })

  it('by a platform need no relation', async () => {
    const platform = caller('platform', 'app')
    const incoming = message('p1')
    expect(
      (await access.decide({ caller: platform, interaction: 'create', type: 'Communication', incoming }))
        .permit,
    ).toBe(true)
    expect((await read(platform, incoming)).permit).toBe(false)
  })
})

describe('the pharmacy view', () => {
  it('holds what is to be dispensed, and no word of why or of what was said', async () => {
    const decision = await read(pharmacy, order)
    expect(decision.permit).toBe(true)
    const shown = access.redact(decision, order) as unknown as Record<string, unknown>
    expect(JSON.stringify(shown)).not.toMatch(/canary|HIV/)
    expect(shown).toMatchObject({
      status: 'active',
      dosageInstruction: [{ text: 'one daily' }],
      contained: [{ resourceType: 'Medication', code: { text: 'Drug' } }],
      meta: { tag: [{ code: 'SUBSETTED' }] },
    })
    expect(order).toHaveProperty('note')
  })

  it('holds nothing inside that only a hidden element refers to (dom-3)', async () => {
    const facility = { resourceType: 'Organization', id: 'facility', name: 'Ward' }
    const medication = { resourceType: 'Medication', id: 'm1', code: { text: 'Drug' } }
    const told = {
      ...order,
      contained: [medication, facility],
      medicationReference: { reference: '#m1' },
      supportingInformation: [{ reference: '#facility' }],
    } as unknown as Identified
    const shown = access.redact(await read(pharmacy, told), told)
    expect(shown).toMatchObject({ contained: [medication] })
    expect(shown).not.toHaveProperty('supportingInformation')
  })

  it('is the same object where nothing is hidden', async () => {
    const { id, status, intent, subject, dispenseRequest } = order as unknown as Record<string, string>
    const plain = {
      resourceType: 'MedicationRequest',
      id,
      status,
      intent,
      subject,
      dispenseRequest,
    } as unknown as Resource
    expect(access.redact(await read(pharmacy, plain), plain)).toBe(plain)
    expect(access.redact(await read(ehr, message('p1')), order)).toBe(order)
  })

  it('leaves out drafts, proposals and what was only reported', async () => {
    for (const more of [{ status: 'draft' }, { intent: 'proposal' }, { reportedBoolean: true }]) {
      expect((await read(pharmacy, { ...order, ...more } as Identified)).permit).toBe(false)
    }
  })

  it('shows the patient of an own order, by name and address only', async () => {
    const patient = {
      ...(versions.get('Patient/p1') as Identified),
      contact: [{ name: { text: 'canary' } }],
    } as Resource
    const decision = await read(pharmacy, patient)
    expect(decision.permit).toBe(true)
    expect(JSON.stringify(access.redact(decision, patient))).not.toContain('canary')
    expect((await read(pharmacy, versions.get('Patient/p2') as Identified)).permit).toBe(false)
  })
})

describe('patients', () => {
  it('see what is theirs whatever the consents say, and nothing else', async () => {
    const me = caller('patient', 'x', { actors: ['Patient/p1'], purpose: 'PATRQT' })
    await put(consent('mine', 'p1', { type: 'deny' }))
    expect((await read(me, message('p1'))).permit).toBe(true)
    expect((await read(me, message('p2'))).permit).toBe(false)
    await put(consent('mine', 'p1', { type: 'deny' }, { status: 'inactive' }))
  })
})

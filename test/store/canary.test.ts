import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { type OpenStore, openStore } from '../open-store.ts'
import { at, created, deleted, entry, newId, updated } from './units.ts'

/** Makes values that nothing else in a file looks like, and remembers them. */
function plant() {
  const planted: string[] = []
  return {
    planted,
    canary(field: string): string {
      const text = `canary-${field}-${newId().slice(0, 8)}`
      planted.push(text)
      return text
    },
  }
}

type Canary = ReturnType<typeof plant>['canary']

const system = 'urn:example'

function coded(canary: Canary, field: string) {
  const coding = [
    { system: canary(`${field}-system`), code: canary(`${field}-code`), display: canary(`${field}-display`) },
  ]
  return { coding, text: canary(`${field}-text`) }
}

function identified(canary: Canary, field: string) {
  return [{ system: canary(`${field}-id-system`), value: canary(`${field}-id`) }]
}

/** One resource of each kind that holds something about a person, with a canary in every field that says something. */
function resources(canary: Canary, patient: string): Resource[] {
  const subject = { reference: `Patient/${patient}`, display: canary('subject-display') }
  const identifier = (field: string) => identified(canary, field)
  const note = [{ text: canary('note') }]
  return [
    {
      resourceType: 'Patient',
      identifier: identifier('patient'),
      name: [{ family: canary('family'), given: [canary('given')], text: canary('name') }],
      telecom: [{ system: 'phone', value: canary('phone') }],
      address: [{ line: [canary('street')], city: canary('city'), postalCode: canary('zip') }],
      generalPractitioner: [{ reference: 'Practitioner/x', display: canary('gp') }],
    },
    {
      resourceType: 'Practitioner',
      identifier: identifier('practitioner'),
      name: [{ family: canary('practitioner-family') }],
    },
    {
      resourceType: 'Organization',
      identifier: identifier('organization'),
      name: canary('organization-name'),
    },
    {
      resourceType: 'Communication',
      status: 'completed',
      identifier: identifier('communication'),
      category: [coded(canary, 'category')],
      topic: coded(canary, 'topic'),
      reasonCode: [coded(canary, 'reason')],
      subject,
      sender: { identifier: identifier('sender')[0] },
      payload: [
        { contentString: canary('payload') },
        { contentAttachment: { title: canary('attachment'), data: canary('data') } },
      ],
      note,
    },
    {
      resourceType: 'QuestionnaireResponse',
      status: 'completed',
      questionnaire: canary('questionnaire'),
      identifier: identifier('response')[0],
      subject,
      item: [
        { linkId: canary('link'), text: canary('question'), answer: [{ valueString: canary('answer') }] },
      ],
    },
    {
      resourceType: 'MedicationRequest',
      status: 'active',
      intent: 'order',
      identifier: identifier('order'),
      medicationCodeableConcept: coded(canary, 'drug'),
      subject,
      reasonCode: [coded(canary, 'indication')],
      dosageInstruction: [{ text: canary('dosage'), patientInstruction: canary('instruction') }],
      note,
    },
    {
      resourceType: 'Task',
      status: 'requested',
      intent: 'order',
      for: subject,
      identifier: identifier('task'),
      code: coded(canary, 'task'),
      description: canary('description'),
    },
    {
      resourceType: 'Consent',
      status: 'active',
      scope: coded(canary, 'scope'),
      category: [coded(canary, 'consent')],
      patient: subject,
      identifier: identifier('consent'),
      provision: {
        purpose: [{ system, code: canary('purpose') }],
        securityLabel: [{ system, code: canary('label') }],
      },
    },
  ]
}

async function fill({ store }: OpenStore, canary: Canary): Promise<void> {
  const patient = newId()
  const writes = resources(canary, patient).map((resource) =>
    created(resource, resource.resourceType === 'Patient' ? patient : newId()),
  )
  const audit = () => [
    entry({
      json: JSON.stringify({
        resourceType: 'AuditEvent',
        id: 'x',
        outcomeDesc: canary('audit'),
        query: canary('query'),
      }),
      patient: `Patient/${canary('audit-patient')}`,
      entities: [`Communication/${canary('audit-entity')}`],
      agent: canary('audit-agent'),
    }),
  ]
  await store.commit({
    audit: audit(),
    writes,
    receipt: {
      sender: canary('sender'),
      messageId: canary('message-id'),
      body: new TextEncoder().encode(canary('body')),
      answer: JSON.stringify({ text: canary('answer') }),
      at,
    },
    deliveries: [
      {
        id: newId(),
        destination: 'ehr',
        patient: `Patient/${canary('delivery-patient')}`,
        resources: [{ type: 'Communication', id: canary('delivery-resource'), version: 1 }],
        due: at,
      },
    ],
    registrations: [
      { kind: 'client', id: 'c', json: JSON.stringify({ name: canary('client') }) },
      {
        kind: 'destination',
        id: 'd',
        json: JSON.stringify({ address: canary('address'), key: canary('private-key') }),
      },
    ],
    nonces: [{ issuer: canary('issuer'), value: canary('jti'), expires: at }],
  })
  // What was replaced and what was deleted leave nothing readable either.
  const [first] = writes
  if (!first) throw new Error('nothing was written')
  const again = updated(first, { ...first.resource, name: [{ text: canary('new-name') }] } as Resource)
  await store.commit({ audit: audit(), writes: [again] })
  await store.commit({ audit: audit(), writes: [deleted(again)] })
}

/** Every file below a folder, with what of the canaries it holds, in the forms text takes in files. */
function searched(folder: string, planted: readonly string[]) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile())
  return files.map(({ parentPath, name }) => {
    const bytes = readFileSync(join(parentPath, name))
    const holds = planted.filter((text) =>
      [Buffer.from(text), Buffer.from(text, 'utf16le'), Buffer.from(Buffer.from(text).toString('hex'))].some(
        (form) => bytes.includes(form),
      ),
    )
    return { name, length: bytes.length, holds }
  })
}

describe('the files of a clinic', () => {
  it('hold no name, identifier, code, text, address or key that was stored', async () => {
    const { planted, canary } = plant()
    const open = await openStore()
    try {
      await fill(open, canary)
      expect(planted.length).toBeGreaterThan(70)
      const running = searched(open.folder, planted)
      expect(running.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['data.db', 'data.db-wal', 'keys.db']),
      )
      expect(running.find(({ name }) => name === 'data.db-wal')?.length).toBeGreaterThan(10_000)
      expect(running.filter(({ holds }) => holds.length > 0)).toEqual([])
      expect(
        (await open.store.registrations('client'))[0]?.json,
        'the canaries are really in there',
      ).toContain('canary-')
      await open.store.close()
      expect(searched(open.folder, planted).filter(({ holds }) => holds.length > 0)).toEqual([])
    } finally {
      rmSync(open.folder, { recursive: true, force: true })
    }
  })

  it('would show a canary that is stored in the clear', async () => {
    const { planted, canary } = plant()
    const open = await openStore()
    await open.store.commit({ audit: [entry()], counters: [canary('counter')] })
    expect(searched(open.folder, planted).flatMap(({ holds }) => holds)).toEqual(planted)
    await open.close()
  })
})

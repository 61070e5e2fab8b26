import fc from 'fast-check'
import type { CodeableConcept, Communication, CommunicationPayload } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { documentMessage } from '#flows/document-message.ts'
import { writeCommunicationMessage } from '#formats/hl7v2/communication-message.ts'
import { sourceTimeUrl } from '#formats/hl7v2/said.ts'
import { replay } from '../../flows/replay.ts'
import { words } from './generated-orders.ts'
import { plain, pruned } from './noted.ts'
import { numRuns, timeoutMs } from './runs.ts'
import { hasNumbersOf, usual } from './same-order.ts'

/** Messages as our profile allows them: texts and files in any order, and everything that may be said of them. */
const file: fc.Arbitrary<CommunicationPayload> = fc
  .record(
    {
      contentType: fc.constantFrom('application/pdf', 'image/png', 'application/jose', 'text/csv'),
      title: words,
      language: fc.constant('de'),
      creation: fc.constant('2026-01-05T09:00:00Z'),
      size: fc.constant(6),
    },
    { requiredKeys: ['contentType'] },
  )
  .map((more) => ({ contentAttachment: { ...more, data: '/9j/4AAQ' } }))
const payload = fc.array(
  fc.oneof(
    words.map((contentString): CommunicationPayload => ({ contentString })),
    file,
  ),
  { minLength: 1, maxLength: 4 },
)

const beside: fc.Arbitrary<Partial<Communication>> = fc.record(
  {
    topic: fc.oneof(
      words.map((text) => ({ text })),
      fc.constantFrom<CodeableConcept>(
        { coding: [{ system: 'http://loinc.org', code: '51848-0', display: 'Plan' }], text: 'Plan' },
        { coding: [{ system: 'http://loinc.org', code: '51848-0', display: 'Plan' }], text: 'my plan' },
        {
          coding: [
            { system: 'http://loinc.org', code: '51848-0', display: 'Plan' },
            { system: 'urn:oid:1.2', code: 'P' },
          ],
        },
      ),
    ),
    category: fc.constantFrom([{ text: 'question' }], [{ text: 'a' }, { text: 'b' }]),
    medium: fc.constant([{ text: 'telephone' }]),
    priority: fc.constantFrom('urgent' as const, 'routine' as const),
    reasonCode: fc.constant([{ text: 'headache' }]),
    inResponseTo: fc.constantFrom(
      [{ type: 'Communication', identifier: { system: 'urn:oid:1.2', value: 'M-0' } }],
      [
        { type: 'Communication', identifier: { system: 'urn:oid:1.2', value: 'M-0' }, display: 'before' },
        { type: 'Communication', display: 'and the one before that' },
      ],
    ),
    note: fc
      .array(fc.tuple(words, fc.boolean()), { minLength: 1, maxLength: 2 })
      .map((all) => all.map(([text, signed]) => ({ ...(signed ? { authorString: 'Ж' } : {}), text }))),
    extension: fc.constant([{ url: 'https://elsewhere.example/mood', valueString: 'worried' }]),
  },
  { requiredKeys: [] },
)
const communications: fc.Arbitrary<Communication> = fc
  .tuple(payload, beside, fc.boolean())
  .map(([content, more, further]) => ({
    resourceType: 'Communication',
    id: 'c1',
    status: 'completed',
    subject: { reference: 'Patient/p' },
    sender: { reference: 'Practitioner/d' },
    identifier: [
      { system: 'urn:oid:1.3', value: 'M|1' },
      ...(further ? [{ use: 'secondary' as const, system: 'urn:oid:1.4', value: 'T' }] : []),
    ],
    sent: '2026-01-10T10:00:00.250-06:00',
    payload: content,
    ...more,
  }))

const doctor = {
  resourceType: 'Practitioner' as const,
  identifier: [{ system: 'urn:oid:1.3', value: '7' }],
  name: [{ family: 'y' }],
}
const write = (communication: Communication, more: Partial<Hl7v2Dialect> = {}) =>
  writeCommunicationMessage({
    communication,
    patient: { resourceType: 'Patient', id: 'p', identifier: [{ value: '1' }], name: [{ family: 'x' }] },
    sender: doctor,
    recipients: [doctor],
    dialect: {
      sending: { application: 'POSTERN', facility: 'HUB' },
      receiving: { application: 'EHR', facility: '1' },
      ...more,
    },
    controlId: 'C1',
    at: 0,
  })

async function read(text: string) {
  const { resources, refused } = await replay(documentMessage, new TextEncoder().encode(text))
  const made = (resources ?? []) as { resourceType: string }[]
  return {
    refused,
    found: made.find(({ resourceType }) => resourceType === 'Communication') as Communication,
  }
}

/** Persons, ids and when it came in are found anew; who names no topic has sent a consultation note (TXA-2 is required). */
function comparable(given: Communication, like: Communication): unknown {
  const {
    id: _id,
    meta: _meta,
    subject: _subject,
    sender: _sender,
    recipient: _recipient,
    received: _received,
    identifier: _numbers,
    topic,
    extension,
    ...rest
  } = plain(given) as Communication
  const told = extension?.filter(({ url }) => url !== sourceTimeUrl)
  return pruned(usual({ ...rest, extension: told, topic: like.topic && topic }))
}

describe.each<[string, Partial<Hl7v2Dialect>]>([
  ['2.5.1', {}],
  ['2.8 in the time of another zone', { version: '2.8', timeZone: 'Asia/Tokyo' }],
  ['2.3.1', { version: '2.3.1' }],
])('a message that goes out as MDM^T02 of %s', (_, more) => {
  it(
    'comes back the same, whole',
    async () => {
      await fc.assert(
        fc.asyncProperty(communications, async (given) => {
          const text = write(given, more)
          const { found, refused } = await read(text)
          const shown = `${JSON.stringify(refused)}\n${text.replaceAll('\r', '\n')}`
          expect(found && comparable(found, given), shown).toEqual(comparable(given, given))
          expect(hasNumbersOf(found, given)).toBe(true)
        }),
        { numRuns },
      )
    },
    timeoutMs,
  )
})

it('a copy (ZFH) of a message holds no file a second time, and is refused beside another text or file', async () => {
  const given: Communication = {
    resourceType: 'Communication',
    id: 'c1',
    status: 'completed',
    meta: { security: [{ code: 'PSY', display: 'psychiatry' }] },
    identifier: [{ system: 'urn:oid:1.3', value: 'M1' }],
    payload: [
      { contentAttachment: { contentType: 'image/png', data: 'QUJD' } },
      { contentString: 'First one half' },
    ],
  }
  const text = write(given)
  expect(text.match(/QUJD/g)).toHaveLength(1)
  expect(text).toContain('NTE|1||Label: psychiatry')
  expect((await read(text)).found.payload).toEqual(given.payload)
  const { refused } = await read(text.replace('First one half', 'First one whole'))
  expect(JSON.stringify(refused)).toContain('contradicts OBX-5')
  expect(JSON.stringify((await read(text.replace('|TX|MESSAGE', '|FT|MESSAGE'))).refused)).toContain('OBX-2')
})

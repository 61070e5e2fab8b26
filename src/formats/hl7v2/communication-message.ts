import type { Attachment, Communication, Identifier, Patient, Practitioner } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { coded, sayTime, type Telling } from './coded.ts'
import { communicationRest } from './communication-rest.ts'
import { composed, repeated, segmentOf } from './compose.ts'
import { dtm, type Envelope, entity, headerSegment, noteSegments, requireWritable } from './dialect.ts'
import { dataTypes } from './file-types.ts'
import { sayNumber } from './order-numbers.ts'
import { patientSegment, practitionerField } from './order-people.ts'
import { createSaid, requireNoModifiers } from './said.ts'

/** What one outbound message of a conversation is made of. */
export interface CommunicationValues extends Envelope {
  communication: Communication
  patient: Patient
  /** Who wrote it and whom it is for, as far as they are persons of a staff. */
  sender?: Practitioner
  recipients: readonly Practitioner[]
}

/**
 * MDM^T02 (HL7 v2.5.1 §9.6.2) of a Communication: the way back of gap_05. Texts are OBX of type TX, one each, files OBX
 * of type ED in Base64 where the partner takes them. What has no field is told beside them
 * (formats/hl7v2/communication-rest). Throws Failure
 * `unsupported` for files that are not taken or not here, and `invalid` for what was not sent.
 */
export function writeCommunicationMessage(values: CommunicationValues): string {
  const { communication, patient, sender, recipients, dialect } = values
  requireNoModifiers(communication)
  if (communication.status !== 'completed')
    throw refused('invalid', 'Only a message that was sent is delivered', 'status')
  const telling: Telling = { dialect, said: createSaid() }
  const { said } = telling
  const contents = contentSegments(communication, dialect.attachments ?? true, telling)
  if (contents.length === 0) throw refused('invalid', 'A message must say something', 'payload')
  const txa = segmentOf('TXA', {
    1: '1',
    2: topicOf(communication, telling),
    3: 'TX',
    6: dtm(dialect, communication.sent),
    9: practitionerField(sender, dialect),
    12: documentNumber(communication, telling),
    13: parentNumber(communication, telling),
    17: 'AU',
    18: confidentialityOf(communication, telling),
    19: 'AV',
    23: repeated(recipients.map((recipient) => practitionerField(recipient, dialect))),
  })
  sayTime(telling, 'sent', communication.sent)
  const { notes, copy } = communicationRest(values, said)
  const text = [
    headerSegment(values, ['MDM', 'T02', 'MDM_T02']),
    segmentOf('EVN', { 1: 'T02', 2: dtm(dialect, communication.sent ?? communication.meta?.lastUpdated) }),
    patientSegment(patient, dialect),
    segmentOf('PV1', { 1: '1', 2: 'N' }),
    txa,
    ...contents,
    ...noteSegments(notes),
    copy,
  ].join('')
  requireWritable(text, dialect)
  return text
}

function contentSegments({ payload = [] }: Communication, files: boolean, { said }: Telling): string[] {
  return payload.map(({ contentString, contentAttachment }, index) => {
    const path = `payload[${index}]`
    if (contentString !== undefined) {
      said.say(`${path}.contentString`)
      return observation(index, 'TX', composed(['MESSAGE', 'Message', 'L']), composed([contentString]))
    }
    if (!contentAttachment || !files)
      throw refused('unsupported', 'This receiver takes no files', `${path}.contentAttachment`)
    said.say(`${path}.contentAttachment.data`, `${path}.contentAttachment.title`)
    if (dataTypes[contentAttachment.contentType ?? '']) said.say(`${path}.contentAttachment.contentType`)
    const title = contentAttachment.title ?? 'File'
    return observation(index, 'ED', composed(['FILE', title, 'L']), fileField(contentAttachment, path))
  })
}

function observation(index: number, type: string, name: string, value: string): string {
  return segmentOf('OBX', { 1: String(index + 1), 2: type, 3: name, 5: value, 11: 'F' })
}

/** ED: type and subtype of the data, in Base64. */
function fileField({ contentType = '', data }: Attachment, path: string): string {
  if (data === undefined)
    throw refused('unsupported', 'The file itself is not here', `${path}.contentAttachment`)
  const [type, subtype] = dataTypes[contentType] ?? ['AP', 'Octet-stream']
  return composed([undefined, type, subtype, 'Base64', data])
}

function documentNumber({ identifier = [], id }: Communication, { dialect, said }: Telling): string {
  const index = identifier.findIndex((each) => each.value)
  const found = identifier[index]
  sayNumber(found, `identifier[${index}]`, said, [])
  return found ? composed(entity(dialect, found)) : composed([id, dialect.sending.application])
}

function parentNumber({ inResponseTo = [] }: Communication, { dialect, said }: Telling): string {
  const parent: Identifier | undefined = inResponseTo[0]?.identifier
  if (!parent?.value) return ''
  const at = 'inResponseTo[0]'
  said.say(`${at}.type`, `${at}.identifier.value`, `${at}.identifier.system`)
  return composed(entity(dialect, parent))
}

/** TXA-18, table 0272. */
function confidentialityOf({ meta }: Communication, { said }: Telling): string {
  const codes = (meta?.security ?? []).map(({ code }) => code)
  // Of both, V is told: it is the stricter.
  for (const [index, code] of codes.entries())
    if (code === 'V' || code === 'R') said.say(`meta.security[${index}]`)
  return codes.includes('V') ? 'V' : codes.includes('R') ? 'R' : ''
}

/** TXA-2, which is required: what says nothing of it is a consultation note. A reader takes one code, or the words. */
function topicOf({ topic }: Communication, telling: Telling): string {
  const { coding = [], text } = topic ?? {}
  const [only, ...more] = coding
  const isPlain =
    only === undefined || (more.length === 0 && text === only.display && /^\S+$/.test(only.code ?? ''))
  if (!isPlain) telling.said.keepCopy('topic')
  return coded(topic, 'topic', telling) || 'CN'
}

function refused(kind: 'invalid' | 'unsupported', text: string, element: string): Failure {
  return new Failure(kind, [{ text, expression: `Communication.${element}` }])
}

import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, EarlierLink, Flow, Party, ReadContext } from '#core/flow.ts'
import { requireSameCommunication } from '#formats/hl7v2/communication-copy.ts'
import { elementsForMapping } from '#formats/hl7v2/copy.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { reviseConsent } from './consent-revision.ts'
import { type CopiedElements, copyAmong } from './copied-elements.ts'
import { type Need, patientNeed, requireEach } from './hl7v2-needs.ts'
import { documentAuthor, documentRecipients } from './hl7v2-observers.ts'
import { patientParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource, segmentsAnywhere } from './hl7v2-source.ts'
import { reviseMessage } from './message-revision.ts'

/** The message as its tree, and its document wherever an order before it put it. */
interface DocumentMessage extends Hl7v2Source {
  TXA: SourceSegment[]
  OBX: SourceSegment[]
  CON: SourceSegment[]
  /** What came as a copy of it, by itself: `0`. */
  copies: CopiedElements
}

type Rule = CareRule<DocumentMessage>

/**
 * A document is a Communication from its originator (TXA-9, else TXA-5, PRT) to those it is distributed to (TXA-23, PRT), in
 * text and files. Its number (TXA-12) says which one a later event is about (HL7 v2.5.1 §9.5–9.6): T04 and T08 make the next
 * version of it, T06 another one that is part of it, T10 another one in its place, T11 withdraws it. Without its content,
 * T03 changes its status, T07 says that what is here is being edited and T09 that it is replaced. T01 and T05 tell of a
 * document that nobody here has and say nothing in it, for those who track how far it is: they are no messages.
 */
export const documentMessage: Flow<DocumentMessage> = {
  name: 'document-message',
  title: 'Document as a message (HL7 v2)',
  door: {
    kind: 'hl7v2',
    messageTypes: ['T02', 'T03', 'T04', 'T06', 'T07', 'T08', 'T09', 'T10', 'T11'].map(
      (event) => `MDM^${event}`,
    ),
  },
  read: readDocument,
  messageId: (source) => source.controlId,
  primary: 'Communication',
  parties: partiesOf,
  earlier: earlierDocuments,
  rules: [onlyReadableContent, onlyAvailable, hasWhatAMessageNeeds],
  mapping: 'document-message',
  parts: ['consent-directive'],
  profiles: { Communication: 'https://postern.health/fhir/StructureDefinition/SecureMessage' },
  receivers: [{ role: 'ehr', types: ['Communication'] }],
  revisions: { Communication: reviseMessage, Consent: reviseConsent },
}

function readDocument(body: Uint8Array, context: ReadContext): DocumentMessage {
  const source = readSource(body, context)
  const named = (name: string) => segmentsAnywhere(source, name)
  const document = { TXA: named('TXA'), OBX: named('OBX'), CON: named('CON') }
  const copy = copyAmong(source, named('ZFH'))
  const copies: CopiedElements = {}
  if (copy) copies[0] = elementsForMapping(requireSameCommunication(copy, document, source.version))
  return { ...source, ...document, copies }
}

function partiesOf({ facility, MSH, PID, TXA: [txa] }: DocumentMessage): Party[] {
  return [
    PID && patientParty(facility, PID),
    documentAuthor(facility, 'sender', txa),
    ...documentRecipients(facility, 'recipient', { MSH, txa }),
  ].filter((party) => party !== undefined)
}

/** OBX-2 → what OBX-5 must be. Findings are no messages, and a pointer is a file we do not have. */
const textTypes = ['TX', 'FT', 'ST']

function onlyReadableContent({ OBX }: DocumentMessage): ReturnType<Rule> {
  const issues = OBX.flatMap((obx, index): Issue[] => {
    const type = fieldOf(obx, 2)[0]?._1 ?? ''
    if (textTypes.includes(type)) return []
    if (type !== 'ED')
      return [
        { text: 'Only texts and files (OBX-2 = TX, FT, ST or ED) are taken in', expression: place(index, 2) },
      ]
    const readable = fieldOf(obx, 5).every((file) => /^base64$/i.test(file._4 ?? '') && file._5 !== undefined)
    return readable
      ? []
      : [{ text: 'A file must be there, in Base64 (OBX-5.4 and OBX-5.5)', expression: place(index, 5) }]
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

/** Events about another document, which TXA-13 names. */
const ofAnother = ['T06', 'T09', 'T10']
/** Events that tell of what is here already, and come without its content. */
const withoutContent = ['T03', 'T07', 'T09', 'T11']

/** The document itself, where it came before, and for an addendum or a replacement the one that it belongs to. */
function earlierDocuments({ facility, trigger, TXA: [txa] }: DocumentMessage): EarlierLink[] {
  const link = (slot: string, field: number, required: boolean): EarlierLink[] => {
    const number = fieldOf(txa, field)[0]?._1
    if (number === undefined) return []
    // Without its authority, which senders leave out where they name a parent.
    const key = { name: 'TXA-12', number: `${facility}|${number}` }
    return [{ slot, type: 'Communication', key, place: `TXA-${field}`, required }]
  }
  // What takes its place in T09 comes in a message of its own.
  const document = trigger === 'T09' ? [] : link('document', 12, withoutContent.includes(trigger))
  return [...document, ...link('parent', 13, trigger === 'T09')]
}

/**
 * TXA-19 (table 0273): what was withdrawn is not for delivery, unless that is what the message tells; and what is
 * available is not edited without its new content (HL7 v2.5.1 §9.6.7).
 */
function onlyAvailable({ trigger, TXA }: DocumentMessage): ReturnType<Rule> {
  const availability = fieldOf(TXA[0], 19)[0]?._1
  const isAvailable = availability === undefined || availability === 'AV'
  if (trigger === 'T07' && isAvailable)
    throw notAvailable('An edit of what is available comes with its content (MDM^T08)')
  if (isAvailable || trigger === 'T04' || withoutContent.includes(trigger)) return { keep: true }
  throw notAvailable('A document that is new must be available (TXA-19 = AV); T03, T04 and T11 withdraw one')
}

function notAvailable(text: string): Failure {
  return new Failure('unsupported', [{ text, expression: 'TXA-19' }])
}

function hasWhatAMessageNeeds(source: DocumentMessage): ReturnType<Rule> {
  const needs = [
    ...needsOfNumbers(source),
    ...(withoutContent.includes(source.trigger) ? [] : needsOfContent(source)),
  ]
  requireEach(needs)
  return { keep: true }
}

function needsOfNumbers({ trigger, PID, TXA }: DocumentMessage): Need[] {
  const [txa] = TXA
  const status = fieldOf(txa, 17)[0]?._1 ?? fieldOf(txa, 19)[0]?._1
  return [
    patientNeed(PID),
    [TXA.length === 1, 'TXA', 'One document a message'],
    [fieldOf(txa, 12)[0]?._1, 'TXA-12', 'The number of the document is required'],
    [
      !ofAnother.includes(trigger) || fieldOf(txa, 13)[0]?._1,
      'TXA-13',
      'The number of the document that it belongs to is required',
    ],
    [trigger !== 'T03' || status, 'TXA-17', 'What its status is now is required (TXA-17 or TXA-19)'],
  ]
}

function needsOfContent({ facility, MSH, TXA: [txa], OBX }: DocumentMessage): Need[] {
  const recipients = documentRecipients(facility, 'recipient', { MSH, txa })
  return [
    [documentAuthor(facility, 'sender', txa), 'TXA-9', 'Who wrote it is required, by identifier'],
    [
      recipients.length > 0 && fieldOf(txa, 23).every((copy) => copy._1),
      'TXA-23',
      'Whom it is for is required, each by identifier, or a receiving facility (MSH-6)',
    ],
    [OBX.some((obx) => fieldOf(obx, 5).length > 0), 'OBX-5', 'What it says is required'],
  ]
}

function place(index: number, field: number): string {
  return `OBX[${index + 1}]-${field}`
}

import type { Communication, CommunicationPayload } from 'fhir/r4'
import type { CommunicationValues } from './communication-message.ts'
import { authorIdeas, extensionIdeas } from './note-ideas.ts'
import { type Idea, ours, presentElements, type Rest, restOf } from './rest.ts'
import type { Said } from './said.ts'
import { conceptWords, prefixed } from './words.ts'

/** The notes of a message, and everything of it that has no field (formats/hl7v2/rest). */
export function communicationRest(values: CommunicationValues, said: Said): Rest {
  const { communication, dialect } = values
  const { note = [], payload = [], extension = [] } = communication
  for (const index of note.keys()) said.say(`note[${index}].text`)
  for (const [index, { url }] of extension.entries())
    if (url.startsWith(ours)) said.say(`extension[${index}]`)
  // A file brings its own digest: whoever has it can make it.
  for (const [index, { contentAttachment }] of payload.entries())
    for (const [at, { url }] of (contentAttachment?.extension ?? []).entries())
      if (url.startsWith(ours)) said.say(`payload[${index}].contentAttachment.extension[${at}]`)
  if (!comesBack(payload)) said.keepCopy('payload')
  const rest = restOf({
    resource: communication,
    dialect,
    said,
    texts: note.map(({ text }, index) => ({ path: `note[${index}]`, text })),
    ideas: ideasOf(communication),
    isHere: (path) => stays.test(path),
    isCopied: isCommunicationElement,
    elementsOf: (names) => elementsOf(communication, names),
  })
  return { ...rest, notes: [...writerNotes(values), ...rest.notes] }
}

/** XCN names persons of a staff only: that the patient or a relative wrote it must be told all the same. */
function writerNotes({ communication, sender }: CommunicationValues): Rest['notes'] {
  const type = communication.sender?.reference?.split('/')[0]
  return sender || !type ? [] : [{ text: `Written by: ${type}` }]
}

/** A reader makes one text of all, and puts it before the files. */
function comesBack(payload: readonly CommunicationPayload[]): boolean {
  return payload.every(
    ({ contentString, contentAttachment }, index) =>
      (contentString === undefined || index === 0) &&
      (!contentAttachment || contentAttachment.title !== undefined),
  )
}

/** What is not for another system, by rule: references to what stays here, and when it came in here. Labels are told. */
const stays =
  /^(?:(?:resourceType|id|language|text|status|subject|sender|recipient|received|basedOn|partOf|encounter|about|contained)(?:[.[]|$)|meta\.(?:versionId|lastUpdated|source|profile|tag)|meta\.security\[\d+\]\.system)|\.reference$/

const copied = [
  'category',
  'extension',
  'identifier',
  'inResponseTo',
  'medium',
  'note',
  'payload',
  'priority',
  'reasonCode',
  'sent',
  'topic',
]

/** Elements that a copy may hold. */
export function isCommunicationElement(name: string): boolean {
  return copied.includes(name.replace(/^_/, ''))
}

function ideasOf(communication: Communication): Idea[] {
  const { category = [], medium = [], reasonCode = [], identifier = [], inResponseTo = [] } = communication
  const { meta, note = [], extension = [] } = communication
  const each = <T>(
    items: readonly T[],
    name: string,
    before: string,
    words: (item: T) => string | undefined,
  ) => items.map((item, index) => ({ path: `${name}[${index}]`, text: prefixed(before, words(item) ?? '') }))
  return [
    ...each(meta?.security ?? [], 'meta.security', 'Label: ', ({ display, code }) => display ?? code),
    { path: 'topic', text: prefixed('Topic: ', conceptWords(communication.topic)) },
    { path: 'sent', text: prefixed('Sent: ', communication.sent ?? '') },
    { path: 'priority', text: prefixed('Priority: ', communication.priority ?? '') },
    ...each(category, 'category', 'Kind of message: ', conceptWords),
    ...each(medium, 'medium', 'Sent by: ', conceptWords),
    ...each(reasonCode, 'reasonCode', 'Reason: ', conceptWords),
    ...each(
      inResponseTo,
      'inResponseTo',
      'Answers: ',
      (pointer) => pointer.display ?? pointer.identifier?.value,
    ),
    ...identifier.map(({ value = '' }, index) => ({
      path: `identifier[${index}].value`,
      text: prefixed('Further number of the message: ', value),
    })),
    ...authorIdeas(note),
    ...extensionIdeas(extension),
  ]
}

/** Whole elements, but for the data of files: an OBX has them, and who reads the copy takes them from there. */
function elementsOf(communication: Communication, names: readonly string[]): Record<string, unknown> {
  const { payload, extension } = communication
  const light = payload?.map(({ contentAttachment, ...own }) => {
    if (!contentAttachment) return own
    const { data: _data, extension: marks, ...file } = contentAttachment
    const foreign = marks?.filter(({ url }) => !url.startsWith(ours))
    return { ...own, contentAttachment: { ...file, ...(foreign?.length ? { extension: foreign } : {}) } }
  })
  const whole = {
    ...communication,
    payload: light,
    extension: extension?.filter(({ url }) => !url.startsWith(ours)),
  }
  return presentElements(whole, names)
}

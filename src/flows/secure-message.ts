import * as z from 'zod'
import type { Flow } from '#core/flow.ts'
import { attachment } from './attachment.ts'
import { bodySchema } from './body-schema.ts'
import { coding, instant, isObject, language, messageId, text } from './fields.ts'
import { participant, partyOf, patient } from './people.ts'
import { readJson } from './read-json.ts'

const schema = z
  .strictObject({
    id: messageId,
    /** The sender's own id of the conversation. */
    thread: messageId.optional(),
    /** Id of the message of the same sender that this one answers. */
    inReplyTo: messageId.optional(),
    sentAt: instant,
    language,
    priority: z.enum(['routine', 'urgent', 'asap', 'stat']),
    patient,
    sender: participant,
    recipients: z.array(participant).min(1).max(50),
    /** What the message is about, in a line. */
    topic: text(250).optional(),
    category: z.array(coding).min(1).max(10).optional(),
    /** Confidentiality and sensitivity labels, to meta.security. */
    labels: z.array(coding).min(1).max(10).optional(),
    text: text(100_000).optional(),
    attachments: z.array(attachment).min(1).max(20).optional(),
  })
  .refine((message) => message.text !== undefined || message.attachments !== undefined, {
    message: 'must be there where there are no attachments',
    path: ['text'],
    when: isObject,
  })

export type SecureMessage = z.output<typeof schema>

/** A message of patient or clinician to the other, with its thread and files: one Communication. */
export const secureMessage: Flow<SecureMessage> = {
  name: 'secure-message',
  title: 'Secure message',
  door: { kind: 'json', path: '/ingest/messages', schema: () => bodySchema(schema) },
  read: (body) => readJson(schema, body),
  messageId: (source) => source.id,
  primary: 'Communication',
  parties: (source) => [
    partyOf('subject', source.patient),
    partyOf('sender', source.sender, source.patient),
    ...source.recipients.map((recipient, index) => partyOf(`recipient-${index}`, recipient, source.patient)),
  ],
  rules: [],
  mapping: 'secure-message',
  profiles: { Communication: 'https://postern.health/fhir/StructureDefinition/SecureMessage' },
  receivers: [{ role: 'ehr', types: ['Communication'] }],
}

import * as z from 'zod'
import { dosageRules } from '#care/dosage.ts'
import type { Flow } from '#core/flow.ts'
import { bodySchema } from './body-schema.ts'
import { dosage } from './dosage.ts'
import {
  coding,
  concept,
  dateOrInstant,
  identifier,
  instant,
  isObject,
  messageId,
  period,
  quantity,
  text,
} from './fields.ts'
import { organization, partyOf, patient, practitioner } from './people.ts'
import { readJson } from './read-json.ts'

/** That somebody authorised the order elsewhere (ACC15), and where that can be looked up or checked. */
const attestation = z
  .strictObject({
    by: practitioner,
    at: instant,
    method: z.enum(['digital-signature', 'electronic-signature', 'two-factor', 'wet-ink', 'verbal']),
    reference: identifier.optional(),
    /** JWS compact serialization over the order; the payload may be detached. */
    signature: z
      .string()
      .max(100_000)
      .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/, 'must be a JWS in compact serialization')
      .optional(),
  })
  .refine(({ reference, signature }) => reference !== undefined || signature !== undefined, {
    message: 'must have a reference or a signature',
    when: isObject,
  })

const schema = z.strictObject({
  id: messageId,
  /** The sender's own id of the prescription that several items belong to. */
  group: messageId.optional(),
  patient,
  prescriber: practitioner,
  /** The pharmacy that the patient chose. */
  pharmacy: organization.optional(),
  priority: z.enum(['routine', 'urgent', 'asap', 'stat']).default('routine'),
  course: z.enum(['acute', 'continuous', 'seasonal']).optional(),
  drug: z.strictObject({ codings: z.array(coding).max(20).default([]), text: text(1000) }),
  dosage: z
    .array(dosage)
    .min(1)
    .max(20)
    .refine((steps) => steps.length === 1 || steps.every((step) => step.sequence !== undefined), {
      message: 'must have a sequence in each step where there are several',
    }),
  quantity,
  /** Fills after the first one. */
  repeats: z.int(),
  daysSupply: z.int().min(1).max(3660).optional(),
  validity: period.optional(),
  substitution: z
    .strictObject({
      allowed: z.union([z.boolean(), z.literal('unspecified')], {
        error: 'must be true, false or unspecified',
      }),
      reason: concept.optional(),
    })
    .default({ allowed: 'unspecified' }),
  reason: z.array(concept).min(1).max(10).optional(),
  authoredOn: dateOrInstant,
  /** What this one renews or replaces: the sender's own id of it, or its identifier elsewhere. */
  priorPrescription: z
    .union([z.strictObject({ id: messageId }), z.strictObject({ identifier })], {
      error: 'must have an id or an identifier',
    })
    .optional(),
  /** For the sender's own staff. It is read and left behind: free text goes to no pharmacy (R10). */
  staffNote: text(10_000).optional(),
  attestation: attestation.optional(),
})

export type Prescription = z.output<typeof schema>

/** One prescribed item: a MedicationRequest, and a Task for the pharmacy where it is in force. */
export const prescription: Flow<Prescription> = {
  name: 'prescription',
  title: 'Prescription',
  door: { kind: 'json', path: '/ingest/prescriptions', schema: () => bodySchema(schema) },
  read: (body) => readJson(schema, body),
  messageId: (source) => source.id,
  primary: 'MedicationRequest',
  parties: (source) => [
    partyOf('subject', source.patient),
    partyOf('requester', source.prescriber),
    ...(source.pharmacy ? [partyOf('pharmacy', source.pharmacy)] : []),
    ...(source.attestation ? [partyOf('attester', source.attestation.by)] : []),
  ],
  rules: [...dosageRules, leavesStaffNote],
  attestation: ({ attestation: given }) => given && { ...given, by: 'attester' },
  mapping: 'prescription',
  profiles: { MedicationRequest: 'https://postern.health/fhir/StructureDefinition/Prescription' },
  receivers: [
    { role: 'ehr', types: ['MedicationRequest'] },
    { role: 'pharmacy', types: ['MedicationRequest', 'Task'] },
  ],
}

function leavesStaffNote(source: Prescription) {
  const text = 'A note for staff is not part of the order and is not kept'
  const warning = { severity: 'information' as const, code: 'business-rule', text, expression: 'staffNote' }
  return { keep: true as const, ...(source.staffNote === undefined ? {} : { warnings: [warning] }) }
}

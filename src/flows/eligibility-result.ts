import * as z from 'zod'
import { reviewUrgent, screeningRules } from '#care/screening.ts'
import type { Flow } from '#core/flow.ts'
import { bodySchema } from './body-schema.ts'
import {
  amount,
  coding,
  concept,
  date,
  dateOrInstant,
  decimal,
  httpsUrl,
  instant,
  language,
  messageId,
  quantity,
  text,
  time,
  versionedCanonical,
} from './fields.ts'
import { partyOf, patient } from './people.ts'
import { readJson } from './read-json.ts'

const answer = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('boolean'), value: z.boolean() }),
  z.strictObject({ type: z.literal('integer'), value: z.int32() }),
  z.strictObject({ type: z.literal('decimal'), value: decimal }),
  z.strictObject({ type: z.literal('date'), value: date }),
  z.strictObject({ type: z.literal('dateTime'), value: dateOrInstant }),
  z.strictObject({ type: z.literal('time'), value: time }),
  z.strictObject({ type: z.literal('string'), value: text(10_000) }),
  z.strictObject({ type: z.literal('coding'), value: coding }),
  z.strictObject({ type: z.literal('quantity'), value: quantity.extend({ value: decimal }) }),
])

const item = z.strictObject({
  linkId: text(200),
  text: text(2000).optional(),
  /** Tagged sensitive by its questionnaire: the price must have been shown before it was asked. */
  sensitive: z.boolean().optional(),
  /** The answer asks for a clinician's eye at once: it keeps a failed screening from being purged unseen. */
  urgent: z.boolean().optional(),
  answeredAt: instant.optional(),
  answers: z.array(answer).min(1).max(100).optional(),
  /** Items of a group. */
  get items() {
    return z.array(item).min(1).max(500).optional()
  },
})

const pricing = z.strictObject({
  url: httpsUrl,
  version: text(100),
  shownAt: instant,
  components: z
    .array(
      z.strictObject({
        kind: z.enum(['consultation', 'delivery', 'subscription', 'medication', 'other']),
        amount,
        currency: z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code'),
      }),
    )
    .min(1)
    .max(20),
})

const schema = z.strictObject({
  id: messageId,
  /** The sender's own id of the screening, the same for each save of it. */
  screening: messageId.optional(),
  patient,
  questionnaire: versionedCanonical,
  language,
  authored: instant,
  items: z.array(item).min(1).max(500),
  pricing: pricing.optional(),
  outcome: z.strictObject({
    result: z.enum(['eligible', 'ineligible', 'pending', 'needs-review']),
    reason: concept.optional(),
  }),
})

export type EligibilityResult = z.output<typeof schema>

/** A screening with its answers and outcome: one QuestionnaireResponse, or nothing at all when it failed (J3). */
export const eligibilityResult: Flow<EligibilityResult> = {
  name: 'eligibility-result',
  title: 'Eligibility result',
  door: { kind: 'json', path: '/ingest/eligibility', schema: () => bodySchema(schema) },
  read: (body) => reviewUrgent(readJson(schema, body)),
  messageId: (source) => source.id,
  primary: 'QuestionnaireResponse',
  parties: (source) => [partyOf('subject', source.patient)],
  rules: screeningRules,
  mapping: 'eligibility-result',
  profiles: { QuestionnaireResponse: 'https://postern.health/fhir/StructureDefinition/EligibilityResult' },
  receivers: [{ role: 'ehr', types: ['QuestionnaireResponse'] }],
}

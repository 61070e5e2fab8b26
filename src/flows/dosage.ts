import * as z from 'zod'
import { coding, concept, date, isObject, positiveDecimal, quantity, text, time } from './fields.ts'

/** UCUM units of time that FHIR allows in a Timing. */
const timeUnit = z.enum(['s', 'min', 'h', 'd', 'wk', 'mo', 'a'])

/** https://hl7.org/fhir/R4/datatypes.html#Timing, with those of its rules (tim-1 … tim-10) that can be broken here. */
const timing = z
  .strictObject({
    frequency: z.int().min(1).max(1000).optional(),
    frequencyMax: z.int().min(1).max(1000).optional(),
    period: positiveDecimal.optional(),
    periodMax: positiveDecimal.optional(),
    periodUnit: timeUnit.optional(),
    duration: positiveDecimal.optional(),
    durationUnit: timeUnit.optional(),
    count: z.int().min(1).max(10_000).optional(),
    timesOfDay: z.array(time).min(1).max(24).optional(),
    daysOfWeek: z
      .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
      .min(1)
      .max(7)
      .optional(),
    /** Codes of http://hl7.org/fhir/ValueSet/event-timing, e.g. `ACM`, `HS`. */
    when: z
      .array(z.string().regex(/^[A-Z][A-Z.]{0,9}$/, 'must be an event-timing code'))
      .min(1)
      .max(5)
      .optional(),
    bounds: z.strictObject({ start: date.optional(), end: date.optional() }).optional(),
  })
  .refine(({ period, periodUnit }) => (period === undefined) === (periodUnit === undefined), {
    message: 'must come with period, and period with it',
    path: ['periodUnit'],
    when: isObject,
  })
  .refine(({ duration, durationUnit }) => (duration === undefined) === (durationUnit === undefined), {
    message: 'must come with duration, and duration with it',
    path: ['durationUnit'],
    when: isObject,
  })
  .refine(({ frequency, period }) => frequency === undefined || period !== undefined, {
    message: 'must come with a frequency',
    path: ['period'],
    when: isObject,
  })
  .refine(({ timesOfDay, when }) => timesOfDay === undefined || when === undefined, {
    message: 'must not stand together with timesOfDay',
    path: ['when'],
    when: isObject,
  })

/** The directions as they are to be read, always, and taken apart as far as that is complete (R6). */
export const dosage = z.strictObject({
  /** Order of the step; equal numbers mean at the same time. Compulsory where there are several steps. */
  sequence: z.int().min(1).max(100).optional(),
  text: text(2000),
  patientInstruction: text(2000).optional(),
  structure: z
    .strictObject({
      dose: quantity.optional(),
      route: coding.optional(),
      site: coding.optional(),
      method: coding.optional(),
      timing: timing.optional(),
      /** True, or what for. */
      asNeeded: z.union([z.boolean(), concept], { error: 'must be true, false or a concept' }).optional(),
      maxDose: z.strictObject({ amount: quantity, period: positiveDecimal, periodUnit: timeUnit }).optional(),
    })
    .optional(),
})

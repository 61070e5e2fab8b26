import * as z from 'zod'
import { decimalText, isDecimal } from '#core/decimal.ts'

/**
 * The fields of which the JSON messages are made, each with FHIR R4's form of that datatype
 * (https://hl7.org/fhir/R4/datatypes.html) so that nothing passes the door that cannot be said in FHIR.
 */

/** Text that says something: no control characters but tab and line ends, not only white space. Length in UTF-16 units. */
export function text(max: number) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in it
  const printable = /^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]*\S[^\u0000-\u0008\u000b\u000c\u000e-\u001f]*$/
  return z.string().max(max).regex(printable, 'must be text that is not blank, without control characters')
}

const absoluteUri = z
  .string()
  .max(2048)
  .regex(/^[a-zA-Z][a-zA-Z0-9+.-]*:\S+$/, 'must be an absolute URI')

export const httpsUrl = z
  .string()
  .max(2048)
  .regex(/^https:\/\/[^\s/?#@]+(?:[/?#]\S*)?$/, 'must be an https URL without user information')

/** A canonical that names its version, `https://…/Questionnaire/x|1.2.0`. */
export const versionedCanonical = z
  .string()
  .max(2048)
  .regex(
    /^[a-zA-Z][a-zA-Z0-9+.-]*:[^\s|]+\|[^\s|]+$/,
    'must be a canonical URL with its version (url|version)',
  )

/** The sender's own id of a message. */
export const messageId = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 printable ASCII characters without spaces')

const code = z
  .string()
  .regex(/^\S+(?: \S+)*$/, 'must be a code without surrounding spaces')
  .max(200)

/** BCP 47, e.g. `en`, `pt-BR`, `zh-Hant-TW`. */
export const language = z
  .string()
  .max(64)
  .regex(/^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/, 'must be a BCP 47 language tag')

/** A point in time with its offset, to the second or finer; kept as written. */
export const instant = z
  .string()
  .regex(
    /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/,
    'must be a date and time with seconds and offset',
  )
  .refine(isCalendarDate, 'must be a day of the calendar')

export const date = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a date (YYYY-MM-DD)')
  .refine(isCalendarDate, 'must be a day of the calendar')

export const time = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?$/, 'must be a time (hh:mm:ss)')

export const dateOrInstant = z.union([date, instant], {
  error: 'must be a date, or a date and time with offset',
})

/** A decimal as its digits: `0.50` stays `0.50`. JSON numbers and strings of the same form are taken; 18 digits at most. */
export const decimal = decimalField(/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/, 'must be a decimal number')

/** For doses, quantities and money: above zero, no exponent. */
export const positiveDecimal = decimalField(
  /^(?=.*[1-9])(?:0|[1-9]\d*)(?:\.\d+)?$/,
  'must be a decimal number above zero, written without exponent',
)

/** For money: zero or more. */
export const amount = decimalField(/^(?:0|[1-9]\d*)(?:\.\d+)?$/, 'must be a decimal number, zero or more')

export const coding = z.strictObject({
  system: absoluteUri,
  version: text(100).optional(),
  code,
  display: text(1000).optional(),
})

/** A concept by codes, by words, or both. */
export const concept = z
  .strictObject({ coding: z.array(coding).max(20).optional(), text: text(1000).optional() })
  .refine(
    (value) => value.text !== undefined || (value.coding ?? []).length > 0,
    'must have a coding or text',
  )

export const identifier = z.strictObject({ system: absoluteUri, value: text(256) })

/** `unit` is for people; `code` is UCUM, if there is one. */
export const quantity = z.strictObject({ value: positiveDecimal, unit: text(100), code: code.optional() })

export const period = z
  .strictObject({ start: dateOrInstant.optional(), end: dateOrInstant.optional() })
  .refine((value) => value.start !== undefined || value.end !== undefined, 'must have a start or an end')
  .refine(
    ({ start, end }) => start === undefined || end === undefined || Date.parse(start) <= Date.parse(end),
    { message: 'must not end before it starts', path: ['end'] },
  )

/** For `when` of a check over several fields, so that it is made, and told, though single fields fail too. */
export function isObject(payload: { value: unknown }): boolean {
  return typeof payload.value === 'object' && payload.value !== null
}

function decimalField(form: RegExp, message: string) {
  return z
    .union([z.number(), z.string(), z.custom<{ rawJSON: string }>(isDecimal)], { error: message })
    .transform((value) => decimalText(value) ?? '')
    .pipe(z.string().regex(form, message).refine(hasFewDigits, 'must have 18 digits at the most'))
}

function hasFewDigits(value: string): boolean {
  return value.replace(/\D/g, '').length <= 18
}

function isCalendarDate(value: string): boolean {
  const day = value.slice(0, 10)
  const parsed = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(parsed) && new Date(parsed).toISOString().startsWith(day)
}

import { isDecimal } from '#core/decimal.ts'
import { narrativeFault } from './narrative.ts'

/** How a primitive type is written in JSON: https://hl7.org/fhir/R4/datatypes.html#primitive */
export interface Primitive {
  valid(value: unknown): boolean
  /** What would satisfy the rule, for people. */
  form: string
}

const year = '(?!0000)[0-9]{4}'
const month = '(?:0[1-9]|1[0-2])'
const day = '(?:0[1-9]|[12][0-9]|3[01])'
const clock = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?'
const zone = '(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))'

const datePattern = new RegExp(`^${year}(?:-${month}(?:-${day})?)?$`)
const dateTimePattern = new RegExp(`^${year}(?:-${month}(?:-${day}(?:T${clock}${zone})?)?)?$`)
const instantPattern = new RegExp(`^${year}-${month}-${day}T${clock}${zone}$`)
const timePattern = new RegExp(`^${clock}$`)
const codePattern = /^\S+(?:\s\S+)*$/
const idPattern = /^[A-Za-z0-9.-]{1,64}$/
const oidPattern = /^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$/
const uriPattern = /^\S+$/
const uuidPattern = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const base64Pattern = /^[0-9A-Za-z+/]*={0,2}$/

/** Longest string FHIR allows, in characters. */
const maxString = 1024 * 1024

const text = 'a string that is not empty, up to 1,048,576 characters, without control characters'
const uri = textual(
  isUri,
  'a URI without whitespace; after urn:uuid: a UUID in lower case, after urn:oid: an OID',
)

export const primitives: Readonly<Record<string, Primitive>> = {
  base64Binary: textual(isBase64, 'base64 (RFC 4648) in a string'),
  boolean: { valid: (value) => typeof value === 'boolean', form: 'true or false' },
  canonical: uri,
  code: textual(
    (value) => codePattern.test(value) && isText(value),
    'a code without outer or double whitespace',
  ),
  date: textual(
    (value) => datePattern.test(value) && isRealDay(value),
    'a date: YYYY, YYYY-MM or YYYY-MM-DD',
  ),
  dateTime: textual(
    (value) => dateTimePattern.test(value) && isRealDay(value),
    'a date, or a date with time, seconds and zone such as 2024-05-01T09:30:00+02:00',
  ),
  decimal: { valid: (value) => isDecimal(value) || isNumber(value), form: 'a JSON number' },
  id: textual((value) => idPattern.test(value), '1 to 64 letters, digits, hyphens or dots'),
  instant: textual(
    (value) => instantPattern.test(value) && isRealDay(value),
    'a date with time, seconds and zone such as 2024-05-01T09:30:00.000Z',
  ),
  integer: { valid: (value) => isInteger(value, -2147483648), form: 'a whole JSON number of 32 bits' },
  markdown: textual(isText, text),
  oid: textual((value) => oidPattern.test(value), 'an OID such as urn:oid:1.2.3'),
  positiveInt: { valid: (value) => isInteger(value, 1), form: 'a whole JSON number from 1 to 2,147,483,647' },
  string: textual(isText, text),
  time: textual((value) => timePattern.test(value), 'a time such as 09:30:00'),
  unsignedInt: { valid: (value) => isInteger(value, 0), form: 'a whole JSON number from 0 to 2,147,483,647' },
  uri,
  url: uri,
  uuid: textual((value) => uuidPattern.test(value), 'a UUID such as urn:uuid: and 36 lower-case characters'),
  xhtml: textual((value) => narrativeFault(value) === undefined, 'XHTML in one <div>'),
}

function textual(valid: (value: string) => boolean, form: string): Primitive {
  return { valid: (value) => typeof value === 'string' && valid(value), form }
}

/**
 * R4 lets control characters and lone surrogates pass its regular expression and says that they should not be there.
 * Here they are refused: XML, PostgreSQL and UTF-8 cannot carry them, so an EHR would not get them.
 */
function isText(value: string): boolean {
  if (value.length > maxString || !value.isWellFormed()) return false
  let blank = true
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code < 32 && code !== 9 && code !== 10 && code !== 13) return false
    if (code > 32) blank = false
  }
  return !blank
}

/** https://hl7.org/fhir/R4/datatypes.html#uri */
function isUri(value: string): boolean {
  if (!uriPattern.test(value)) return false
  if (!value.startsWith('urn:')) return true
  if (value.startsWith('urn:uuid:')) return uuidPattern.test(value.split('#')[0] ?? '')
  return !value.startsWith('urn:oid:') || oidPattern.test(value.split('#')[0] ?? '')
}

function isBase64(value: string): boolean {
  const compact = /\s/.test(value) ? value.replace(/\s+/g, '') : value
  return compact.length > 0 && compact.length % 4 === 0 && base64Pattern.test(compact)
}

function isRealDay(value: string): boolean {
  if (value.length < 10) return true
  const days = new Date(Date.UTC(Number(value.slice(0, 4)), Number(value.slice(5, 7)), 0)).getUTCDate()
  return Number(value.slice(8, 10)) <= days
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value)
}

function isInteger(value: unknown, from: number): boolean {
  return Number.isInteger(value) && Number(value) >= from && Number(value) <= 2147483647
}

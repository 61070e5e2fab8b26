import { Failure } from '#core/failure.ts'

/** The characters of MSH-1 and MSH-2 (HL7 v2.9 §2.5.4). Empty where a message declares none. */
export interface Delimiters {
  field: string
  component: string
  repetition: string
  escape: string
  subcomponent: string
  /** Since v2.7; empty in most messages. */
  truncation: string
}

export const standardDelimiters: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: '',
}

/**
 * Reads MSH-1 and MSH-2 from the start of an MSH, FHS or BHS segment. It reads what can be read, so that any message
 * can be kept and answered; `requireDelimiters` says whether it can also be trusted.
 */
export function readDelimiters(header: string): Delimiters {
  const field = header.charAt(3) || standardDelimiters.field
  const encoding = rawEncoding(header, field)
  if (encoding === '') return { ...standardDelimiters, field }
  return {
    field,
    component: encoding.charAt(0),
    repetition: encoding.charAt(1),
    escape: encoding.charAt(2),
    subcomponent: encoding.charAt(3),
    truncation: encoding.charAt(4),
  }
}

/** Throws Failure `malformed` where two delimiters are the same, missing, or could be taken for data. */
export function requireDelimiters(header: string): void {
  const field = header.charAt(3)
  const encoding = rawEncoding(header, field)
  if (encoding === '') throw refused('MSH-2 must name the delimiters')
  if (encoding.length > 5) throw refused('MSH-2 may hold five delimiters at the most')
  if (/[\p{L}\p{N}\s\p{Cc}\p{Cs}"]/u.test(field + encoding))
    throw refused('A delimiter must be a visible sign')
  if (new Set(field + encoding).size !== encoding.length + 1)
    throw refused('Delimiters must differ from each other')
}

/** MSH-2 as these delimiters spell it. */
export function encodingCharacters(delimiters: Delimiters): string {
  const { component, repetition, subcomponent, truncation } = delimiters
  return component + repetition + delimiters.escape + subcomponent + truncation
}

function rawEncoding(header: string, field: string): string {
  const end = header.indexOf(field, 4)
  return header.slice(4, end === -1 ? undefined : end)
}

function refused(text: string): Failure {
  return new Failure('malformed', [{ text, expression: 'MSH-2' }])
}

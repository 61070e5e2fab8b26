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

/** Reads MSH-1 and MSH-2 from the start of an MSH, FHS or BHS segment. Throws Failure `malformed`. */
export function readDelimiters(header: string): Delimiters {
  const field = header.charAt(3)
  const end = header.indexOf(field, 4)
  const encoding = header.slice(4, end === -1 ? undefined : end)
  const all = field + encoding
  if (field === '' || encoding === '') throw refused('MSH-1 and MSH-2 must name the delimiters', 'MSH-2')
  if (encoding.length > 5) throw refused('MSH-2 may hold five delimiters at the most', 'MSH-2')
  if (/[\p{L}\p{N}\s\p{Cc}\p{Cs}"]/u.test(all)) throw refused('A delimiter must be a visible sign', 'MSH-2')
  if (new Set(all).size !== all.length) throw refused('The delimiters must differ from each other', 'MSH-2')
  return {
    field,
    component: encoding.charAt(0),
    repetition: encoding.charAt(1),
    escape: encoding.charAt(2),
    subcomponent: encoding.charAt(3),
    truncation: encoding.charAt(4),
  }
}

/** MSH-2 as these delimiters spell it. */
export function encodingCharacters(delimiters: Delimiters): string {
  const { component, repetition, subcomponent, truncation } = delimiters
  return component + repetition + delimiters.escape + subcomponent + truncation
}

function refused(text: string, expression: string): Failure {
  return new Failure('malformed', [{ text, expression }])
}

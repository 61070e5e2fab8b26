declare global {
  /** https://tc39.es/proposal-json-parse-with-source/ (Node 24 and workerd have it, TypeScript's library not yet). */
  interface JSON {
    rawJSON(text: string): Decimal
    isRawJSON(value: unknown): value is Decimal
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown
  }
}

/** A JSON number kept as the text it was written in: `1.50` stays `1.50`. Made by `JSON.rawJSON`, frozen, not cloneable. */
export interface Decimal {
  readonly rawJSON: string
}

const decimalForm = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

export function isDecimal(value: unknown): value is Decimal {
  return JSON.isRawJSON(value)
}

/** The digits of a decimal, however it is carried (kept number, number, or text of decimal form); else undefined. */
export function decimalText(value: unknown): string | undefined {
  if (isDecimal(value)) return value.rawJSON
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  if (typeof value === 'string' && decimalForm.test(value)) return value
  return undefined
}

/** The kept number of a text of decimal form; undefined for any other text. */
export function decimalOf(text: string): Decimal | undefined {
  return decimalForm.test(text) ? JSON.rawJSON(text) : undefined
}

/**
 * The same number written without exponent, exactly: `1.50E1` is `15.0`, `1E-3` is `0.001`. For a text of decimal form.
 * Undefined where that takes more than a hundred digits.
 */
export function withoutExponent(text: string): string | undefined {
  const [, minus = '', whole = '', fraction = '', power] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  if (power === undefined) return text
  const places = fraction.length - Number(power)
  const digits = whole + fraction
  if (Math.abs(places) + digits.length > maxDigits) return undefined
  const padded = places > 0 ? digits.padStart(places + 1, '0') : digits + '0'.repeat(-places)
  const cut = padded.length - Math.max(places, 0)
  const integer = padded.slice(0, cut).replace(/^0+(?=\d)/, '')
  return minus + integer + (places > 0 ? `.${padded.slice(cut)}` : '')
}

const maxDigits = 100

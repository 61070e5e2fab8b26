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

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Failure } from '#core/failure.ts'
import { asStrings, decimalText, isDecimal, parseJson, stringifyJson } from '#formats/json.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function refusal(input: string | Uint8Array, limits?: Parameters<typeof parseJson>[1]): Failure {
  try {
    parseJson(input, limits)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('decimals', () => {
  it.each([
    '1.50',
    '0.50',
    '1.0',
    '-0',
    '1e3',
    '1E-7',
    '39732311000001104',
    '0.1234567890123456789',
    '1e400',
  ])('%s is written back as it was read', (literal) => {
    const text = `{"value":${literal},"list":[${literal},7]}`
    expect(stringifyJson(parseJson(text))).toBe(text)
    expect(stringifyJson(parseJson(bytes(text)))).toBe(text)
  })

  it('whole numbers stay numbers beside a decimal', () => {
    const value = parseJson('{"count":3,"dose":1.50}') as { count: unknown; dose: unknown }
    expect(value.count).toBe(3)
    expect(isDecimal(value.dose)).toBe(true)
    expect(decimalText(value.dose)).toBe('1.50')
    expect(decimalText(value.count)).toBe('3')
    expect(decimalText('2.20')).toBe('2.20')
    expect(decimalText('two')).toBeUndefined()
  })

  it('a mapping sees decimals as strings, and the parsed value is not changed', () => {
    const value = parseJson('{"dose":[{"value":1.50,"unit":"mg"}],"text":"1.50 \\"a\\" \\\\"}')
    expect(asStrings(value)).toEqual({ dose: [{ value: '1.50', unit: 'mg' }], text: '1.50 "a" \\' })
    expect(stringifyJson(value)).toContain('"value":1.50')
    const plain = parseJson('{"a":[1,{"b":"x"}]}')
    expect(asStrings(plain)).toBe(plain)
  })

  it('any JSON is read as JSON.parse reads it, and comes out with the same digits', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value)
        if (text.includes('__proto__')) return
        const read = parseJson(text)
        expect(stringifyJson(read)).toBe(text)
      }),
    )
  })
})

describe('what two readers would read differently is refused', () => {
  it.each([
    ['a member given twice', '{"a":1,"a":2}'],
    ['a member given twice in another spelling', '{"a":1,"\\u0061":2}'],
    ['a member given twice deep down, beside a decimal', '{"x":[{"dose":1.5,"dose":2.5}]}'],
    ['__proto__', '{"__proto__":{"admin":true}}'],
    ['__proto__ in another spelling', '{"\\u005f_proto__":1}'],
    ['half a document', '{"a":'],
    ['two documents', '{} {}'],
    ['nothing', ''],
    ['a comment', '{} // x'],
    ['NaN', '{"a":NaN}'],
    ['a number with a leading zero', '{"a":01.5}'],
    ['an unclosed string', '{"a":"b'],
  ])('%s is malformed', (_name, text) => {
    expect(refusal(text).kind).toBe('malformed')
  })

  it('bytes that are not UTF-8 are malformed', () => {
    expect(refusal(new Uint8Array([0x22, 0xff, 0x22])).kind).toBe('malformed')
  })

  it('a refusal never quotes the body', () => {
    expect(refusal('{"diagnosis": secretword}').message).not.toContain('secretword')
    expect(refusal('{"secretword":1,"secretword":2}').message).not.toContain('secretword')
  })
})

describe('limits', () => {
  it('64 levels are read, 65 are not', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    expect(parseJson(nested(64))).toBeDefined()
    expect(refusal(nested(65)).kind).toBe('malformed')
    expect(refusal('['.repeat(1_000_000)).kind).toBe('malformed')
    expect(refusal('[[[]]]', { maxDepth: 2 }).kind).toBe('malformed')
    expect(parseJson('"[[["', { maxDepth: 0 })).toBe('[[[')
  })

  it('the size counts in bytes, not characters', () => {
    expect(parseJson('"é"', { maxBytes: 4 })).toBe('é')
    expect(refusal('"é"', { maxBytes: 3 }).kind).toBe('too-large')
    expect(refusal(bytes('"é"'), { maxBytes: 3 }).kind).toBe('too-large')
  })
})

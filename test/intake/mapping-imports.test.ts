import { describe, expect, it } from 'vitest'
import { compileMapping } from '#intake/mapping-engine.ts'
import { runs, wholeMapping } from '#intake/mapping-imports.ts'

const mappings = new Map([
  [
    'order',
    '(\n  $import("amounts");\n  $import("codes");\n  { "dose": $amount("5"), "drug": $word("x") }\n)',
  ],
  [
    'amounts',
    '/* What (of it) counts */\n(\n  $import("codes");\n  $amount := function($n) { $word($n) & " mg" };\n)\n',
  ],
  ['codes', '(\n  $word := function($code) { "<" & $code & ">" };\n)'],
  ['alone', '"no block"'],
  ['lost', '(\n  $import("nowhere");\n  1\n)'],
  ['bare', '(\n  $import("alone");\n  1\n)'],
])

describe('a mapping that imports', () => {
  it('runs with the bindings of what it imports, each once, compiled as one text', async () => {
    const { text, names } = wholeMapping('order', mappings)
    expect(names).toEqual(['order', 'amounts', 'codes'])
    expect(text.match(/\$word :=/g)).toHaveLength(1)
    const whole = compileMapping('order', text)
    expect(whole.interpreted).toBeUndefined()
    expect(await whole.run({}, {})).toEqual({ dose: '<5> mg', drug: '<x>' })
  })

  it('is run by whichever flow runs it, and so is what it imports', () => {
    expect(runs({ mapping: 'order' }, 'codes', mappings)).toBe(true)
    expect(runs({ mapping: 'codes', parts: ['order'] }, 'amounts', mappings)).toBe(true)
    expect(runs({ mapping: 'codes' }, 'amounts', mappings)).toBe(false)
  })

  it.each([
    ['lost', 'lost imports nowhere, which is not here'],
    ['bare', 'bare imports alone, which is no block of bindings'],
  ])('%s is refused with the name', (name, text) => {
    expect(() => wholeMapping(name, mappings)).toThrow(text)
  })
})

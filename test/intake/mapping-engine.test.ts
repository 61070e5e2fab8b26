import { describe, expect, it } from 'vitest'
import { compileMapping } from '#intake/mapping-engine.ts'
import { GuardedRegExp } from '#intake/pattern-guard.ts'

const run = (text: string, input: unknown = {}) => compileMapping('test', text).run(input, {})

describe('what a mapping may not ask for', () => {
  it.each([
    '$eval("1")',
    '($f := $eval; $f("1"))',
    '$map(["1"], $eval)',
    '$now()',
    '$millis()',
    '$random()',
    '$shuffle([1, 2])',
  ])('%s is refused when it is compiled', (text) => {
    expect(() => compileMapping('test', text)).toThrow(/may not use/)
  })

  it.each([
    '/(a+)+$/',
    '/(a|b)*c/',
    '/(a*)*/',
    '/(?:a{1,9}){1,9}/',
    '/(a)\\1/',
    '/((a+)b){3}/',
    '/(a?){24}b/',
    `/^${'a?'.repeat(30)}b/`,
    `/^${'a{0,9}'.repeat(9)}b/`,
    `/^${'(?:a|a)'.repeat(30)}b/`,
    `/${'a*'.repeat(8)}b/`,
  ])('pattern %s, which can backtrack for ever, is refused when it is compiled', (pattern) => {
    expect(() => compileMapping('test', `$match("a", ${pattern})`)).toThrow(/pattern/)
  })

  it('tame patterns match', async () => {
    expect(await run('$match("Q12H", /^Q(\\d{1,4})([SMHDWL])$/).groups')).toEqual(['12', 'H'])
    expect(await run('$split("a, b,c", /, ?/)')).toEqual(['a', 'b', 'c'])
    expect(await run('$replace("x[1]", /[\\[\\]()+*]/, "")')).toBe('x1')
  })

  it.each([
    ['a+b', 10_000],
    ['a*a*b', 669],
    ['^a*a*a*a*a*b', 90],
    [`^${'a?'.repeat(10)}a*a*b`, 312],
  ])('what pattern %s may meet, it has met within seconds', (source, length) => {
    const pattern = new GuardedRegExp(source)
    const start = performance.now()
    expect(pattern.exec('a'.repeat(length))).toBeNull()
    expect(performance.now() - start).toBeLessThan(10_000)
    expect(() => pattern.exec('a'.repeat(length + 1))).toThrow(/too long/)
  })

  it('a long text is still split and cleaned by one repetition', () => {
    const text = 'word '.repeat(100_000)
    expect(new GuardedRegExp(/\s+/).exec(text)?.index).toBe(4)
    expect(new GuardedRegExp(/^(\w+)/).exec(text)?.[1]).toBe('word')
  })

  it('a long text does not meet a pattern of several repetitions', () => {
    const pattern = new GuardedRegExp(/a*b?a*c/g)
    expect(() => pattern.exec('a'.repeat(5000))).toThrow(/too long/)
  })

  it('a mapping that does not compile says where', () => {
    expect(() => compileMapping('test', '{ "a": ')).toThrow(/does not compile at \d+/)
  })
})

describe('a mapping that runs away is stopped', () => {
  it.each([
    ['endless recursion', '($f := function($n) { 1 + $f($n + 1) }; $f(1))'],
    ['an endless loop', '($f := function($n) { $f($n + 1) }; $f(1))'],
    ['a huge sequence', '[1..1000000]'],
    ['loops in loops', '$sum([1..9999].$sum([1..9999]))'],
    ['huge padding', '$pad("a", 1000000000)'],
  ])('%s', async (_what, text) => {
    const start = performance.now()
    await expect(run(text)).rejects.toMatchObject({ name: 'Failure' })
    expect(performance.now() - start).toBeLessThan(5000)
  })

  const doubled = (start: string, twice: string, times: number) =>
    `($f := function($v, $n) { $n = 0 ? $v : $f(${twice}, $n - 1) }; $f(${start}, ${times}))`
  const other = (text: string) => `($unused := $sum([1]); ${text})`

  it.each([
    ['an object that holds itself twice, again and again', doubled('{}', '{ "a": $v, "b": $v }', 40)],
    ['a text of such an object', `$length($string(${doubled('{ "c": 1 }', '{ "a": $v, "b": $v }', 40)}))`],
    ['a text that doubles', `$length(${doubled('"ab"', '$v & $v', 40)})`],
    ['a text that is joined with itself', `$length(${doubled('"ab"', '$join([$v, $v], "-")', 40)})`],
    [
      'a text replaced by longer ones',
      `$length(${doubled('"a"', '$replace($v, "a", $pad("a", 999, "b") & "a")', 40)})`,
    ],
    ['a text replaced by its matches', `$length(${doubled('"ab"', '$replace($v, /.+/, "$0$0")', 40)})`],
    ['one text in many places', `(${doubled('"ab"', '$v & $v', 20)}) ~> $map([1..100], function($i) { $ })`],
    ['a text that doubles, interpreted', other(doubled('"ab"', '$v & $v', 40))],
    ['such an object, interpreted', other(doubled('{ "c": 1 }', '{ "a": $v, "b": $v }', 40))],
  ])('%s', async (_what, text) => {
    const start = performance.now()
    await expect(run(text)).rejects.toMatchObject({ name: 'Failure' })
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('runs at the same time are counted each for itself', async () => {
    const mapping = compileMapping('test', '$count([1..5000].($ + 1))')
    const results = await Promise.all(Array.from({ length: 20 }, () => mapping.run({}, {})))
    expect(new Set(results)).toEqual(new Set([5000]))
  })
})

describe('what comes out', () => {
  it('a number that went through arithmetic and has a fraction is refused', async () => {
    await expect(run('{ "value": 0.1 + 0.2 }')).rejects.toThrow(/decimals are texts/)
  })

  it('a failure names code and place, never the value', async () => {
    await expect(run('$number(name)', { name: 'Jane Doe' })).rejects.toThrow(/D3030 at \d+$/)
  })

  it('absent parts and empty lists are left out', async () => {
    expect(await run('{ "a": nothing, "b": [nothing], "c": [{ "d": nothing, "e": 1 }] }')).toEqual({
      c: [{ e: 1 }],
    })
  })

  it('a function is no result', async () => {
    await expect(run('{ "a": function($x) { $x } }')).rejects.toThrow(/function/)
  })
})

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { builtins, otherBuiltins } from '#intake/mapping-builtins.ts'
import { compileMapping } from '#intake/mapping-engine.ts'

describe('what the compiler does not know', () => {
  it.each([
    ['$sum([1, 2])', 'function $sum', 3],
    ['($sum := 1; a ? 2 : $sum)', 'function $sum', 1],
    ['[3, 1, 2]^($)', 'node sort', [1, 2, 3]],
    ['[1, 2] ~> $count', 'node apply', 2],
    ['{ "a": 1 } ~> |$|{ "b": 2 }|', 'node apply', { a: 1, b: 2 }],
    ['($first := $substring(?, 0, 1); $first("ab"))', 'node partial', 'a'],
    ['**.x', 'node descendant', [1, 2]],
    ['o.x.%.y', 'parent operator', 3],
    ['{ "a": $x := 1, "b": 2 }', 'variable bound in an array or object', { a: 1, b: 2 }],
    ['[1, 2]#$i{ "k": $ }', 'group of a path with variables', { k: [1, 2] }],
    [`${'1+'.repeat(450)}1`, 'depth', undefined],
  ])('%s is left to jsonata, and the mapping says why', async (text, reason, expected) => {
    const mapping = compileMapping('test', text)
    expect(mapping.interpreted).toBe(reason)
    const result = mapping.run({ x: 1, o: { x: 2, y: 3 } }, {})
    if (expected === undefined) await expect(result).rejects.toThrow(/D1011/)
    else expect(await result).toEqual(expected)
  })

  it('is every function of jsonata that is not compiled', () => {
    const source = readFileSync(createRequire(import.meta.url).resolve('jsonata'), 'utf8')
    const names = [...source.matchAll(/(?:staticFrame|environment)\.bind\('(\w+)'/g)].map(([, name]) => name)
    expect(names.length).toBeGreaterThan(60)
    expect([...Object.keys(builtins), ...otherBuiltins, 'pad'].sort()).toEqual(names.sort())
  })

  it('does not hinder a parameter of that name', () => {
    expect(
      compileMapping('test', '$map(a, function($each, $sum) { $each & $sum })').interpreted,
    ).toBeUndefined()
  })
})

describe('the guards of a compiled mapping', () => {
  const run = (text: string, input: unknown = {}) => {
    const mapping = compileMapping('test', text)
    expect(mapping.interpreted).toBeUndefined()
    return mapping.run(input, {})
  }
  const ten = '[0,1,2,3,4,5,6,7,8,9]'

  it.each([
    ['recursion without end', '($f := function($n) { 1 + $f($n + 1) }; $f(1))', 'D1011'],
    [
      'two functions that call each other without end',
      '($f := function() { [$g()] }; $g := function() { [$f()] }; $f())',
      'D1011',
    ],
    ['a loop without end', '($f := function($n) { $f($n + 1) }; $f(1))', 'D1012'],
    [
      'loops in loops',
      `${ten}.$count(${ten}.$count(${ten}.$count(${ten}.$count(${ten}.$count(${ten}.($ = 1))))))`,
      'D1012',
    ],
    ['conditions in conditions', `${ten}[${ten}[${ten}[${ten}[${ten}[${ten}[$ = 1]]]]]]`, 'D1012'],
    ['long ranges in a loop', '$map([1..10000], function($i) { $count([1..10000]) })', 'D1012'],
    ['a long range', '[1..10001]', 'D2015'],
    ['a long sequence', 'a.a.a.a.a', 'D2015'],
    ['an array that doubles', '($f := function($a) { $f($append($a, $a)) }; $f([1]))', 'D2015'],
    ['an array of arrays', '($f := function($a) { $f([$a, $a]) }; $f([1]))', 'D2015'],
  ])('%s is stopped', async (_what, text, code) => {
    let wide: unknown = 1
    for (let level = 0; level < 5; level++) wide = { a: Array(12).fill(wide) }
    const start = performance.now()
    await expect(run(text, wide)).rejects.toThrow(code)
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('stops by the clock what takes few steps but long', async () => {
    const text = '$map([1..9999], function($i) { $replace($long, /a/, "b") })'
    const mapping = compileMapping('test', text)
    const start = performance.now()
    await expect(mapping.run({}, { long: 'a'.repeat(30_000) } as never)).rejects.toThrow('D1012')
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('looks at the clock before each pattern, as each may take long', async () => {
    const mapping = compileMapping('test', '$map([1..200], function($i) { $contains($long, /a+b/) })')
    const start = performance.now()
    await expect(mapping.run({}, { long: 'a'.repeat(10_000) } as never)).rejects.toThrow('D1012')
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('a call that ends a function does not make the stack grow', async () => {
    expect(await run('($f := function($n) { $n = 0 ? "done" : $f($n - 1) }; $f(50000))')).toBe('done')
  })

  it('width is no depth: jsonata counts what it has begun, we count what stands around', async () => {
    const members = Array.from({ length: 500 }, (_, at) => `"m${at}": a.b`).join(', ')
    expect(await run(`{ ${members} }`, { a: { b: 1 } })).toHaveProperty('m499', 1)
  })

  it('patterns meet no longer text than they may', async () => {
    await expect(run('$match(a, /a*b?a*c/)', { a: 'a'.repeat(5000) })).rejects.toThrow(/too long/)
  })

  it('a pattern that matches nothing is not matched for ever', async () => {
    await expect(run('$match("abc", /x?/)')).rejects.toThrow('D1004')
  })

  it('a given function that would answer later is refused', async () => {
    const mapping = compileMapping('test', '$later()')
    await expect(mapping.run({}, { later: async () => 1 })).rejects.toThrow(/at once/)
  })

  it('the source is not changed, not even where jsonata would', async () => {
    const input = Object.freeze({ a: [Object.freeze([])] })
    expect(await run('a.{ "x": 1 }', input)).toEqual({ x: 1 })
  })

  it('runs of one mapping do not see each other', async () => {
    const mapping = compileMapping('test', '($x := a; $f := function() { $x }; $f() & $given())')
    const results = [1, 2, 3].map((a) => mapping.run({ a }, { given: () => a }))
    expect(await Promise.all(results)).toEqual(['11', '22', '33'])
  })
})

import fc from 'fast-check'

/** Texts with what trips string handling: quotes, dollars, surrogates, separators of HL7, digits in words. */
const oddText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    'a',
    'Q12H',
    'Q2J135',
    '2ID',
    'PRN',
    '$1',
    '"',
    '\\',
    '😀b',
    '10.50',
    '-3',
    '1e3',
    '0x1f',
    'HL70162',
    '99X',
    ':',
    '08:30',
    '__proto__',
    '\u0000',
    '\ud800',
    'ä',
  ),
  fc.string({ maxLength: 8 }),
)

const leaf: fc.Arbitrary<unknown> = fc.oneof(
  oddText,
  fc.integer({ min: -3, max: 20 }),
  fc.constantFrom(true, false, null, 0.1, 2.5),
)

const names = ['a', 'b', 'c', 'items', '_1']

/** JSON of few names, so that paths meet something: objects in arrays in objects, empty ones, one item or many. */
export const anyInput: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4, depthIdentifier: 'json' }, leaf, tie('object'), tie('array')),
  array: fc.array(tie('value'), { maxLength: 3, depthIdentifier: 'json' }),
  object: fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 4, depthIdentifier: 'json' }),
})).value

/** A tree in which fields are dropped, repeated, emptied, made one of many or given odd texts. */
export function mutated(tree: unknown, dice: () => number): unknown {
  if (Array.isArray(tree)) {
    const items = tree.filter(() => dice() > 0.05).map((item) => mutated(item, dice))
    return dice() < 0.1 ? [...items, ...items] : dice() < 0.03 ? [] : items
  }
  if (typeof tree === 'object' && tree !== null) {
    const kept = Object.entries(tree).filter(() => dice() > 0.06)
    return Object.fromEntries(kept.map(([name, value]) => [name, swapped(mutated(value, dice), dice)]))
  }
  return tree
}

const oddValues = [
  '',
  'PRN',
  'Q6H',
  'QJ7',
  '😀',
  '$1',
  '10 mg',
  '.50',
  'HL7',
  '\n',
  true,
  false,
  0,
  null,
  [],
  {},
]

function swapped(value: unknown, dice: () => number): unknown {
  const chance = dice()
  if (chance < 0.03) return oddValues[Math.floor(dice() * oddValues.length)]
  if (chance < 0.05) return [value]
  if (chance < 0.06) return [value, value]
  return Array.isArray(value) && chance < 0.09 ? value[0] : value
}

/** Expressions of what mappings use; most are well typed by luck only, so many fail: then both engines have to. */
export const anyExpression: fc.Arbitrary<string> = fc.letrec<{ expression: string }>((tie) => {
  const e = tie('expression')
  const text = fc.constantFrom('"a"', '"b"', '""', '"Q12H"', '"1.50"', '"x-y"', '"$0"')
  const name = fc.constantFrom(...names, '`no such`')
  const variable = fc.constantFrom('$x', '$y', '$f', '$', '$$', '$i', '$nothing')
  const literal = fc.oneof(
    text,
    fc.constantFrom('0', '1', '2', '-1', '1.5', 'true', 'false', 'null', '[]', '{}'),
  )
  const call = (function_: string, ...parameters: fc.Arbitrary<string>[]) =>
    fc.tuple(...parameters).map((given) => `${function_}(${given.join(', ')})`)
  const lambda = fc.oneof(
    e.map((body) => `function($x) { ${body} }`),
    e.map((body) => `function($x, $i) { ${body} }`),
    e.map((body) => `function($x, $i, $y) { ($f := $x; ${body}) }`),
    e.map((body) => `function($x)<s-:s> { ${body} }`),
    fc.constantFrom('$uppercase', '$exists', '$substring', '$f', '$plus', '$string', '/[a-c]/'),
  )
  const pattern = fc.constantFrom(
    '/[a-z]/',
    '/(\\d)(\\w)?/',
    '/Q(\\d{1,4})([HD])/i',
    '"a"',
    '"-"',
    '""',
    '/x?/',
  )
  const step = fc.oneof(
    { weight: 5, arbitrary: name },
    { weight: 2, arbitrary: fc.constantFrom('*', '$', '$uppercase($)', '$f($)', '$x', '$plus($, 1)') },
    { weight: 2, arbitrary: e.map((inner) => `(${inner})`) },
    { weight: 1, arbitrary: fc.tuple(name, e).map(([key, inner]) => `{ "${key}": ${inner}, "z": $ }`) },
    { weight: 1, arbitrary: fc.tuple(e, e).map(([one, two]) => `[${one}, ${two}]`) },
  )
  const filter = fc.oneof(
    { weight: 6, arbitrary: fc.constant('') },
    { weight: 2, arbitrary: fc.constantFrom('[0]', '[-1]', '[1]', '[0.9]', '[0][0]', '[]', '[[0, 1]]') },
    { weight: 2, arbitrary: e.map((inner) => `[${inner}]`) },
    { weight: 1, arbitrary: fc.constantFrom('#$i', '@$x', '#$i[$i = 0]', '[0]#$i', '@$x#$i') },
  )
  const path = fc
    .array(fc.tuple(step, filter), { minLength: 1, maxLength: 4 })
    .map((steps) => steps.map(([one, then]) => `${one}${then}`).join('.'))
  const first = fc.oneof(
    path,
    fc.tuple(variable, filter, path).map(([at, then, rest]) => `${at}${then}.${rest}`),
  )
  const binary = fc
    .tuple(e, fc.constantFrom('=', '!=', '&', 'and', 'or', 'in', '<', '>=', '+', '-', '*', '/', '%', '..'), e)
    .map(([left, operator, right]) =>
      operator === '..' ? `[(${left})..(${right})]` : `(${left}) ${operator} (${right})`,
    )
  return {
    expression: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'expression' },
      literal,
      variable,
      first,
      binary,
      fc.tuple(e, e, e).map(([test, yes, no]) => `(${test}) ? (${yes}) : (${no})`),
      fc.tuple(e, e).map(([test, yes]) => `(${test}) ? (${yes})`),
      fc.tuple(e, e).map(([value, rest]) => `($x := ${value}; ${rest})`),
      fc.tuple(e, e, e).map(([test, value, rest]) => `((${test}) ? $y := (${value}); ${rest})`),
      fc.tuple(lambda, e).map(([value, rest]) => `($f := ${value}; ${rest})`),
      fc.array(e, { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
      fc.tuple(e, e).map(([one, two]) => `{ "a": ${one}, "b": ${two} }`),
      fc.tuple(path, name, e).map(([many, key, value]) => `${many}{ $string(${key}): ${value} }`),
      fc.tuple(e, filter).map(([value, then]) => `(${value})${/^[#@]/.test(then) ? '' : then}`),
      call('$map', e, lambda),
      call('$filter', e, lambda),
      call('$match', e, pattern),
      call('$replace', e, pattern, text),
      call('$replace', e, fc.constantFrom('/[a-z]/', '/(.)(.)/'), lambda),
      call('$split', e, pattern),
      call('$contains', e, pattern),
      call('$join', e, text),
      call('$append', e, e),
      call('$lookup', e, e),
      call('$merge', e),
      call('$substring', e, e),
      call('$substring', e, e, e),
      call('$f', e),
      call('$plus', e, e),
      fc
        .tuple(
          fc.constantFrom(
            'exists',
            'not',
            'boolean',
            'count',
            'string',
            'number',
            'type',
            'length',
            'uppercase',
            'trim',
            'floor',
            'ceil',
            'distinct',
            'reverse',
            'base64encode',
            'encodeUrlComponent',
            'lowercase',
          ),
          fc.oneof(e, fc.constant('')),
        )
        .map(([called, given]) => `$${called}(${given})`),
      fc
        .tuple(fc.constantFrom('substringBefore', 'substringAfter'), e, text)
        .map(([called, one, two]) => `$${called}(${one}, ${two})`),
    ),
  }
}).expression

import fc from 'fast-check'
import jsonata from 'jsonata'
import { describe, expect, it } from 'vitest'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Reference } from '#core/resource.ts'
import { flows } from '#flows/index.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { type CodeTable, codeTable } from '#intake/concept-map.ts'
import { compileTree } from '#intake/mapping-compile.ts'
import { type CompiledMapping, compileMapping } from '#intake/mapping-engine.ts'
import { mappingRun } from '#intake/mapping-functions.ts'
import { wholeMapping } from '#intake/mapping-imports.ts'
import { limits } from '#intake/mapping-limits.ts'
import type { SyntaxNode } from '#intake/mapping-syntax.ts'
import { GuardedRegExp } from '#intake/pattern-guard.ts'
import { fixturesOf, readFixture } from '../flows/replay.ts'
import { anyExpression, anyInput, mutated } from './mapping-random.ts'

const runs = 2000
const artifacts = readArtifacts(new URL('../../', import.meta.url).pathname)
const engines = new Map<string, CompiledMapping[]>()

const slots = [
  'subject',
  'sender',
  'requester',
  'pharmacy',
  'pharmacy-0',
  'attester',
  'recipient-0',
  'requester-rxo-0',
  'sender-0',
  'recipient-1-0',
]
const references = Object.fromEntries(slots.map((slot) => [slot, `Practitioner/${slot}` as Reference]))

const findQuestionnaire = (canonical: string) =>
  artifacts.profiles.find(
    (each) => each.resourceType === 'Questionnaire' && `${each.url}|${each.version}` === canonical,
  )

function findTable(name: string): CodeTable {
  return codeTable(name, artifacts.conceptMaps.get(name))
}

type Outcome = { value: unknown } | { code: string }

const functions = {
  plus: (one: unknown, other: unknown) =>
    typeof one === 'number' && typeof other === 'number' ? one + other : undefined,
}

const options = {
  RegexEngine: GuardedRegExp as unknown as RegExpConstructor,
  timeout: limits.timeoutMs,
  stack: limits.depth,
  sequence: limits.sequence,
}

/** What jsonata's evaluator makes of it, and what the compiled closures do; undefined where they are not compiled. */
async function bothWays(text: string, input: unknown): Promise<readonly [Outcome, Outcome] | undefined> {
  const expression = jsonata(text, options)
  const tree = expression.ast() as unknown as SyntaxNode
  const compiled = compileTree(tree)
  if ('notCompiled' in compiled) return undefined
  const expected = await outcome(() => expression.evaluate(structuredClone(input), functions))
  const actual = await outcome(() => compiled.run(structuredClone(input), functions))
  if (isNoMeasure(expected)) return undefined
  // It starts all members of an array or object at once: which of their failures is told is a race there.
  const isRace =
    'code' in expected && 'code' in actual && /"value":"[[{]"|"group":/.test(JSON.stringify(tree))
  return isRace ? [expected, expected] : [expected, actual]
}

/**
 * Where jsonata stumbles over its own feet (a TypeError, without a code) there is nothing to be like, nor where it had no
 * time on a busy machine or took width for depth.
 */
function isNoMeasure(expected: Outcome): boolean {
  return 'code' in expected && ['an error', 'D1011', 'D1012'].includes(expected.code)
}

async function outcome(evaluate: () => unknown): Promise<Outcome> {
  try {
    return { value: shown(await evaluate()) }
  } catch (cause) {
    const { code, message } = cause as { code?: string; message?: string }
    return { code: code ?? /failed with (\w\d+)/.exec(message ?? '')?.[1] ?? 'an error' }
  }
}

/** Functions are the same when they are functions. Gaps in arrays are left out, as they are in what mappings give. */
function shown(value: unknown): unknown {
  if (value === undefined) return { nothing: true }
  if (typeof value === 'number') return Object.is(value, -0) ? 0 : String(value)
  if (typeof value === 'function') return { function: true }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if ('_jsonata_lambda' in value || '_jsonata_function' in value) return { function: true }
  if (Array.isArray(value)) return value.filter((item) => item !== undefined).map(shown)
  return { object: Object.entries(value).map(([name, item]) => [name, shown(item)]) }
}

describe('a compiled expression', () => {
  it('gives what jsonata gives, or fails where it fails', async () => {
    let compared = 0
    await fc.assert(
      fc.asyncProperty(anyExpression, anyInput, async (text, input) => {
        const outcomes = await bothWays(text, input).catch((cause) => {
          // Codes in S: it does not parse.
          if (/^S/.test(cause.code)) return undefined
          throw cause
        })
        if (!outcomes) return
        compared++
        expect(outcomes[1]).toEqual(outcomes[0])
      }),
      { numRuns: runs },
    )
    expect(compared).toBeGreaterThan(runs * 0.8)
  }, 120_000)
})

const messages = flows.flatMap((flow) =>
  fixturesOf(flow.name).map((fixture) => ({ flow, fixture, body: readFixture(flow.name, fixture) })),
)

describe('a mapping of ours, compiled', () => {
  it.each([...artifacts.mappings.keys()])('%s needs nothing that is not compiled', (name) => {
    expect(compileMapping(name, wholeMapping(name, artifacts.mappings).text).interpreted).toBeUndefined()
  })

  it.each(messages)(
    'gives what jsonata gives for $fixture of $flow.name',
    async ({ flow, fixture, body }) => {
      const input = sourceOf(flow, body)
      if (input === undefined) return
      const [expected, actual] = await mappedBothWays(flow.mapping, input)
      // What only the tables can tell is refused by the mapping itself.
      if (!fixture.startsWith('bad-')) expect(expected).toHaveProperty('value')
      expect(actual).toEqual(expected)
    },
  )

  it('gives what jsonata gives for messages with parts that are dropped, repeated, emptied or odd', async () => {
    const inputs = messages.flatMap(({ flow, body }) => {
      const input = sourceOf(flow, body)
      return input === undefined ? [] : [{ mapping: flow.mapping, input }]
    })
    let mapped = 0
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...inputs),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        async ({ mapping, input }, chances) => {
          const dice = () => chances.next().value as number
          const source = mutated(input.source, dice)
          const [expected, actual] = await mappedBothWays(mapping, { ...input, source })
          if (isNoMeasure(expected)) return
          if ('value' in expected) mapped++
          expect(actual).toEqual('value' in expected ? expected : { code: expect.anything() })
        },
      ),
      { numRuns: runs / 5 },
    )
    expect(mapped).toBeGreaterThan(runs / 20)
  }, 120_000)
})

interface Input {
  source: unknown
  message: { id: string; sender: string; received: string; authorised: boolean }
}

/** What its mapping is given for a message; nothing for one that is refused before. */
function sourceOf<Source>(flow: Flow<Source>, body: Uint8Array): Input | undefined {
  try {
    const source = flow.read(body, { timeZone: 'America/Chicago' })
    const message = { id: 'm1', sender: 'a/b', received: '2026-01-05T12:00:00.000Z', authorised: true }
    return { source, message }
  } catch (cause) {
    if (cause instanceof Failure) return undefined
    throw cause
  }
}

/** With all that a run leaves behind. A block that names `$sum` is one that the compiler leaves to jsonata. */
async function mappedBothWays(name: string, input: Input): Promise<[Outcome, Outcome]> {
  const { text } = wholeMapping(name, artifacts.mappings)
  const mapping = engines.get(name) ?? [compileMapping(name, `($sum; ${text})`), compileMapping(name, text)]
  engines.set(name, mapping)
  expect(mapping.map(({ interpreted }) => interpreted)).toEqual(['function $sum', undefined])
  const [expected, actual] = mapping.map((engine) =>
    outcome(async () => {
      const run = mappingRun({
        messageId: 'm1',
        references,
        derive: (...parts) => parts.join('.'),
        findTable,
        findQuestionnaire,
      })
      const value = await engine.run(structuredClone(input), run.functions)
      const warnings = run.warnings.map(({ text, expression }) => `${text} ${expression}`).sort()
      return { value, warnings, tables: run.tables, unmapped: run.unmapped() }
    }),
  )
  return [await expected, await actual] as [Outcome, Outcome]
}

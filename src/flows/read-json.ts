import type * as z from 'zod'
import { Failure, type Issue } from '#core/failure.ts'
import { parseJson } from '#formats/json.ts'

/**
 * Body → typed source. Throws Failure `malformed` (no JSON), `too-large`, or `invalid` with one issue for every
 * problem: a path such as `recipients[0].identifier.system` and a rule, never the value.
 */
export function readJson<Schema extends z.ZodType>(schema: Schema, body: Uint8Array): z.output<Schema> {
  const result = schema.safeParse(parseJson(body), { reportInput: true })
  if (!result.success)
    throw new Failure(
      'invalid',
      result.error.issues.flatMap((issue) => issuesOf(issue)),
    )
  return result.data
}

type ZodIssue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

function issuesOf(issue: ZodIssue): Issue[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      code: 'structure',
      text: nameable(key) ? `There is no element ${key} here` : 'There is an element here that is not known',
      expression: expressionOf(nameable(key) ? [...path, key] : path),
    }))
  }
  const missing = issue.input === undefined && path.length > 0
  return [
    {
      code: missing ? 'required' : 'value',
      text: missing ? 'is required' : ruleOf(issue),
      expression: expressionOf(path),
    },
  ]
}

/** What the schema asks. The library's own words are used where they are known to hold no input. */
function ruleOf(issue: ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.startsWith('must') ? issue.message : `must be of type ${issue.expected}`
    case 'invalid_value':
      return `must be one of: ${issue.values.map(String).join(', ')}`
    case 'too_big':
      return `must be at most ${issue.maximum}${unitOf(issue.origin)}`
    case 'too_small':
      return `must be at least ${issue.minimum}${unitOf(issue.origin)}`
    case 'invalid_union':
      return issue.message.startsWith('must') ? issue.message : 'must be of a known type'
    case 'invalid_format':
    case 'custom':
      return issue.message.startsWith('must') ? issue.message : 'does not have the form that is asked'
    default:
      return 'is not as the schema asks'
  }
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters'
  return origin === 'array' ? ' items' : ''
}

/** A sender's mistake may put anything where a name belongs; only what looks like a name of ours is said back. */
function nameable(key: string): boolean {
  return /^[a-z][A-Za-z0-9]{0,39}$/.test(key)
}

function expressionOf(path: Path): string {
  return path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${String(step)}`,
    '',
  )
}

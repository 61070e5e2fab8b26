import { Failure, type Issue } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'
import { allSegments, placeOf } from '#flows/hl7v2-source.ts'
import type { SourceRepetition, SourceSegment, SourceTree } from '#formats/hl7v2/source.ts'

/** Says of a refusal where in the HL7 v2 message what it is about was read from; of other messages it changes nothing. */
export interface PlaceInMessage {
  /** Of a refusal that names a party by its slot. */
  party<T>(parties: readonly Party[], act: () => Promise<T>): Promise<T>
  /** Of a refusal that names an element of one of these, as the validator does. */
  element(resources: readonly Resource[], act: () => void): void
  /** Of a refusal to write one of these, whose type it names: the segment that asks for it, not those it holds. */
  resource<T>(resources: readonly Resource[], act: () => Promise<T>): Promise<T>
}

export function placeInMessage({ door }: Pick<Flow, 'door'>, source: unknown): PlaceInMessage {
  const placed = (cause: unknown, find: (tree: SourceTree, expression: string) => string | undefined) => {
    if (door.kind !== 'hl7v2' || !(cause instanceof Failure)) return cause
    return cause.with(cause.issues.map((issue) => placedIssue(issue, find, source as SourceTree)))
  }
  return {
    party: (parties, act) =>
      act().catch((cause) => {
        throw placed(cause, (tree, slot) => {
          const value = parties.find((party) => party.slot === slot)?.identifier.value
          return value === undefined ? undefined : fieldWith(tree, value, [value])
        })
      }),
    element(resources, act) {
      try {
        act()
      } catch (cause) {
        throw placed(cause, (tree, expression) => placeOfElement(tree, resources, expression))
      }
    },
    resource: (resources, act) =>
      act().catch((cause) => {
        throw placed(cause, (tree, type) => {
          const denied = resources.find(({ resourceType }) => resourceType === type)
          const asking = segmentsOf(tree).filter(({ _ }) => !carried.includes(_))
          const texts = textsIn(denied)
          const found = segmentLike(asking, texts) ?? segmentLike(segmentsOf(tree), texts)
          return found && placeOf(tree, found)
        })
      }),
  }
}

/** These say whom it is about and what it holds. */
const carried = ['PID', 'OBX', 'NTE']

/** The element stays in the text: who wrote the mapping looks for it there. */
function placedIssue(
  issue: Issue,
  find: (tree: SourceTree, expression: string) => string | undefined,
  source: SourceTree,
): Issue {
  const { expression: element } = issue
  const expression = element === undefined ? undefined : find(source, element)
  if (expression === undefined) return issue
  const text = element?.includes('.') ? `${issue.text} (${element})` : issue.text
  return { ...issue, text, expression }
}

/**
 * Where an element was read from: the field that holds its text, else the segment that holds most of what stands around
 * it. A code that a table translated, or an element that is missing, has no text in the message.
 */
function placeOfElement(
  tree: SourceTree,
  resources: readonly Resource[],
  expression: string,
): string | undefined {
  const [type = '', ...steps] = expression.split('.')
  const resource = resources.find(
    (each) => each.resourceType === type && (steps.length === 0 || valueAt(each, steps.slice(0, 1))),
  )
  if (!resource) return undefined
  const around = textsIn(resource)
  const [text, ...others] = textsIn(valueAt(resource, steps))
  const field = text !== undefined && others.length === 0 ? fieldWith(tree, text, around) : undefined
  if (field !== undefined) return field
  for (let depth = steps.length; depth >= 0; depth--) {
    const segment = segmentLike(segmentsOf(tree), textsIn(valueAt(resource, steps.slice(0, depth))))
    if (segment) return placeOf(tree, segment)
  }
  return undefined
}

/** `dosageInstruction[0]` of a resource, and so on; a step that says no index means the first. */
function valueAt(value: unknown, steps: readonly string[]): unknown {
  let found: unknown = value
  for (const step of steps) {
    const [, name = '', index = '0'] = /^(\w+)(?:\[(\d+)\])?$/.exec(step) ?? []
    const part = typeof found === 'object' && found !== null ? Object.entries(found) : []
    // `value[x]` is called `value` in a path, and `valueString` where it stands.
    const [, next] = part.find(([key]) => key === name) ?? part.find(([key]) => isChoiceOf(name, key)) ?? []
    found = Array.isArray(next) ? next[Number(index)] : next
  }
  return found
}

function isChoiceOf(name: string, key: string): boolean {
  return name !== '' && key.startsWith(name) && /^[A-Z]/.test(key.slice(name.length))
}

/** References are ours and stand in no message. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) =>
    ['reference', 'resourceType', 'id', 'meta', 'system'].includes(key) ? [] : textsIn(part),
  )
}

function segmentsOf(tree: SourceTree): SourceSegment[] {
  return allSegments(tree).filter(({ _, at }) => _ !== 'MSH' && at > 0)
}

/** The field that holds a text, of several the one in the segment that says most of what stands `around` it. */
function fieldWith(tree: SourceTree, text: string, around: readonly string[]): string | undefined {
  for (const holds of [isSame, isWrittenAs]) {
    const found = segmentsOf(tree).flatMap((segment) => {
      const field = fieldsOf(segment).find(({ values }) => values.some((value) => holds(value, text)))
      return field ? [{ segment, field: field.field }] : []
    })
    const best = segmentLike(
      found.map(({ segment }) => segment),
      around,
    )
    const { segment, field } = found.find((each) => each.segment === best) ?? found[0] ?? {}
    if (segment) return placeOf(tree, segment, field)
  }
  return undefined
}

/**
 * The segment in which most of these texts stand, by their length; undefined where none stands in any. Of several the
 * last: OBR says more of what is asked than the ORC before it.
 */
function segmentLike(
  segments: readonly SourceSegment[],
  texts: readonly string[],
): SourceSegment | undefined {
  const sought = new Set(texts)
  let best: SourceSegment | undefined
  let most = 0
  for (const segment of segments) {
    const held = new Set(
      fieldsOf(segment)
        .flatMap(({ values }) => values)
        .filter((value) => sought.has(value)),
    )
    const score = [...held].reduce((sum, value) => sum + value.length, 0)
    if (score > 0 && score >= most) {
      best = segment
      most = score
    }
  }
  return best
}

function fieldsOf(segment: SourceSegment): { field: number; values: string[] }[] {
  return Object.entries(segment).flatMap(([key, repetitions]) => {
    const field = Number(/^[A-Z][A-Z0-9]{2}_(\d+)$/.exec(key)?.[1])
    if (Number.isNaN(field) || !Array.isArray(repetitions)) return []
    return [{ field, values: (repetitions as SourceRepetition[]).flatMap((each) => Object.values(each)) }]
  })
}

function isSame(value: string, text: string): boolean {
  return value === text
}

/** Times and dates get their punctuation, and what they lack at the end: `2599` became `25:99:00`. */
function isWrittenAs(value: string, text: string): boolean {
  return value.length >= 4 && text.replace(/[^A-Za-z0-9]/g, '').startsWith(value.replace(/[^A-Za-z0-9]/g, ''))
}

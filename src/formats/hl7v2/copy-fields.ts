import { type Hl7v2Dialect, writtenVersions } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { PlacedCopy } from './copy.ts'
import { ours } from './rest.ts'
import type { SourceRepetition, SourceSegment } from './source.ts'

/** One field, or a whole segment: `['RXE', 3]`, `['RXR']`. */
export type Field = readonly [segment: string, field?: number]

export type Segments = Readonly<Record<string, readonly SourceSegment[]>>

export function fields(segment: string, ...numbers: readonly number[]): Field[] {
  return numbers.map((number) => [segment, number])
}

interface Claim {
  received: Segments
  /** The copied elements, written as fields once more. */
  told(): Segments
  /** The fields that an element is written in, and nothing else is. */
  shownIn(name: string): readonly Field[]
}

/**
 * Throws Failure `invalid` for a copy (ZFH) that says anything else than the fields beside it. Two truths in one message
 * would let one reader act on what another never saw: so the copied elements are written as fields once more, and must come
 * out as the fields that came. Elements that no field of the message shows are added by the copy.
 */
export function requireSameFields(copy: PlacedCopy, { received, told, shownIn }: Claim): void {
  requireForeign(copy)
  const said = saidIn(copy, told)
  for (const [segment, field] of Object.keys(copy.elements).flatMap(shownIn)) {
    if (textsOf(received[segment], segment, field) !== textsOf(said[segment], segment, field))
      throw contradiction(copy, `${segment}${field === undefined ? '' : `-${field}`}`)
  }
}

function contradiction(copy: PlacedCopy, place: string): Failure {
  return copyRefused(copy, `contradicts ${place}: send one or both alike`)
}

export function copyRefused({ place }: PlacedCopy, text: string, cause?: unknown): Failure {
  return new Failure('invalid', [{ text, expression: place }], { cause })
}

/** What a copy says in fields; `invalid` where it says what no message can. */
function saidIn<S>(copy: PlacedCopy, told: () => S): S {
  try {
    return told()
  } catch (cause) {
    throw copyRefused(copy, 'cannot be said in fields', cause)
  }
}

/** Where something came from and what was made of it is not for another system to say. */
function requireForeign(copy: PlacedCopy, sayable: readonly string[] = []): void {
  const { extension = [] } = copy.elements as { extension?: unknown }
  const urls = [extension].flat().map((each) => String((each as { url?: unknown } | null)?.url))
  if (urls.some((url) => url.startsWith(ours) && !sayable.includes(url)))
    throw copyRefused(copy, 'holds an extension that only this system may give')
}

/** As the message was written that the copy came in, as far as it shows in the fields. */
export function dialectOfCopy({ timeZone }: PlacedCopy, version: string): Hl7v2Dialect {
  const known = writtenVersions.find((each) => each === version)
  const nobody = { application: 'X', facility: '' }
  return {
    sending: nobody,
    receiving: nobody,
    rest: 'notes',
    ...(known ? { version: known } : {}),
    ...(timeZone ? { timeZone } : {}),
  }
}

/** What stands in a field of each of these segments, to be compared. */
function textsOf(segments: readonly SourceSegment[] = [], name: string, field?: number): string {
  return JSON.stringify(
    segments.map((segment) =>
      Object.entries(segment)
        .filter(([key]) => (field === undefined ? key.startsWith(`${name}_`) : key === `${name}_${field}`))
        .map(([key, repetitions]) => {
          const all = (repetitions as SourceRepetition[]).map((each) =>
            componentsOf(each, `${name}-${field}`),
          )
          return [key, all.filter((each) => each.length > 0)] as const
        })
        .filter(([, repetitions]) => repetitions.length > 0),
    ),
  )
}

/** The priority of a timing before 2.5 (TQ.6) is the order's too. */
function componentsOf(repetition: SourceRepetition, place: string): [string, string][] {
  const isTiming = place === 'RXE-1' || place === 'ORC-7'
  return Object.entries(repetition)
    .filter(([key]) => key !== '_' && !(isTiming && key === '_6'))
    .sort(([one], [other]) => (one < other ? -1 : 1))
}

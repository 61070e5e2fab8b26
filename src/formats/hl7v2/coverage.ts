import type { SourceRepetition, SourceSegment, SourceTree } from './source.ts'

/**
 * Why a place is not mapped, by `SEG`, `SEG-n` or `SEG-n.c`, or only where the segment stands under another one, by
 * `RXE/RXR` or `RXE/RXR-1`; `NK1-4[2]` speaks of all repetitions after the first: mappings/ignored/*.json. The narrower
 * place wins.
 */
export type IgnoreTable = Readonly<Record<string, string>>

/** What became of one populated field (spec I9). */
export interface FieldCoverage {
  segment: string
  /** Place of the segment in the message, from 1. */
  at: number
  field: number
  /** `mapped`: something was made from a value in it. `unknown`: nobody read it, and no rule says that this is right. */
  state: 'mapped' | 'ignored' | 'unknown'
  /** Populated components of a mapped field that nobody read and no rule speaks of: `4`, `4.2`. */
  unread?: string[]
  /** The rule by which it is ignored. */
  reason?: string
}

export interface WatchedSource<Source extends SourceTree> {
  /** Reads like the source itself, and remembers what was read. Costs too much for the hot path. */
  source: Source
  /** Coverage of every populated field, by what has been read until now. */
  coverage(ignored: IgnoreTable): FieldCoverage[]
}

/**
 * Watches which values of a message are read. To ask whether a field is there is not to read it: only its components'
 * texts count. The whole of a repetition (`_`) counts for all of it where none of its components was read.
 */
export function watchReads<Source extends SourceTree>(source: Source): WatchedSource<Source> {
  const reads = new WeakMap<object, Set<string>>()
  const proxies = new WeakMap<object, object>()
  const watch = <T extends object>(target: T): T => {
    const known = proxies.get(target)
    if (known) return known as T
    const read = new Set<string>()
    reads.set(target, read)
    const proxy = new Proxy(target, {
      get(_target, key) {
        const value: unknown = Reflect.get(target, key)
        if (typeof key === 'string') read.add(key)
        return typeof value === 'object' && value !== null ? watch(value) : value
      },
    })
    proxies.set(target, proxy)
    return proxy
  }
  return {
    source: watch(source),
    coverage: (ignored) =>
      // Place 0 is no segment of the message: a flow has put it there, in other words for what was sent.
      segmentsOf(source)
        .filter(({ segment }) => segment.at > 0)
        .flatMap(({ segment, owner }) =>
          fieldsOf(segment).map(({ field, repetitions }) => {
            const place = { segment: segment._, at: segment.at, field }
            const wasRead = (repetition: SourceRepetition) => reads.get(repetition) ?? new Set<string>()
            const covered = fieldCoverage(repetitions, wasRead, `${segment._}-${field}`, ignored)
            if (covered.state === 'mapped') return { ...place, ...covered }
            const reason = placesOf(segment._, field, owner).map((each) => ignored[each])
            return { ...place, ...ignoredBy(reason.find((each) => each !== undefined)) }
          }),
        ),
  }
}

/** How many fields each state has, for the published figure. */
export function coverageCounts(fields: readonly FieldCoverage[]): Record<FieldCoverage['state'], number> {
  const counts = { mapped: 0, ignored: 0, unknown: 0 }
  for (const { state } of fields) counts[state]++
  return counts
}

interface Placed {
  segment: SourceSegment
  /** Name of the segment it stands under. */
  owner?: string
}

/** Every segment of a tree, in the order of the message. */
function segmentsOf(tree: SourceTree): Placed[] {
  const owners = [tree.MSH, tree.PID, ...tree.orders.flatMap((order) => Object.values(order))]
  return owners
    .filter((each) => each !== undefined)
    .flatMap((segment) => withThoseUnder({ segment }))
    .sort((a, b) => a.segment.at - b.segment.at)
}

function withThoseUnder(placed: Placed): Placed[] {
  const { segment } = placed
  return [
    placed,
    ...segmentsUnder(segment).flatMap((under) => withThoseUnder({ segment: under, owner: segment._ })),
  ]
}

/** The segments that stand directly under another one. */
export function segmentsUnder(segment: SourceSegment): SourceSegment[] {
  return Object.values(segment).flatMap((value) =>
    Array.isArray(value)
      ? (value as unknown[]).filter(
          (each): each is SourceSegment => typeof each === 'object' && each !== null && 'at' in each,
        )
      : [],
  )
}

function fieldsOf(segment: SourceSegment): { field: number; repetitions: SourceRepetition[] }[] {
  const prefix = `${segment._}_`
  return Object.entries(segment)
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => ({
      field: Number(key.slice(prefix.length)),
      repetitions: value as SourceRepetition[],
    }))
}

/** Places that a rule may name, from the narrowest to the widest. */
function placesOf(segment: string, field: number, owner = ''): string[] {
  const places = [`${segment}-${field}`, segment]
  return owner === '' ? places : [...places.map((place) => `${owner}/${place}`), ...places]
}

function ignoredBy(reason: string | undefined): Pick<FieldCoverage, 'state' | 'reason'> {
  return reason === undefined ? { state: 'unknown' } : { state: 'ignored', reason }
}

function fieldCoverage(
  repetitions: readonly SourceRepetition[],
  wasRead: (repetition: SourceRepetition) => ReadonlySet<string>,
  field: string,
  ignored: IgnoreTable,
): Pick<FieldCoverage, 'state' | 'unread'> {
  const unread = new Set<string>()
  let mapped = false
  for (const repetition of repetitions) {
    const read = wasRead(repetition)
    const components = Object.keys(repetition).filter((key) => key !== '_')
    const some = components.some((key) => read.has(key))
    if (some || read.has('_')) mapped = true
    if (!some && read.has('_')) continue
    for (const key of components) if (!read.has(key)) unread.add(key.slice(1).replace('_', '.'))
  }
  if (!mapped) return { state: 'unknown' }
  const left = [...unread].filter((component) => !isIgnored(ignored, field, component))
  return left.length > 0 ? { state: 'mapped', unread: left } : { state: 'mapped' }
}

/** A rule for component 4 speaks of its sub-components too. */
function isIgnored(ignored: IgnoreTable, field: string, component: string): boolean {
  const [whole] = component.split('.')
  return `${field}.${component}` in ignored || `${field}.${whole}` in ignored
}

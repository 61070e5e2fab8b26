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
  /** Equal to the source itself; it remembers which of its texts were read. */
  source: Source
  /** Coverage of every populated field, by what has been read until now. */
  coverage(ignored: IgnoreTable): FieldCoverage[]
}

/** Names of the parts that were read, and that are there. */
type Reads = ReadonlyMap<SourceRepetition, ReadonlySet<string>>

/**
 * Watches which values of a message are read. To ask whether a field is there is not to read it: only its components'
 * texts count. The whole of a repetition (`_`) counts for all of it where none of its components was read.
 *
 * Every message taken in is watched, so only what counts is: the tree is copied with its repetitions behind proxies. What
 * a mapping does most is to walk segments and lists, and a step through a proxy costs ten times a plain one.
 */
export function watchReads<Source extends SourceTree>(source: Source): WatchedSource<Source> {
  const reads = new Map<SourceRepetition, Set<string>>()
  const handler: ProxyHandler<SourceRepetition> = {
    get(repetition, key) {
      const value: unknown = Reflect.get(repetition, key)
      // What is not there can be asked for too, and is not read by that.
      if (typeof value !== 'string' || typeof key !== 'string') return value
      const read = reads.get(repetition)
      if (read) read.add(key)
      else reads.set(repetition, new Set([key]))
      return value
    },
  }
  return {
    source: copied(source, (repetition) => new Proxy(repetition, handler)) as Source,
    coverage: (ignored) => {
      const places = placesOf(ignored)
      const found: FieldCoverage[] = []
      for (const { segment, owner } of segmentsOf(source)) {
        // Place 0 is no segment of the message: a flow has put it there, in other words for what was sent.
        if (segment.at === 0) continue
        for (const key in segment) {
          const place = places(segment._, key, owner)
          if (place) found.push(fieldCoverage(segment, place, segment[key] as SourceRepetition[], reads))
        }
      }
      return found
    },
  }
}

/** A copy of a tree in which each object of nothing but texts, as a repetition is, is put behind what is given. */
function copied(value: unknown, behind: (repetition: SourceRepetition) => object): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => copied(item, behind))
  if (isOfTexts(value)) return behind(value)
  const copy: Record<string, unknown> = { ...value }
  for (const key in copy) {
    const part = copy[key]
    if (typeof part === 'object') copy[key] = copied(part, behind)
  }
  return copy
}

function isOfTexts(value: object): value is SourceRepetition {
  for (const key in value) if (typeof (value as Record<string, unknown>)[key] !== 'string') return false
  return true
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

/** A field as an ignore table speaks of it. */
interface Place {
  field: number
  /** The narrowest rule for the whole of it. */
  reason: string | undefined
  /** Whether a component (`4`, `4.2`) is left out by a rule. */
  leavesOut(component: string): boolean
}

type FindPlace = (segment: string, key: string, owner?: string) => Place | undefined

const placesOfTable = new WeakMap<IgnoreTable, FindPlace>()
/** Names come from outside, hence the limit; the tables of v2.9 have some three thousand fields. */
const maxPlaces = 10_000

/** Every message asks for the same places: what a table says of them is looked up once, and without making their names. */
function placesOf(ignored: IgnoreTable): FindPlace {
  const known = placesOfTable.get(ignored)
  if (known) return known
  const byOwner = new Map<string, Map<string, Place | undefined>>()
  let kept = 0
  const find: FindPlace = (segment, key, owner = '') => {
    const keys = byOwner.get(owner) ?? new Map<string, Place | undefined>()
    if (keys.has(key)) return keys.get(key)
    const place = placeOf(ignored, segment, key, owner)
    if (kept < maxPlaces) byOwner.set(owner, keys.set(key, place))
    kept++
    return place
  }
  placesOfTable.set(ignored, find)
  return find
}

/** The field that `RXE_2` is in an RXE; none for what else a segment holds. */
function placeOf(ignored: IgnoreTable, segment: string, key: string, owner: string): Place | undefined {
  if (!key.startsWith(`${segment}_`)) return undefined
  const number = key.slice(segment.length + 1)
  const name = `${segment}-${number}`
  const under = owner === '' ? undefined : (ignored[`${owner}/${name}`] ?? ignored[`${owner}/${segment}`])
  return {
    field: Number(number),
    reason: under ?? ignored[name] ?? ignored[segment],
    leavesOut: (component) => isIgnored(ignored, name, component),
  }
}

function fieldCoverage(
  { _: segment, at }: SourceSegment,
  { field, reason, leavesOut }: Place,
  repetitions: readonly SourceRepetition[],
  reads: Reads,
): FieldCoverage {
  if (!repetitions.some((each) => reads.has(each))) {
    if (reason === undefined) return { segment, at, field, state: 'unknown' }
    return { segment, at, field, state: 'ignored', reason }
  }
  const unread = new Set<string>()
  for (const repetition of repetitions) {
    const read = reads.get(repetition)
    if (read?.size === 1 && read.has('_')) continue
    for (const key in repetition) {
      if (key !== '_' && !read?.has(key)) unread.add(key.slice(1).replace('_', '.'))
    }
  }
  const left = unread.size > 0 ? [...unread].filter((component) => !leavesOut(component)) : []
  return left.length > 0
    ? { segment, at, field, state: 'mapped', unread: left }
    : { segment, at, field, state: 'mapped' }
}

/** A rule for component 4 speaks of its sub-components too. */
function isIgnored(ignored: IgnoreTable, field: string, component: string): boolean {
  const [whole] = component.split('.')
  return `${field}.${component}` in ignored || `${field}.${whole}` in ignored
}

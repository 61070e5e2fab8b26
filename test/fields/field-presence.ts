import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '#core/failure.ts'
import { make } from '../flows/replay.ts'
import { ignoreTableOf, root, supportedMessages, type ThirdPartyMessage } from './corpus.ts'
import { comparable, type Facts, factsOf, nameOf, type Place, placesOf } from './fhir-facts.ts'
import { elsewhereOf, type KeptElsewhere } from './kept-elsewhere.ts'
import { type LeftOut, reasonsFor } from './left-out.ts'
import { coverageOf } from './message-coverage.ts'

/** A fact of a message that some converter's FHIR has and ours has not. */
export interface LostFact {
  kind: string
  file: string
  /** FHIR path of the fact there. */
  element: string
  /** As it is compared. */
  value: string
  /** Where the message has it, of the places that the tables map. */
  places: string[]
  /** Why it is left out, where a rule of the mapping says so of all these places (mappings/ignored). */
  rule?: string
  /** The reasons that it falls under (left-out.ts), by its first place. */
  leftOut: LeftOut[]
}

export interface Presence {
  /** Messages compared, by type. */
  compared: Map<string, number>
  /** Messages that a rule refuses: none of their facts is lost, because nobody was told that they were taken. */
  refused: { file: string; kind: string; reason: string }[]
  /** Facts required of us. */
  facts: number
  lost: LostFact[]
  /** Rows of the table that kept some fact. */
  elsewhere: Set<KeptElsewhere>
}

const sets = join(root, 'fixtures/third-party')

/** Elements into which the v2-to-FHIR tables, or what fills their gaps, map each field (write-oracle.ts). */
const mappedFields: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(
    JSON.parse(readFileSync(join(sets, 'v2-to-fhir/fields.json'), 'utf8')) as Record<string, string[]>,
  ).map(([field, elements]) => [field, [...new Set(elements.flatMap(plainElements))]]),
)

/** `Patient.contact.organization[1](Organization.contact.name)` is of two elements. */
function plainElements(element: string): string[] {
  const [outer = '', ...inner] = element.replace(/\[\d+\]/g, '').split(/[()]/)
  return [outer, ...inner].map((each) => each.replace(/^\.|\.$/g, '').trim()).filter((each) => each !== '')
}

/**
 * Compares what we make of each third-party message of a type that is taken in with the facts that its FHIR counterpart
 * and the message agree on (write-oracle.ts). A fact is a value in an element of a type of resource. It is required where
 * the tables map its field, and there where a resource or person that we make says it in the same element, or in one that
 * kept-elsewhere.ts names for it.
 */
export async function fieldPresence(): Promise<Presence> {
  const facts = allFacts()
  const presence: Presence = { compared: new Map(), refused: [], facts: 0, lost: [], elsewhere: new Set() }
  for (const message of supportedMessages()) {
    const expected = facts.get(message.file)
    if (expected) await compare(message, expected, presence)
  }
  return presence
}

async function compare(message: ThirdPartyMessage, expected: Facts, presence: Presence): Promise<void> {
  const { kind, file, text, charset } = message
  const made = await valuesMade(message).catch((cause: unknown) => {
    if (!(cause instanceof Failure)) throw cause
    presence.refused.push({ file, kind, reason: cause.message })
  })
  if (!made) return
  presence.compared.set(kind, (presence.compared.get(kind) ?? 0) + 1)
  const places = placesOf(text, charset)
  const ruleFor = await rulesOf(message)
  for (const [element, values] of Object.entries(expected)) {
    for (const value of values.map(comparable)) {
      const { asked, isAskedThere } = askedOf(element, places.get(value) ?? [])
      if (asked.length === 0) continue
      presence.facts++
      const isThere = (path: string) => made.get(path)?.has(value) ?? false
      if (isThere(element)) continue
      // Where the tables ask for it in another element than the other converter chose, theirs is the right one.
      if (!isAskedThere && asked.some((place) => isInElements(elementsOf(place), value, made))) continue
      const names = [...new Set(asked.map(nameOf))]
      const elsewhere = keptIn(kind, names, element, value, made)
      if (elsewhere) {
        presence.elsewhere.add(elsewhere)
        continue
      }
      const isKept = (place: Place) => isInElements(elementsOf(place), value, made)
      const why = whyLost(kind, asked, ruleFor, isKept)
      presence.lost.push({ kind, file, element, value, places: names, ...why })
    }
  }
}

/** Every place that is asked for must be ignored by rule, or kept in the element that the tables name for it. */
function whyLost(
  kind: string,
  asked: readonly Place[],
  ruleFor: (place: Place) => string | undefined,
  isKept: (place: Place) => boolean,
): Pick<LostFact, 'rule' | 'leftOut'> {
  const lost = asked.filter((place) => ruleFor(place) !== undefined || !isKept(place))
  const [first] = lost
  const rule = lost.every(ruleFor) && first ? ruleFor(first) : undefined
  return { ...(rule ? { rule } : {}), leftOut: first ? reasonsFor(kind, nameOf(first)) : [] }
}

/**
 * The places that a fact comes from: of those that hold its value the ones that the tables map into its element of its type
 * of resource; where there are none, into its type; else all that they map.
 */
function askedOf(element: string, places: readonly Place[]): { asked: Place[]; isAskedThere: boolean } {
  const [type = '', top = ''] = element.replace(/\(.*$/, '').split('.')
  const of = (prefix: string) =>
    places.filter((place) =>
      elementsOf(place).some((each) => isUnder(each, prefix) || (each === type && prefix !== type)),
    )
  const there = of(`${type}.${top}`)
  if (there.length > 0) return { asked: there, isAskedThere: true }
  const ofType = of(type)
  const mapped = places.filter((place) => elementsOf(place).length > 0)
  return { asked: ofType.length > 0 ? ofType : mapped, isAskedThere: false }
}

/** `Patient.address`, `Organization.contact.name`; of a reference to a whole resource, `Practitioner`. */
function elementsOf({ segment, field }: Place): readonly string[] {
  return mappedFields.get(`${segment}-${field}`) ?? []
}

function isUnder(path: string, prefix: string): boolean {
  return path === prefix || (path.startsWith(prefix) && /^[.(]/.test(path.slice(prefix.length)))
}

function isInElements(elements: readonly string[], value: string, made: Made): boolean {
  return elements.some((element) =>
    [...made].some(([path, values]) => isUnder(path, element) && values.has(value)),
  )
}

/** The row of kept-elsewhere.ts by which a fact is kept. */
function keptIn(
  kind: string,
  places: readonly string[],
  element: string,
  value: string,
  made: Made,
): KeptElsewhere | undefined {
  return places
    .flatMap((place) => elsewhereOf(kind, place, element))
    .find(({ rule, paths }) =>
      paths.some((path) => {
        const said = [...(made.get(path) ?? [])]
        return said.includes(value) || (rule.within && said.some((each) => isWithin(each, value)))
      }),
    )?.rule
}

/** Uses of names, addresses and numbers, and the sex: `PRN` becomes `home`. */
const saidInOtherCodes = new Set(
  'PID-5.7 PID-8.1 PID-8. PID-11.7 PID-13.2 PID-13.3 PID-14.2 PID-14.3'.split(' '),
)

/** Why the value of a place is left out: by the rule for its field where nobody reads it, else for its component. */
async function rulesOf(message: ThirdPartyMessage): Promise<(place: Place) => string | undefined> {
  const ignored = ignoreTableOf(message.flow.mapping)
  const coverage = new Map((await coverageOf(message)).map((each) => [`${each.at}-${each.field}`, each]))
  return ({ segment, at, field, repetition, component }) => {
    const covered = coverage.get(`${at}-${field}`)
    if (covered?.state === 'ignored') return covered.reason
    const name = `${segment}-${field}`
    const [whole] = component.split('.')
    if (saidInOtherCodes.has(`${name}.${whole}`))
      return 'Said in a code of FHIR’s own, which the goldens show'
    const further = repetition > 1 ? ignored[`${name}[2]`] : undefined
    return further ?? ignored[`${name}.${component}`] ?? ignored[`${name}.${whole}`] ?? ignored[name]
  }
}

/** By element, the values that the resources and persons made of a message have there, comparable. */
type Made = ReadonlyMap<string, ReadonlySet<string>>

async function valuesMade({ flow, body }: ThirdPartyMessage): Promise<Made> {
  const made = await make(flow, body)
  const facts = factsOf([made?.resources, made?.stubs])
  return new Map(Object.entries(facts).map(([path, values]) => [path, new Set(values.map(comparable))]))
}

/** As words of its own: `5` is not in `50`. */
function isWithin(whole: string, value: string): boolean {
  for (let at = whole.indexOf(value); at !== -1; at = whole.indexOf(value, at + 1)) {
    const before = whole.charAt(at - 1)
    const after = whole.charAt(at + value.length)
    if (!/[\p{L}\p{N}.]/u.test(before) && !/[\p{L}\p{N}]/u.test(after)) return true
  }
  return false
}

function allFacts(): Map<string, Facts> {
  const folder = join(sets, 'hl7v2')
  const found = new Map<string, Facts>()
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf-8' })) {
    if (!path.endsWith('facts.json')) continue
    const facts = JSON.parse(readFileSync(join(folder, path), 'utf8')) as Record<string, Facts>
    for (const [file, each] of Object.entries(facts)) found.set(join(dirname(path), file), each)
  }
  return found
}

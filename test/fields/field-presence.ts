import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '#core/failure.ts'
import { make } from '../flows/replay.ts'
import { ignoreTableOf, root, supportedMessages, type ThirdPartyMessage } from './corpus.ts'
import { comparable, type Facts, nameOf, type Place, placesOf } from './fhir-facts.ts'
import { coverageOf } from './hl7v2-coverage.ts'

/** A fact of a message that some converter's FHIR has and ours has not. */
export interface LostFact {
  kind: string
  file: string
  /** FHIR path of the fact there. */
  element: string
  /** Where the message has it, of the places that the tables map. */
  places: string[]
  /** Why it is left out, where a rule says so of all these places. */
  reason?: string
}

export interface Presence {
  /** Messages compared, by type. */
  compared: Map<string, number>
  /** Messages that a rule refuses: none of their facts is lost, because nobody was told that they were taken. */
  refused: { file: string; kind: string; reason: string }[]
  /** Facts required of us. */
  facts: number
  lost: LostFact[]
}

const sets = join(root, 'fixtures/third-party')

/** Fields that the v2-to-FHIR tables, or what fills their gaps, map to something (write-oracle.ts). */
const mappedFields = JSON.parse(readFileSync(join(sets, 'v2-to-fhir/fields.json'), 'utf8')) as Record<
  string,
  string[]
>

/**
 * Compares what we make of each third-party message of a type that is taken in with the facts that its FHIR counterpart
 * and the message agree on (write-oracle.ts). A fact is required where the tables map its field; it is there where any
 * resource or person that we make says it, in whatever element: elements are the goldens' business.
 */
export async function fieldPresence(): Promise<Presence> {
  const facts = allFacts()
  const presence: Presence = { compared: new Map(), refused: [], facts: 0, lost: [] }
  for (const message of supportedMessages()) {
    const expected = facts.get(message.file)
    if (expected) await compare(message, expected, presence)
  }
  return presence
}

async function compare(message: ThirdPartyMessage, expected: Facts, presence: Presence): Promise<void> {
  const { kind, file, text, charset } = message
  const said = await valuesMade(message).catch((cause: unknown) => {
    if (!(cause instanceof Failure)) throw cause
    presence.refused.push({ file, kind, reason: cause.message })
  })
  if (!said) return
  presence.compared.set(kind, (presence.compared.get(kind) ?? 0) + 1)
  const places = placesOf(text, charset)
  const reasonFor = await reasonsOf(message)
  for (const [element, values] of Object.entries(expected)) {
    for (const value of values) {
      const required = (places.get(comparable(value)) ?? []).filter(isMapped)
      if (required.length === 0) continue
      presence.facts++
      if (said.has(value)) continue
      const reasons = required.map(reasonFor)
      const reason = reasons.every((each) => each !== undefined) ? reasons[0] : undefined
      presence.lost.push({ kind, file, element, places: required.map(nameOf), ...(reason ? { reason } : {}) })
    }
  }
}

function isMapped({ segment, field }: Place): boolean {
  return `${segment}-${field}` in mappedFields
}

/** Uses of names, addresses and numbers, and the sex: `PRN` becomes `home`. */
const saidInOtherCodes = new Set(
  'PID-5.7 PID-8.1 PID-8. PID-11.7 PID-13.2 PID-13.3 PID-14.2 PID-14.3'.split(' '),
)

/** Why the value of a place is left out: by the rule for its field where nobody reads it, else for its component. */
async function reasonsOf(message: ThirdPartyMessage): Promise<(place: Place) => string | undefined> {
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

/** Everything that the resources and persons made of a message say. */
async function valuesMade({ flow, body }: ThirdPartyMessage): Promise<{ has(value: string): boolean }> {
  const made = await make(flow, body)
  const found = textsOf([made?.resources, made?.stubs]).map(comparable)
  const known = new Set(found)
  // A name may stand within a display, and a note within a longer one.
  const whole = found.join('\n')
  return { has: (value) => known.has(comparable(value)) || isWithin(whole, comparable(value)) }
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(textsOf)
  return value === undefined ? [] : [String(value)]
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

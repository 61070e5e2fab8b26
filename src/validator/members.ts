import { below, type Check, isRecord, note, noteAt, type Report } from './report.ts'

/** One property that an element may have in JSON. A choice has one for each type, all with the same stem. */
export interface Member {
  /** Property name: `valueString`. */
  json: string
  /** Name in paths: `value`. */
  stem: string
  choice: boolean
  min: number
  max: number
  list: boolean
  /** Primitives may have a `_name` beside them: https://hl7.org/fhir/R4/json.html#primitive */
  primitive: boolean
  check: Check
}

interface Options {
  isResource: boolean
  /** Check of the `_name` part of a primitive. */
  element: Check
}

/** Check of an object against its members: unknown ones, cardinality, choices, and each value. */
export function compileMembers(members: readonly Member[], options: Options): Check {
  const byJson = new Map(members.map((member) => [member.json, member]))
  const required = requirements(members)
  const defined = [
    ...new Set(members.map((member) => (member.choice ? `${member.stem}[x]` : member.stem))),
  ].join(', ')
  return (value, report) => {
    if (!isRecord(value)) {
      note(report, 'object-form', 'The value must be a JSON object with elements.')
      return
    }
    let given = 0
    let chosen: string[] | undefined
    for (const key of Object.keys(value)) {
      if (value[key] === undefined) continue
      given++
      if (options.isResource && key === 'resourceType') continue
      const isCompanion = key.charCodeAt(0) === 95
      const name = isCompanion ? key.slice(1) : key
      const member = byJson.get(name)
      if (!member || (isCompanion && !member.primitive)) noteUnknown(report, key, defined)
      else {
        if (member.choice) chosen = choose(chosen, member, report)
        if (isCompanion) checkCompanion(value, name, member, options.element, report)
        else checkMember(value, member, report)
      }
    }
    if (given === 0) {
      note(report, 'ele-1', 'An element may not be empty; give it content or leave it out (ele-1).')
      return
    }
    for (const need of required) {
      if (!need.json.some((key) => value[key] !== undefined)) noteAt(report, need.stem, 'minimum', need.text)
    }
  }
}

/** The text for an element that must be there, also used by profiles so that one lack is told once. */
export function requiredText(name: string, min: number): string {
  return min === 1 ? `${name} is required; give one.` : `${name} is required at least ${min} times.`
}

function requirements(members: readonly Member[]): { stem: string; json: string[]; text: string }[] {
  const needed = new Map<string, { stem: string; json: string[]; text: string }>()
  for (const member of members) {
    if (member.min === 0) continue
    const name = member.choice ? `${member.stem}[x]` : member.stem
    const need = needed.get(name) ?? { stem: member.stem, json: [], text: requiredText(name, member.min) }
    need.json.push(member.json)
    if (member.primitive) need.json.push(`_${member.json}`)
    needed.set(name, need)
  }
  return [...needed.values()]
}

/** Remembers which type of a choice is used; a second one is an error. */
function choose(chosen: string[] | undefined, member: Member, report: Report): string[] {
  const list = chosen ?? []
  const other = list.find((entry) => entry.startsWith(`${member.stem}|`))
  const entry = `${member.stem}|${member.json}`
  if (!other) list.push(entry)
  else if (other !== entry) {
    noteAt(report, member.stem, 'choice', `${member.stem}[x] may have a value of one type only; keep one.`)
  }
  return list
}

function checkMember(owner: Record<string, unknown>, member: Member, report: Report): void {
  const value = owner[member.json]
  if (!member.list) {
    if (Array.isArray(value))
      noteAt(report, member.stem, 'single', `${member.stem} may not repeat; give it without [ ].`)
    else below(report, member.stem, member.check, value)
    return
  }
  if (!Array.isArray(value) || value.length === 0) {
    noteAt(
      report,
      member.stem,
      'list',
      `${member.stem} may repeat; give it as a JSON array that is not empty.`,
    )
    return
  }
  if (value.length > member.max || value.length < member.min) {
    const text = `${member.stem} must appear ${member.min}..${member.max} times.`
    noteAt(report, member.stem, value.length < member.min ? 'minimum' : 'maximum', text)
  }
  const companions = member.primitive ? owner[`_${member.json}`] : undefined
  report.path.push(member.stem)
  for (const [index, item] of value.entries()) {
    // `null` stands for a repetition of a primitive that has extensions only.
    if (item === null && Array.isArray(companions) && isRecord(companions[index])) continue
    below(report, index, member.check, item)
  }
  report.path.pop()
}

function checkCompanion(
  owner: Record<string, unknown>,
  name: string,
  member: Member,
  element: Check,
  report: Report,
): void {
  const companion = owner[`_${name}`]
  if (!member.list) {
    below(report, member.stem, element, companion)
    return
  }
  const value = owner[name]
  if (!Array.isArray(companion) || companion.length === 0) {
    const text = `The extensions of ${member.stem} must be a JSON array, one item for each repetition.`
    noteAt(report, member.stem, 'extension-list', text)
    return
  }
  if (Array.isArray(value) && value.length !== companion.length) {
    noteAt(
      report,
      member.stem,
      'extension-list',
      `${member.stem} and its extensions must be arrays of the same length.`,
    )
  }
  if (companion.every((item) => item === null)) {
    noteAt(
      report,
      member.stem,
      'ele-1',
      `The extensions of ${member.stem} may not be empty; leave them out (ele-1).`,
    )
  }
  report.path.push(member.stem)
  for (const [index, item] of companion.entries()) if (item !== null) below(report, index, element, item)
  report.path.pop()
}

function noteUnknown(report: Report, key: string, defined: string): void {
  // A name in the form of an element's is repeated to be found; anything else may be data in the wrong place.
  const named = /^_?[a-z][A-Za-z]{0,39}$/.test(key)
  const text = `${named ? 'This element is' : 'A member whose name is no element name is'} not defined here; defined are: ${defined}.`
  if (named) noteAt(report, key.replace(/^_/, ''), 'unknown-element', text)
  else note(report, 'unknown-element', text)
}

import structure from './structure.json' with { type: 'json' }

/** What the standard calls things, by version: structure.json, written by generate-structure.ts. */
export interface StructureTable {
  /** Oldest first. */
  versions: string[]
  /** Entries are `2.3 Set ID - PID:SI`: name and type as they are from that version on, until the next entry. */
  segments: Record<string, { name: string; fields: string[][] }>
  types: Record<string, string[][]>
  /** Entries are `2.4 MSH SFT* PATIENT?(PID PD1?) ORDER+(ORC …)`. */
  messages: Record<string, string[]>
}

export interface Element {
  name: string
  type: string
}

const table: StructureTable = structure

export function segmentTitle(segment: string): string | undefined {
  return row(table.segments, segment)?.name
}

/**
 * A field's name and type in a version (MSH-12). What a version does not have yet is named as the first one that has it
 * does: senders use PRT in 2.5.1.
 */
export function fieldElement(version: string, segment: string, field: number): Element | undefined {
  return elementOf(row(table.segments, segment)?.fields[field - 1], version)
}

export function componentElement(version: string, type: string, component: number): Element | undefined {
  return elementOf(row(table.types, type)?.[component - 1], version)
}

/**
 * The groups of a message structure (MSH-9.3) in which a segment may stand, each from the outermost in, as
 * `ORDER/ENCODING`; `` for the message itself. Undefined for a structure that is not in the table.
 */
export function groupsOf(version: string, message: string, segment: string): string[] | undefined {
  const text = entryAt(row(table.messages, message), version)
  if (text === undefined) return undefined
  const open: string[] = []
  const found: string[] = []
  for (const [token] of text.matchAll(/\)|[\w,]+[?*+]?\(?/g)) {
    const name = token.replace(/[?*+]?\(?$/, '')
    if (token === ')') open.pop()
    else if (token.endsWith('(')) open.push(name)
    else if (name.split(',').includes(segment)) found.push(open.join('/'))
  }
  return [...new Set(found)]
}

/** Names come from messages, so `constructor` must be as unknown as any other. */
function row<T>(rows: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(rows, name) ? rows[name] : undefined
}

function elementOf(entries: readonly string[] | undefined, version: string): Element | undefined {
  const text = entryAt(entries, version)
  if (text === undefined) return undefined
  const cut = text.lastIndexOf(':')
  return { name: text.slice(0, cut), type: text.slice(cut + 1) }
}

function entryAt(entries: readonly string[] | undefined, version: string): string | undefined {
  const [first] = entries ?? []
  if (!entries || first === undefined) return undefined
  const place = placeOf(version)
  const found = entries.findLast((entry) => placeOf(entry.slice(0, entry.indexOf(' '))) <= place) ?? first
  return found.slice(found.indexOf(' ') + 1)
}

/** Versions we do not know are newer than all we know. */
function placeOf(version: string): number {
  const place = table.versions.indexOf(version)
  return place === -1 ? table.versions.length : place
}

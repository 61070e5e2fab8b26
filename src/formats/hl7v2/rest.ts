import { isDecimal } from '#core/decimal.ts'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { copySegment } from './copy.ts'
import type { Note } from './dialect.ts'
import { elementOf, type Left, restNotes, type Said } from './said.ts'

/** One thing that a resource says, in words for a person, and the element that it is about. */
export interface Idea {
  path: string
  /** Empty where there are no words for it. */
  text: string
}

/** What of a resource has no field. */
export interface Rest {
  notes: Note[]
  /** ZFH, or nothing. */
  copy: string
}

/** What is told of one resource, and what may be. */
export interface Telltale {
  resource: { resourceType: string }
  dialect: Hl7v2Dialect
  said: Said
  /** Its own notes, which go as they are. */
  texts: readonly Idea[]
  /** What else it says, in sentences. */
  ideas: readonly Idea[]
  /** Whether what stands there is not for another system, by rule. */
  isHere(path: string): boolean
  /** Whether a copy may hold elements of this name. */
  isCopied(name: string): boolean
  /** The whole elements of these names, as they travel. */
  elementsOf(names: readonly string[]): Record<string, unknown>
}

/**
 * Everything that has no field: in sentences for people, one an idea, and as whole elements for machines
 * (formats/hl7v2/copy). A partner who takes no Z-segments is told each value in notes.
 */
export function restOf(telltale: Telltale): Rest {
  const { resource, dialect, said, texts, ideas, isHere, isCopied, elementsOf } = telltale
  const left = said.rest(resource).filter(({ path }) => !isHere(path))
  const { sentences, rest } = sentencesOf(ideas, left)
  if (dialect.rest === 'notes') {
    const spoken = [
      ...texts.map(({ text }) => text),
      ...sentences.map(({ text }) => text),
      ...restNotes(rest),
    ]
    return { notes: spoken.map((text) => ({ text })), copy: '' }
  }
  const names = said.inexact(resource).filter((name) => isCopied(name) && !isHere(name))
  const elements = elementsOf(names)
  const untold = rest.filter(({ path, isTechnical }) => !isTechnical || !isIn(elements, path))
  const all = [
    ...texts,
    ...sentences,
    ...untold.map((each) => ({ ...each, text: restNotes([each]).join('') })),
  ]
  return {
    notes: all.map(({ path, text }) => ({ text, isCopied: isIn(elements, path) })),
    copy: copySegment({
      resourceType: resource.resourceType,
      elements,
      ...(dialect.timeZone ? { timeZone: dialect.timeZone } : {}),
    }),
  }
}

function isIn(elements: Record<string, unknown>, path: string): boolean {
  return elementOf(path) in elements
}

/** A sentence for each idea of which something is left; what belongs to none stays. */
function sentencesOf(ideas: readonly Idea[], left: readonly Left[]): { sentences: Idea[]; rest: Left[] } {
  const sentences: Idea[] = []
  let rest = [...left]
  for (const idea of ideas) {
    const own = rest.filter(({ path }) => isWithin(path, idea.path))
    if (idea.text === '' || own.every(({ isTechnical }) => isTechnical)) continue
    sentences.push(idea)
    rest = rest.filter((each) => !own.includes(each) || each.isTechnical)
  }
  return { sentences, rest }
}

function isWithin(path: string, whole: string): boolean {
  return path === whole || (path.startsWith(whole) && /^[.[]/.test(path.slice(whole.length)))
}

/** Extensions of ours: they say where something came from and what was made of it here. */
export const ours = 'https://postern.health/fhir/StructureDefinition/'

/** Those of these names that are there, without references to what stays here. */
export function presentElements(
  whole: Readonly<Record<string, unknown>>,
  names: Iterable<string>,
): Record<string, unknown> {
  const entries = [...new Set(names)].map((name) => [name, withoutForeign(whole[name])] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

/** References to what stays here mean nothing elsewhere. Undefined where nothing is left. */
function withoutForeign(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || isDecimal(value)) return value
  if (Array.isArray(value)) {
    const items = value.map(withoutForeign).filter((each) => each !== undefined)
    return items.length > 0 ? items : undefined
  }
  const entries = Object.entries(value)
    .filter(([key, each]) => key !== 'reference' || String(each).startsWith('#'))
    .map(([key, each]) => [key, withoutForeign(each)] as const)
    .filter(([, each]) => each !== undefined)
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}

import { explainMessage } from '#formats/hl7v2/explain.ts'
import { readMessage } from '#formats/hl7v2/message.ts'

/** What FHIR resources say in names, identifiers, codes, quantities, dates and text, by path without indexes. */
export type Facts = Record<string, string[]>

/** Elements that say how a resource is stored or where it points, not what was told; `use` is a code of FHIR's own. */
const plumbing = new Set(
  'id fullUrl resourceType reference url meta request div lastModified profile use'.split(' '),
)

const coreExtension = /^http:\/\/hl7\.org\/fhir\/StructureDefinition\//

/** Every fact of a bundle or resource, each once for its path; an extension is named by its URL. */
export function factsOf(value: unknown, path = '', found: Facts = {}): Facts {
  if (Array.isArray(value)) {
    for (const each of value) factsOf(each, path, found)
    return found
  }
  const number = isRaw(value) ? value.rawJSON : value
  if (typeof number === 'object' && number !== null) {
    factsInside(number, path, found)
    return found
  }
  if (typeof number !== 'string' && typeof number !== 'number') return found
  const text = String(number)
  // One character (`M`, `1`) stands in any message in places that mean something else.
  if (text.length < 2) return found
  const list = found[path] ?? []
  found[path] = list
  if (!list.includes(text)) list.push(text)
  return found
}

function factsInside(value: object, path: string, found: Facts): void {
  const { resourceType, url } = value as { resourceType?: string; url?: string }
  const isExtension = path.endsWith('.extension') && url !== undefined
  const at = resourceType ?? (isExtension ? `${path}(${url.replace(coreExtension, '')})` : path)
  for (const [key, inner] of Object.entries(value)) {
    if (plumbing.has(key)) continue
    factsOf(inner, at === '' ? key : `${at}.${key}`, found)
  }
}

/** A decimal that keeps its digits (formats/json). */
function isRaw(value: unknown): value is { rawJSON: string } {
  return typeof value === 'object' && value !== null && 'rawJSON' in value
}

/** A value as it is compared: whatever case, spaces, separators of dates and trailing zeros it is written with. */
export function comparable(text: string): string {
  const trimmed = text.trim().replace(/\s+/g, ' ')
  const date =
    /^(\d{4})-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)?$/.exec(trimmed)
  if (date) return timeOf(date.slice(1).join(''))
  if (/^\d{8}(?:\d\d){0,3}(?:\.\d+)?(?:[+-]\d{4})?$/.test(trimmed))
    return timeOf(trimmed.replace(/[.+-].*$/, ''))
  if (/^[+-]?(?:0|[1-9]\d{0,14})(?:\.\d*)?$/.test(trimmed)) return String(Number(trimmed))
  return trimmed.toLowerCase()
}

/** To the minute, and midnight is no time: converters pad with it. */
function timeOf(digits: string): string {
  return digits.slice(0, 12).replace(/^(\d{8})0000$/, '$1')
}

/** A value's place in a message. */
export interface Place {
  segment: string
  /** Place of the segment in the message, from 1. */
  at: number
  field: number
  /** From 1. */
  repetition: number
  /** `1`, `1.2`; empty for the whole of a repetition. */
  component: string
}

export function nameOf({ segment, field, component }: Place): string {
  return `${segment}-${field}${component === '' ? '' : `.${component}`}`
}

/** Each value of a message, comparable, with the places where it stands. */
export function placesOf(text: string, charset: string): Map<string, Place[]> {
  const found = new Map<string, Place[]>()
  const add = (value: string, place: Place) => {
    const key = comparable(value)
    found.set(key, [...(found.get(key) ?? []), place])
  }
  for (const { segment, at, fields } of explainMessage(readMessage(text, charset))) {
    for (const { field, repetition, text: whole, components } of fields) {
      add(whole, { segment, at, field, repetition, component: '' })
      for (const { component, text: part } of components)
        add(part, { segment, at, field, repetition, component })
    }
  }
  return found
}

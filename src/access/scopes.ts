import type { Interaction, Role } from '#core/caller.ts'
import { letterOf, lettersOf } from './roles.ts'

/** A SMART v2 scope: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources */
export interface Scope {
  context: 'patient' | 'user' | 'system'
  /** A resource type or `*`. */
  type: string
  /** Of `cruds`, in this order. */
  letters: string
  /** Search parameters that narrow the scope, as written. */
  query?: string
}

const grammar =
  /^(patient|user|system)\/([A-Z][A-Za-z]{1,63}|\*)\.(c?r?u?d?s?|read|write|\*)(?:\?([^\s?#]{1,256}))?$/
const version1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' }
const maxScopes = 200
const maxCached = 10_000
const parsed = new Map<string, Scope | undefined>()

/** Undefined for everything outside of the grammar: letters out of order, unknown contexts, unknown forms. */
export function parseScope(text: string): Scope | undefined {
  if (parsed.has(text)) return parsed.get(text)
  const scope = read(text)
  // Requested scopes are anybody's text: the cache must not grow with them.
  if (parsed.size >= maxCached) parsed.clear()
  if (text.length <= 400) parsed.set(text, scope)
  return scope
}

function read(text: string): Scope | undefined {
  const match = grammar.exec(text)
  if (!match) return undefined
  const [, context, type = '', permissions = '', query] = match
  const letters = version1[permissions] ?? permissions
  if (letters === '') return undefined
  const isVersion1 = permissions in version1
  if (query !== undefined && (isVersion1 || !/^[^=&]+=[^=&]+(?:&[^=&]+=[^=&]+)*$/.test(query)))
    return undefined
  return { context: context as Scope['context'], type, letters, ...(query !== undefined ? { query } : {}) }
}

/** The scopes of a space-separated list (RFC 6749 §3.3); undefined when one of them is not understood. */
export function parseScopes(list: string): string[] | undefined {
  const texts = [...new Set(list.split(' ').filter((text) => text !== ''))]
  if (texts.length > maxScopes || !texts.every((text) => parseScope(text))) return undefined
  return texts
}

/**
 * Whether any of the scopes allows the interaction on the type. A scope with a query does not: it allows a part that
 * is not worked out yet, and too little is the safe side.
 */
export function covers(scopes: readonly string[], type: string, interaction: Interaction): boolean {
  const letter = letterOf(interaction)
  return scopes.some((text) => {
    const scope = parseScope(text)
    if (!scope || scope.query !== undefined) return false
    return (scope.type === '*' || scope.type === type) && scope.letters.includes(letter)
  })
}

/** What was asked for, as far as it is registered, one canonical scope a type (ACC8). */
export function intersect(requested: readonly string[], registered: readonly string[]): string[] {
  const granted = new Map<string, Set<string>>()
  for (const want of plain(requested)) {
    for (const have of plain(registered)) {
      if (want.context !== have.context) continue
      if (want.type !== have.type && want.type !== '*' && have.type !== '*') continue
      const key = `${want.context}/${want.type === '*' ? have.type : want.type}`
      const letters = granted.get(key) ?? new Set()
      for (const letter of want.letters) if (have.letters.includes(letter)) letters.add(letter)
      if (letters.size > 0) granted.set(key, letters)
    }
  }
  return [...granted]
    .map(([key, letters]) => `${key}.${[...'cruds'].filter((l) => letters.has(l)).join('')}`)
    .sort()
}

/** Everything a role may do, as scopes of a context. */
export function scopesOfRole(role: Role, context: Scope['context']): string[] {
  return [...lettersOf(role)].map(([type, letters]) => `${context}/${type}.${letters}`)
}

function plain(scopes: readonly string[]): Scope[] {
  return scopes.flatMap((text) => {
    const scope = parseScope(text)
    return scope && scope.query === undefined ? [scope] : []
  })
}

import { letterOf, someRoleMay } from '#access/roles.ts'
import type { Act } from '#core/act.ts'
import type { Interaction } from '#core/caller.ts'
import { carriedTypes, definitionTypes } from '#core/unstored.ts'
import { searchParameters } from '#store/search-parameters.ts'
import type { Call, Interact } from './call.ts'
import { conditionalDelete, conditionalUpdate } from './conditional.ts'
import { create } from './create.ts'
import { deleteResource } from './delete.ts'
import { everything, requireEverything } from './everything.ts'
import { history, requireHistory, typeHistory } from './history.ts'
import { conditionalPatch, patch } from './patch/patch.ts'
import { read } from './read.ts'
import { requireSearch, searchByGet, searchByPost } from './search/search.ts'
import { sign } from './signing/sign.ts'
import { signable } from './signing/signable.ts'
import { viewed } from './signing/viewed.ts'
import { subscriptionEvents, subscriptionState } from './subscription/status.ts'
import { translateQuery } from './translation/asked.ts'
import { requireTranslate, translate } from './translation/translate.ts'
import { update } from './update.ts'
import { validate } from './validate.ts'
import { vread } from './vread.ts'

/** A segment of a path: a literal, or a slot. */
export type Segment =
  | '[type]'
  | '[id]'
  | '[version]'
  | '_history'
  | '_search'
  | '$validate'
  | '$everything'
  | '$translate'
  | '$status'
  | '$events'
  | '$signable'
  | '$sign'
  | '$viewed'

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: readonly Segment[]
  /** What access is asked for, what the audit tells, and what the CapabilityStatement lists. */
  kind: Interaction
  /** What the audit tells instead, where the interaction is not all of it. */
  act?: Act['kind']
  interact: Interact
  /** Throws what is wrong in how it is asked, before it is done: a transaction must know that ahead (reads only). */
  requireAsked?(call: Call): void | Promise<void>
  /** An operation, and its definition. */
  operation?: { name: string; definition: string }
  /** What the operation takes in the address. */
  query?: readonly string[]
  /** Where it is served; every type where not given. */
  types?: readonly string[]
  /** Asked about what is sent along: served for types too of which nothing is stored. */
  ofSent?: true
  /** Any of these lets in, where `kind` alone would shut out who may well ask. */
  gates?: readonly Interaction[]
}

const definitions = 'http://hl7.org/fhir/OperationDefinition'
const ours = 'https://postern.health/fhir/OperationDefinition'
const validation = {
  kind: 'read',
  interact: validate,
  operation: { name: 'validate', definition: `${definitions}/Resource-validate` },
} as const

const notifying = { kind: 'read', types: ['Subscription'] } as const
const backport = 'http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription'
const statusOperation = { name: 'status', definition: `${backport}-status` }
const eventsOperation = { name: 'events', definition: `${backport}-events` }

/** All of the server: https://hl7.org/fhir/R4/http.html#summary. What is not here is not served. */
export const routes: readonly Route[] = [
  { method: 'GET', path: ['[type]', '[id]'], kind: 'read', interact: read },
  { method: 'GET', path: ['[type]', '[id]', '_history', '[version]'], kind: 'vread', interact: vread },
  {
    method: 'GET',
    path: ['[type]', '[id]', '_history'],
    kind: 'history',
    interact: history,
    requireAsked: requireHistory,
  },
  {
    method: 'GET',
    path: ['[type]', '_history'],
    kind: 'history',
    interact: typeHistory,
    requireAsked: requireHistory,
  },
  { method: 'GET', path: ['[type]'], kind: 'search', interact: searchByGet, requireAsked: requireSearch },
  {
    method: 'POST',
    path: ['[type]', '_search'],
    kind: 'search',
    interact: searchByPost,
    requireAsked: requireSearch,
  },
  { method: 'POST', path: ['[type]'], kind: 'create', interact: create },
  { method: 'PUT', path: ['[type]', '[id]'], kind: 'update', interact: update },
  { method: 'PUT', path: ['[type]'], kind: 'update', interact: (call) => conditionalUpdate(call) },
  { method: 'PATCH', path: ['[type]', '[id]'], kind: 'update', interact: patch },
  { method: 'PATCH', path: ['[type]'], kind: 'update', interact: conditionalPatch },
  { method: 'DELETE', path: ['[type]'], kind: 'delete', interact: conditionalDelete },
  {
    method: 'POST',
    path: ['[type]', '$validate'],
    ...validation,
    ofSent: true,
    gates: ['read', 'create', 'update'],
  },
  { method: 'POST', path: ['[type]', '[id]', '$validate'], ...validation },
  {
    method: 'GET',
    path: ['[type]', '[id]', '$everything'],
    kind: 'read',
    interact: everything,
    requireAsked: requireEverything,
    operation: { name: 'everything', definition: `${definitions}/Patient-everything` },
    types: ['Patient'],
  },
  ...(['GET', 'POST'] as const).flatMap((method): Route[] => [
    {
      ...notifying,
      method,
      path: ['[type]', '[id]', '$status'],
      interact: subscriptionState,
      operation: statusOperation,
    },
    {
      ...notifying,
      method,
      path: ['[type]', '[id]', '$events'],
      interact: subscriptionEvents,
      operation: eventsOperation,
    },
  ]),
  ...([['[type]'], ['[type]', '[id]']] as const).flatMap((place) =>
    (['GET', 'POST'] as const).map(
      (method): Route => ({
        method,
        path: [...place, '$translate'],
        kind: 'read',
        interact: translate,
        requireAsked: requireTranslate,
        operation: { name: 'translate', definition: `${definitions}/ConceptMap-translate` },
        query: method === 'GET' ? translateQuery : [],
        types: ['ConceptMap'],
      }),
    ),
  ),
  {
    method: 'GET',
    path: ['[type]', '[id]', '$signable'],
    kind: 'read',
    gates: ['update'],
    interact: signable,
    operation: { name: 'signable', definition: `${ours}/MedicationRequest-signable` },
    types: ['MedicationRequest'],
  },
  {
    method: 'POST',
    path: ['[type]', '[id]', '$sign'],
    kind: 'update',
    act: 'sign',
    interact: sign,
    operation: { name: 'sign', definition: `${ours}/MedicationRequest-sign` },
    types: ['MedicationRequest'],
  },
  {
    method: 'POST',
    path: ['[type]', '$viewed'],
    kind: 'read',
    act: 'view',
    interact: viewed,
    operation: { name: 'viewed', definition: `${ours}/Communication-viewed` },
    types: ['Communication'],
  },
  { method: 'DELETE', path: ['[type]', '[id]'], kind: 'delete', interact: deleteResource },
]

/** Types of which something is stored, or made of what the gateway works by. */
const keptTypes = Object.keys(searchParameters)

export const servedTypes: readonly string[] = [...keptTypes, ...carriedTypes]

/** The audit log is written by what happens, here or at a registered source (J25); definitions with a release or a push. */
const narrower: Readonly<Record<string, readonly Interaction[]>> = {
  AuditEvent: ['read', 'search', 'create'],
  ...Object.fromEntries(definitionTypes.map((type) => [type, ['read', 'search'] as const])),
  ...Object.fromEntries(carriedTypes.map((type) => [type, []])),
}

/** The routes of a type that at least one role may take: what /metadata and /openapi.json tell of. */
export function offeredRoutes(type: string): Route[] {
  return routes.filter(
    (route) =>
      isServed(type, route) &&
      (route.gates ?? [route.kind]).some((kind) => someRoleMay(type, letterOf(kind))),
  )
}

/** What is told of as an interaction: what is served, and what at least one role may do. */
export function isOffered(type: string, kind: Interaction): boolean {
  return takes(type, kind) && someRoleMay(type, letterOf(kind))
}

export function isServed(type: string, { kind, types, ofSent }: Route): boolean {
  return (types?.includes(type) ?? true) && (ofSent || takes(type, kind))
}

function takes(type: string, kind: Interaction): boolean {
  return narrower[type]?.includes(kind) ?? true
}

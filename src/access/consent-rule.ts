import type { Reference } from '#core/resource.ts'
import { type Interval, intervalOfDate, intervalOfPeriod } from './interval.ts'

/** A Consent as far as it decides: read once, asked often. */
export interface ConsentRule {
  /** `Consent/id` */
  reference: Reference
  /** Active and about privacy; others are as if absent. */
  inForce: boolean
  period: Interval
  /** `dateTime` as milliseconds since the epoch; undated is older than anything. */
  dated: number
  /** Absent when it cannot be executed safely, which counts as a refusal of everything. */
  root?: Provision
}

/** One level of https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision; absent lists constrain nothing. */
export interface Provision {
  permits: boolean
  period: Interval
  purposes?: readonly string[]
  actors?: readonly Actor[]
  /** Codes of http://terminology.hl7.org/CodeSystem/consentaction. */
  actions?: readonly string[]
  dataPeriod?: Interval
  data?: readonly { meaning: string; reference: Reference }[]
  /** `system|code` */
  labels?: readonly string[]
  classes?: readonly string[]
  codes?: readonly string[]
  exceptions: readonly Provision[]
}

export interface Actor {
  reference: Reference
  /** Named as somebody who receives, not as author or custodian. */
  receives: boolean
}

/** PCF forbids a third level of provisions: https://profiles.ihe.net/ITI/PCF/ */
const maxDepth = 2
const maxItems = 500

/** Relations that can be told from the datum itself; of other types only `instance` and `dependents` can. */
const containers = ['Encounter', 'EpisodeOfCare', 'CarePlan']
const meanings = ['instance', 'related', 'dependents', 'authoredby']
const recipientRoles = ['IRCP', 'PRCP']
/** What a consent may name data by. */
export const labelSystems: readonly string[] = [
  'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  'http://terminology.hl7.org/CodeSystem/v3-ActCode',
]

/** Thrown inside of this file only: something in the provision cannot be understood. */
class NotComputable extends Error {}

/**
 * Reads any Consent. Only what has an explicit `type` at every level and nothing that cannot be understood is
 * executed; the base rule of the R4 specification's own examples (policyRule and provisions without type) would be
 * guesswork, and a guess may turn a refusal into a permit.
 */
export function readConsent(consent: unknown): ConsentRule {
  const record = object(consent) ?? {}
  const provision = object(record.provision)
  const rule = {
    reference: `Consent/${typeof record.id === 'string' ? record.id : ''}` as const,
    inForce: record.status === 'active' && hasCode(object(record.scope), 'patient-privacy'),
    period: intervalOfPeriod(provision?.period) ?? { from: -Infinity, to: Infinity },
    dated: intervalOfDate(record.dateTime)?.from ?? Number.NEGATIVE_INFINITY,
  }
  try {
    return { ...rule, root: readProvision(record.provision, 1) }
  } catch (cause) {
    if (cause instanceof NotComputable) return rule
    throw cause
  }
}

export function isComputable(rule: ConsentRule): boolean {
  return rule.root !== undefined
}

function readProvision(value: unknown, depth: number): Provision {
  const record = object(value)
  if (!record || depth > maxDepth) throw new NotComputable()
  const { type } = record
  if (type !== 'permit' && type !== 'deny') throw new NotComputable()
  if (record.modifierExtension !== undefined) throw new NotComputable()
  return {
    permits: type === 'permit',
    period: required(intervalOfPeriod(record.period)),
    purposes: list(record.purpose, (item) => text(object(item)?.code)),
    actors: list(record.actor, readActor),
    actions: list(record.action, (item) => codesOf(item))?.flat(),
    dataPeriod: record.dataPeriod === undefined ? undefined : required(intervalOfPeriod(record.dataPeriod)),
    data: list(record.data, (item) => readData(item, type)),
    labels: list(record.securityLabel, readLabel),
    classes: list(record.class, (item) => readCoding(item)),
    codes: list(record.code, (item) => codesOf(item))?.flat(),
    exceptions: list(record.provision, (item) => readProvision(item, depth + 1)) ?? [],
  }
}

function readActor(item: unknown): Actor {
  const actor = object(item)
  const roles = (array(object(actor?.role)?.coding) ?? []).map((coding) => object(coding)?.code)
  return {
    reference: readReference(actor?.reference),
    receives: roles.length === 0 || roles.some((role) => recipientRoles.includes(String(role))),
  }
}

function readData(item: unknown, type: 'permit' | 'deny'): { meaning: string; reference: Reference } {
  const data = object(item)
  const meaning = text(data?.meaning)
  const reference = readReference(data?.reference)
  if (!meanings.includes(meaning)) throw new NotComputable()
  // What an Encounter relates to points at it. What anything else refers to is not known here: too much to permit
  // is only withheld, but too little to refuse would be shown.
  const isContainer = containers.some((container) => reference.startsWith(`${container}/`))
  if (meaning === 'related' && type === 'deny' && !isContainer) throw new NotComputable()
  return { meaning, reference }
}

function readLabel(item: unknown): string {
  const label = object(item)
  if (!labelSystems.includes(text(label?.system))) throw new NotComputable()
  return `${label?.system}|${text(label?.code)}`
}

function readCoding(item: unknown): string {
  const coding = object(item)
  return `${text(coding?.system)}|${text(coding?.code)}`
}

/** Codings of a CodeableConcept as `system|code`; text alone cannot be compared. */
function codesOf(item: unknown): string[] {
  const codings = array(object(item)?.coding)
  if (!codings || codings.length === 0) throw new NotComputable()
  return codings.map(readCoding)
}

function readReference(item: unknown): Reference {
  const reference = object(item)?.reference
  if (typeof reference !== 'string' || !/^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/.test(reference)) {
    throw new NotComputable()
  }
  return reference as Reference
}

function hasCode(concept: Record<string, unknown> | undefined, code: string): boolean {
  return (array(concept?.coding) ?? []).some((coding) => object(coding)?.code === code)
}

function list<T>(value: unknown, read: (item: unknown) => T): T[] | undefined {
  if (value === undefined) return undefined
  const items = array(value)
  if (!items || items.length === 0 || items.length > maxItems) throw new NotComputable()
  return items.map(read)
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new NotComputable()
  return value
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new NotComputable()
  return value
}

function array(value: unknown): unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

function object(value: unknown): Record<string, unknown> | undefined {
  const isRecord = value !== null && typeof value === 'object' && !Array.isArray(value)
  return isRecord ? (value as Record<string, unknown>) : undefined
}

import type { CareTeam, Consent, Group, Patient, PractitionerRole } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import type { Criterion, Cursor } from '#core/query.ts'
import { type Reference, type Resource, referenceTo } from '#core/resource.ts'
import { type ConsentRule, readConsent } from './consent-rule.ts'
import { holds, type Interval, intervalOfPeriod } from './interval.ts'
import { createLoadingCache } from './loading-cache.ts'
import { partiesOf, referencesAt, referencesOf } from './parties.ts'
import { mergeLinks, recordsOfPerson } from './same-person.ts'

/** What decides about a patient's data, besides the data: consents and the people of the care. */
export interface PatientContext {
  consents: readonly ConsentRule[]
  /** The person's records, this one first (access/same-person). */
  records: readonly Reference[]
  /** Consents of each of the other records: what they refuse is refused here too, what they permit is theirs alone. */
  others: readonly (readonly ConsentRule[])[]
  /** General practitioners, managing organization, and the active care teams' people, while they are in it. */
  parties: readonly Membership[]
  /** Members of the care teams, by team. */
  teams: readonly Body[]
  /** The same with the care teams of the other records and the groups that consents name: as whom consents name a caller. */
  bodies: readonly Body[]
}

export interface Body {
  reference: Reference
  members: readonly Membership[]
}

export interface Membership {
  reference: Reference
  period: Interval
}

/** Who a patient has to do with through messages, orders and tasks. */
export interface Dealings {
  parties: ReadonlySet<Reference>
  /** Organizations that dispense, by orders that may be shown to them. */
  dispensers: ReadonlySet<Reference>
}

interface DealingSets {
  parties: Set<Reference>
  dispensers: Set<Reference>
}

export interface PatientContexts {
  context(patient: Reference): Promise<PatientContext>
  /** Practitioners and PractitionerRoles that work for an organization. */
  members(organization: Reference): Promise<readonly Membership[]>
  dealings(patient: Reference): Promise<Dealings>
}

const maxPatients = 10_000
const maxOrganizations = 1_000
const pageSize = 200
/** More than 10,000 rows about one patient or organization: refused rather than decided on a part of them. */
const maxPages = 50
const maxDealings = 1_000

/** Cached, and dropped with the commit that changes it: effective on the very next request (CON4). */
export function createPatientContexts(store: Store): PatientContexts {
  // Whose context was made of whose records: a consent of one is dropped from all.
  const dependents = new Map<Reference, Set<Reference>>()
  const contexts = createLoadingCache(async (patient: Reference) => {
    const records = await recordsOfPerson(store, patient)
    const references = records.map(referenceTo)
    for (const record of references) {
      if (record === patient) continue
      dependents.set(record, (dependents.get(record) ?? new Set<Reference>()).add(patient))
    }
    return loadContext(store, patient, records)
  }, maxPatients)
  const contextsOfPerson = {
    drop(patient: Reference) {
      for (const each of [patient, ...(dependents.get(patient) ?? [])]) contexts.drop(each)
      dependents.delete(patient)
    },
    clear() {
      contexts.clear()
      dependents.clear()
    },
  }
  const members = createLoadingCache(
    (organization: Reference) => loadMembers(store, organization),
    maxOrganizations,
  )
  const dealings = createLoadingCache((patient: Reference) => loadDealings(store, patient), maxPatients)

  function forget(write: ResourceWrite) {
    const { resourceType } = write.resource
    if (resourceType === 'Group') contextsOfPerson.clear()
    else if (resourceType === 'PractitionerRole') dropEach(write, organizationsOf, members)
    else if (patientTypes.has(resourceType)) dropEach(write, patientsOf, contextsOfPerson)
    else if (dealingTypes.has(resourceType)) extend(write)
  }

  /** A new message only adds people, and messages are many: the set grows instead of being read again. */
  function extend(write: ResourceWrite) {
    const patient = patientOf(write.resource)
    const known = patient && dealings.peek(patient)
    if (known && write.version === 1) addDealings(known, write.resource)
    else dropEach(write, patientsOf, dealings)
  }

  store.onChangeElsewhere?.(() => {
    for (const cache of [contextsOfPerson, members, dealings]) cache.clear()
  })
  store.onCommit((unit) => {
    for (const write of unit.writes ?? []) forget(write)
  })
  return { context: contexts.get, members: members.get, dealings: dealings.get }
}

const patientTypes: ReadonlySet<string> = new Set(['Patient', 'Consent', 'CareTeam'])
const dealingTypes: ReadonlySet<string> = new Set([
  'Communication',
  'QuestionnaireResponse',
  'MedicationRequest',
  'MedicationDispense',
  'Task',
])

/** Drops what the old and the new version are about; everything, where the old version is not told. */
function dropEach(
  { resource, previous, version, deleted }: ResourceWrite,
  keysOf: (resource: Resource) => Reference[],
  cache: { drop(key: Reference): void; clear(): void },
) {
  const isWhole = version === 1 || previous !== undefined
  if (!isWhole) return cache.clear()
  const keys = [...(deleted ? [] : keysOf(resource)), ...(previous ? keysOf(previous) : [])]
  for (const key of keys) cache.drop(key)
}

function patientsOf(resource: Resource): Reference[] {
  const patient = patientOf(resource)
  if (!patient) return []
  return resource.resourceType === 'Patient' ? [patient, ...mergeLinks(resource)] : [patient]
}

function organizationsOf(resource: Resource): Reference[] {
  return referencesAt(resource, 'organization')
}

async function loadContext(
  store: Store,
  patient: Reference,
  records: readonly Patient[],
): Promise<PatientContext> {
  const own = records.find((record) => referenceTo(record) === patient)
  const others = records.filter((record) => record !== own).map(referenceTo)
  const [rules, ...rulesOfOthers] = await Promise.all(
    [patient, ...others].map((each) => loadConsents(store, each)),
  )
  const teams = await loadTeams(store, patient)
  const teamsOfOthers = await Promise.all(others.map((each) => loadTeams(store, each)))
  const direct = own ? partiesOf(own) : []
  const consents = rules ?? []
  return {
    consents,
    records: [patient, ...others],
    others: rulesOfOthers,
    parties: [
      ...direct.map((reference) => ({ reference, period: forever })),
      ...teams.flatMap((team) => team.members),
    ],
    teams,
    bodies: [
      ...teams,
      ...teamsOfOthers.flat(),
      ...(await loadGroups(store, [consents, ...rulesOfOthers].flat())),
    ],
  }
}

async function loadConsents(store: Store, patient: Reference): Promise<ConsentRule[]> {
  return (await searchAll<Consent>(store, 'Consent', 'patient', patient)).map(readConsent)
}

async function loadTeams(store: Store, patient: Reference) {
  const teams = await searchAll<CareTeam>(store, 'CareTeam', 'patient', patient)
  const active = teams.filter((team) => team.status === 'active')
  return active.map((team) => ({ reference: referenceTo(team), members: membersOfTeam(team) }))
}

const forever: Interval = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }

function membersOfTeam({ period, participant, managingOrganization }: CareTeam): Membership[] {
  const inForce = intervalOfPeriod(period)
  if (!inForce) return []
  const managing = referencesOf(managingOrganization ?? [])
  return [
    ...managing.map((reference) => ({ reference, period: inForce })),
    ...(participant ?? []).flatMap((item) => {
      const own = intervalOfPeriod(item.period)
      if (!own) return []
      const both = { from: Math.max(own.from, inForce.from), to: Math.min(own.to, inForce.to) }
      return referencesOf(item.member ?? [], item.onBehalfOf ?? []).map((reference) => ({
        reference,
        period: both,
      }))
    }),
  ]
}

async function loadGroups(store: Store, rules: readonly ConsentRule[]) {
  const named = rules.flatMap(({ root }) => [
    ...(root?.actors ?? []),
    ...(root?.exceptions.flatMap((exception) => exception.actors ?? []) ?? []),
  ])
  const groups = [...new Set(named.map((actor) => actor.reference))].filter((name) =>
    name.startsWith('Group/'),
  )
  return Promise.all(
    groups.map(async (reference) => {
      const stored = await store.read('Group', reference.slice('Group/'.length))
      const group = stored && !stored.deleted ? (JSON.parse(stored.json) as Group) : undefined
      return { reference, members: group ? membersOfGroup(group) : [] }
    }),
  )
}

function membersOfGroup({ active, member }: Group): Membership[] {
  if (active === false) return []
  return (member ?? []).flatMap((item) => {
    const period = intervalOfPeriod(item.period)
    if (item.inactive || !period) return []
    return referencesOf(item.entity).map((reference) => ({ reference, period }))
  })
}

async function loadMembers(store: Store, organization: Reference): Promise<readonly Membership[]> {
  const roles = await searchAll<PractitionerRole>(store, 'PractitionerRole', 'organization', organization)
  return roles.flatMap((role) => {
    const period = intervalOfPeriod(role.period)
    if (role.active === false || !period) return []
    const references = [referenceTo(role), ...referencesOf(role.practitioner ?? [])]
    return references.map((reference) => ({ reference, period }))
  })
}

/** Of the newest only, where there are very many: to know fewer of them shows less. */
async function loadDealings(store: Store, patient: Reference): Promise<DealingSets> {
  const dealings: DealingSets = { parties: new Set(), dispensers: new Set() }
  for (const type of dealingTypes) {
    const criteria: Criterion[] = [{ kind: 'token', param: 'patient', values: [patient] }]
    const sort = { param: '_lastUpdated', descending: true }
    for (const row of await store.search({ type, criteria, sort, limit: maxDealings })) {
      if (!row.stored.deleted) addDealings(dealings, JSON.parse(row.stored.json))
    }
  }
  return dealings
}

function addDealings({ parties, dispensers }: DealingSets, resource: Resource) {
  if (makesParties(resource)) for (const party of partiesOf(resource)) parties.add(party)
  for (const dispenser of dispensersOf(resource)) dispensers.add(dispenser)
}

/**
 * Drafts, proposals and Tasks may be handed in about anybody by anybody who may hand in such things: a relation that
 * they claim is a claim and no more.
 */
function makesParties(resource: Resource): boolean {
  if (resource.resourceType === 'Task') return false
  if (resource.resourceType !== 'MedicationRequest') return true
  const { status, intent } = resource
  return (
    !['draft', 'cancelled', 'entered-in-error'].includes(status) && !['proposal', 'plan'].includes(intent)
  )
}

/** The organization an order names to dispense it: none while it is a draft or a proposal, or only reported (R9). */
export function dispensersOf(resource: Resource): Reference[] {
  if (resource.resourceType !== 'MedicationRequest') return []
  const { status, intent, reportedBoolean, reportedReference } = resource
  if (status === 'draft' || status === 'entered-in-error' || reportedBoolean || reportedReference) return []
  if (intent === 'proposal' || intent === 'plan') return []
  return referencesAt(resource, 'dispenseRequest.performer')
}

async function searchAll<R extends Resource>(
  store: Store,
  type: string,
  param: string,
  value: Reference,
): Promise<R[]> {
  const found: R[] = []
  let after: Cursor | undefined
  for (let page = 0; page < maxPages; page++) {
    const rows = await store.search({
      type,
      criteria: [{ kind: 'token', param, values: [value] }],
      limit: pageSize,
      after,
    })
    for (const row of rows) if (!row.stored.deleted) found.push(JSON.parse(row.stored.json))
    if (rows.length < pageSize) return found
    after = rows.at(-1)?.cursor
  }
  throw new Failure('too-costly', `More ${type} resources than can be decided upon`)
}

export function current(memberships: readonly Membership[], now: number): Reference[] {
  return memberships.filter(({ period }) => holds(period, now)).map(({ reference }) => reference)
}

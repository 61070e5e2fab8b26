import type { Dosage, Identifier, MedicationRequest, Organization, Patient, Practitioner } from 'fhir/r4'
import { writtenDosageRules } from '#care/dosage.ts'
import type { DosageStructure, PrescribedItem } from '#care/prescribed-item.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Attestation, CareRule, Flow, Party } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'
import { type MessageBundle, readMessageBundle } from './message-bundle.ts'

/** Items of one prescription: the NHS's EPS takes as many. */
const maxItems = 4

/** An order of the message: its references told as identifiers, so that they mean the same without the Bundle. */
interface Item {
  order: MedicationRequest
  place: string
}

interface OrderMessage {
  id: string
  items: readonly Item[]
  patient: Patient
  prescriber: Practitioner
  /** Where it is to be dispensed, as far as it is said. */
  pharmacy?: Organization
  /** When the prescriber signed; FHIR instant. */
  signed?: string
}

/**
 * A prescription order as a FHIR message, in the form of the NHS's EPS: one to four MedicationRequests of one
 * prescription with those they name, and the Provenance of the signature. Each becomes a MedicationRequest of ours with
 * all that it says; the signature (XML) is noted and not checked.
 */
export const prescriptionMessage: Flow<OrderMessage> = {
  name: 'prescription-message',
  title: 'Prescription order (FHIR message)',
  door: { kind: 'message', event: 'prescription-order' },
  read: (body) => readOrders(readMessageBundle(body)),
  messageId: (source) => source.id,
  primary: 'MedicationRequest',
  parties: partiesOf,
  rules: [eachItem],
  attestation: attestationOf,
  mapping: 'prescription-message',
  profiles: { MedicationRequest: 'https://postern.health/fhir/StructureDefinition/Prescription' },
  receivers: [
    { role: 'ehr', types: ['MedicationRequest'] },
    { role: 'pharmacy', types: ['MedicationRequest', 'Task'] },
  ],
}

function readOrders(message: MessageBundle): OrderMessage {
  const { entries } = message
  const find = (reference: string | undefined) =>
    entries.find(({ fullUrl }) => fullUrl === reference)?.resource
  const orders = entries.filter(({ resource }) => resource.resourceType === 'MedicationRequest')
  const items = orders.map(({ resource, place }) => ({ order: resource as MedicationRequest, place }))
  const [first] = items
  const role = find(first?.order.requester?.reference)
  const prescriber = role?.resourceType === 'PractitionerRole' ? find(role.practitioner?.reference) : role
  const patient = find(first?.order.subject?.reference)
  if (!first || items.length > maxItems)
    throw wrong('Bundle', `must hold 1 to ${maxItems} MedicationRequests`)
  if (patient?.resourceType !== 'Patient' || !patient.identifier?.[0]?.value)
    throw wrong(`${first.place}.subject`, 'must be a Patient of the message with an identifier')
  if (prescriber?.resourceType !== 'Practitioner' || !prescriber.identifier?.[0]?.value)
    throw wrong(`${first.place}.requester`, 'must lead to a Practitioner of the message with an identifier')
  requireOnePrescription(items)
  const provenance = entries.find(({ resource }) => resource.resourceType === 'Provenance')?.resource
  const signed = provenance?.resourceType === 'Provenance' ? provenance.signature?.[0]?.when : undefined
  const pharmacy = pharmacyOf(first.order, find)
  return {
    id: message.id,
    items: items.map(({ order, place }) => ({ order: withIdentifiers(order, place, find), place })),
    patient: withIdentifiers(patient, 'Patient', find),
    prescriber,
    ...(pharmacy ? { pharmacy } : {}),
    ...(signed ? { signed } : {}),
  }
}

/** What every item of one prescription has in common. */
function requireOnePrescription(items: readonly Item[]): void {
  const shared = {
    subject: ({ subject }: MedicationRequest) => subject?.reference,
    requester: ({ requester }: MedicationRequest) => requester?.reference,
    groupIdentifier: ({ groupIdentifier }: MedicationRequest) => groupIdentifier?.value,
    'dispenseRequest.performer': ({ dispenseRequest }: MedicationRequest) =>
      dispenseRequest?.performer?.reference ?? dispenseRequest?.performer?.identifier?.value,
  }
  const issues = Object.entries(shared).flatMap(([name, read]): Issue[] => {
    const other = items.find(({ order }) => read(order) !== read(items[0]?.order ?? order))
    const text = 'must be the same in all items of one prescription'
    return other ? [{ code: 'business-rule', text, expression: `${other.place}.${name}` }] : []
  })
  if (issues.length > 0) throw new Failure('invalid', issues)
}

type Find = (reference: string | undefined) => Resource | undefined

function pharmacyOf({ dispenseRequest }: MedicationRequest, find: Find): Organization | undefined {
  const { performer } = dispenseRequest ?? {}
  const found = find(performer?.reference)
  if (found?.resourceType === 'Organization') return found
  if (!performer?.identifier?.value) return undefined
  const name = performer.display ? { name: performer.display } : {}
  return { resourceType: 'Organization', identifier: [performer.identifier], ...name }
}

/** A reference into the Bundle means nothing outside of it: it becomes the identifier of what it meant. */
function withIdentifiers<T>(value: T, place: string, find: Find): T {
  if (Array.isArray(value)) return value.map((item) => withIdentifiers(item, place, find)) as T
  if (typeof value !== 'object' || value === null) return value
  const { reference, ...rest } = value as { reference?: unknown; display?: string }
  if (typeof reference !== 'string' || !reference.startsWith('urn:')) {
    const parts = Object.entries(value).map(([name, item]) => [name, withIdentifiers(item, place, find)])
    return Object.fromEntries(parts) as T
  }
  const meant = find(reference) as (Resource & { identifier?: Identifier | Identifier[] }) | undefined
  const [identifier] = [meant?.identifier ?? []].flat()
  if (!meant || !identifier) throw wrong(place, 'refers to an entry without an identifier')
  return { ...rest, type: meant.resourceType, identifier } as T
}

function wrong(expression: string, text: string): Failure {
  return new Failure('invalid', [{ code: 'invalid', text, expression }])
}

function partiesOf({ patient, prescriber, pharmacy }: OrderMessage): Party[] {
  return [
    partyOf('subject', patient),
    partyOf('requester', prescriber),
    ...(pharmacy ? [partyOf('pharmacy', pharmacy)] : []),
  ]
}

function partyOf(slot: string, resource: Patient | Practitioner | Organization): Party {
  const { id: _id, meta: _meta, text: _text, ...stub } = resource
  const [identifier] = resource.identifier ?? []
  const known = { system: identifier?.system ?? '', value: identifier?.value ?? '' }
  return { slot, type: resource.resourceType, identifier: known, stub: stub as Resource }
}

/** Signed by who requests; by what number the signature can be looked up says the prescription. */
function attestationOf({ items, signed }: OrderMessage): Attestation | undefined {
  if (!signed) return undefined
  const { system, value } = items[0]?.order.groupIdentifier ?? {}
  const reference = system && value ? { reference: { system, value } } : {}
  return { by: 'requester', at: signed, method: 'digital-signature', ...reference }
}

function eachItem(source: OrderMessage, ...rest: [Parameters<CareRule<OrderMessage>>[1]]) {
  const warnings = source.items.flatMap(({ order, place }) =>
    writtenDosageRules.flatMap((rule) => {
      const verdict = within(place, () => rule(itemOf(order), ...rest))
      const found = verdict.keep ? (verdict.warnings ?? []) : []
      return found.map((issue) => ({ ...issue, expression: placed(place, issue) }))
    }),
  )
  return { keep: true as const, warnings }
}

function within<T>(place: string, judge: () => T): T {
  try {
    return judge()
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    const issues = cause.issues.map((issue) => ({ ...issue, expression: placed(place, issue) }))
    throw new Failure(cause.kind, issues, { cause })
  }
}

function placed(place: string, { expression = '' }: Issue): string {
  const named = expression
    .replace(/^dosage\b/, 'dosageInstruction')
    .replace(/^repeats$/, 'dispenseRequest.numberOfRepeatsAllowed')
  return `${place}.${named}`
}

function itemOf({ dosageInstruction = [], dispenseRequest }: MedicationRequest): PrescribedItem {
  return {
    repeats: dispenseRequest?.numberOfRepeatsAllowed ?? 0,
    dosage: dosageInstruction.map((dosage) => ({ text: dosage.text ?? '', structure: structureOf(dosage) })),
  }
}

/** Numbers are texts here, and whole ones are numbers: the rules read texts. */
function structureOf({
  doseAndRate,
  timing,
  asNeededBoolean,
  asNeededCodeableConcept,
}: Dosage): DosageStructure {
  const { value, unit, code } = doseAndRate?.[0]?.doseQuantity ?? {}
  const dose = value === undefined ? {} : { dose: { value: String(value), unit: unit ?? '', code } }
  const { frequency, frequencyMax, period, periodUnit, timeOfDay, when } = timing?.repeat ?? {}
  const repeat = { frequency, frequencyMax, periodUnit, timesOfDay: timeOfDay, when }
  const timed = timing
    ? { timing: { ...repeat, period: period === undefined ? undefined : String(period) } }
    : {}
  return { ...dose, ...timed, asNeeded: asNeededBoolean ?? asNeededCodeableConcept }
}

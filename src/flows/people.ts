import * as z from 'zod'
import type { Party } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'
import { coding, date, identifier, text } from './fields.ts'

/** Persons, organizations and devices as the JSON messages name them: by identifier, with what a stub needs. */

const humanName = z
  .strictObject({
    text: text(500).optional(),
    family: text(200).optional(),
    given: z.array(text(200)).min(1).max(10).optional(),
    prefix: z.array(text(50)).min(1).max(5).optional(),
    suffix: z.array(text(50)).min(1).max(5).optional(),
  })
  .refine((name) => name.text !== undefined || name.family !== undefined || name.given !== undefined, {
    message: 'must have text, family or given',
  })

const telecom = z.strictObject({
  system: z.enum(['phone', 'fax', 'email', 'pager', 'url', 'sms', 'other']),
  value: text(250),
  use: z.enum(['home', 'work', 'temp', 'old', 'mobile']).optional(),
})

const address = z.strictObject({
  line: z.array(text(200)).min(1).max(5).optional(),
  city: text(100).optional(),
  district: text(100).optional(),
  state: text(100).optional(),
  postalCode: text(30).optional(),
  country: text(60).optional(),
})

const contact = { telecom: z.array(telecom).min(1).max(10).optional() }

export const patient = z.strictObject({
  type: z.literal('Patient').default('Patient'),
  identifier,
  name: humanName.optional(),
  gender: z.enum(['male', 'female', 'other', 'unknown']).optional(),
  birthDate: date.optional(),
  address: z.array(address).min(1).max(5).optional(),
  ...contact,
})

export const practitioner = z.strictObject({
  type: z.literal('Practitioner').default('Practitioner'),
  identifier,
  name: humanName.optional(),
  ...contact,
})

export const organization = z.strictObject({
  type: z.literal('Organization').default('Organization'),
  identifier,
  name: text(250).optional(),
  address: z.array(address).min(1).max(5).optional(),
  ...contact,
})

const relatedPerson = z.strictObject({
  type: z.literal('RelatedPerson'),
  identifier,
  name: humanName.optional(),
  /** Relationship to the patient, v3-RoleCode or the like. */
  relationship: coding.optional(),
  ...contact,
})

const device = z.strictObject({ type: z.literal('Device'), identifier, name: text(250).optional() })

/** Anybody who can send or receive a message. Here the type must be said. */
export const participant = z.discriminatedUnion('type', [
  patient.extend({ type: z.literal('Patient') }),
  practitioner.extend({ type: z.literal('Practitioner') }),
  organization.extend({ type: z.literal('Organization') }),
  relatedPerson,
  device,
])

export type Participant = z.output<typeof participant>

/**
 * A participant as a party of a flow, with the resource to create when nobody is known by that identifier. A
 * RelatedPerson's stub names the patient by identifier: the reference is the resolver's to set.
 */
export function partyOf(slot: string, who: Participant, about?: Participant): Party {
  const stub = stubOf(about && isSame(who, about) ? ({ ...about, ...who } as Participant) : who, about)
  return { slot, type: who.type, identifier: who.identifier, stub: stub as Resource }
}

/** The patient who writes is told of in full once, as the patient. */
function isSame(one: Participant, other: Participant): boolean {
  return (
    one.type === other.type &&
    one.identifier.system === other.identifier.system &&
    one.identifier.value === other.identifier.value
  )
}

function stubOf(who: Participant, about: Participant | undefined): object {
  const { type: resourceType, identifier } = who
  const base = { resourceType, identifier: [identifier] }
  if (who.type === 'Device') {
    return { ...base, ...(who.name ? { deviceName: [{ name: who.name, type: 'user-friendly-name' }] } : {}) }
  }
  const { type: _type, identifier: _identifier, name, ...rest } = who
  if (who.type === 'Organization') return { ...base, ...(name ? { name } : {}), ...rest }
  const person = { ...base, ...(name ? { name: [name] } : {}), ...rest }
  if (who.type !== 'RelatedPerson') return person
  const { relationship } = who
  return {
    ...person,
    ...(relationship ? { relationship: [{ coding: [relationship] }] } : {}),
    patient: { type: 'Patient', identifier: about?.identifier },
  }
}

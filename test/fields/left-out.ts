import type { LostFact } from './field-presence.ts'
import { isOf } from './kept-elsewhere.ts'

/** Why facts are left out: each falls under exactly one of these. */
export interface LeftOut {
  reason: string
  /** Messages, as they begin; all where absent. */
  messages?: string
  /** Fields that the reason is for. */
  fields: string
}

/** Aim at fifteen: what a clinician reads in two minutes. */
export const leftOut: readonly LeftOut[] = [
  {
    reason:
      'Visits (data minimisation): where in the hospital somebody lay, when, why and under whom tells more than the message does, and whoever is written to is found without it. A visit that a message belongs to can be told as an Encounter over FHIR; an order names it by its number.',
    fields: 'PV1 PV2',
  },
  {
    reason:
      'How the message travelled: systems and the kinds of their ids, software, who typed it. The sender is known by its registration, and the message is kept as it came.',
    fields: 'MSH SFT EVN PID-3.4.3',
  },
  {
    reason:
      'What orders, appointments, referrals and documents repeat of the patient (data minimisation): they need to say who is meant, and ADT tells the rest.',
    messages: 'OMP ORM RDE RDS SIU REF MDM',
    fields:
      'PID-2 PID-4 PID-6 PID-9 PID-10 PID-15 PID-16 PID-19 PID-20 PID-21 PID-22 PID-23 PID-26 PID-27 PID-35 PID-36 PID-39 PID-40 PD1 NK1',
  },
  {
    reason:
      'Clinical record in registration, scheduling and dispensing messages (data minimisation): diagnoses, allergies, findings, procedures and who had which part in them. What a message is about comes in a message of its own.',
    messages: 'ADT SIU RDS',
    fields: 'AL1 DG1 OBX PR1 ROL-9 ROL-13 ROL-14',
  },
  {
    reason:
      'Payment (data minimisation): accounts, charges, and of insurance all that no pharmacy needs to know whom to ask.',
    fields: 'PID-18 IN1 FT1',
  },
  {
    reason:
      'The order, repeated by a request to renew it. It stands here as it was signed, and only its prescriber changes it.',
    messages: 'RDE^O25',
    fields: 'ORC RXO RXE RXC RXR TQ1 OBX PRT',
  },
  {
    reason: 'The order, repeated by a dispense, which changes no order.',
    messages: 'RDS',
    fields: 'ORC RXO RXE RXR TQ1',
  },
  {
    reason: 'The order that a document answers, and headings of its parts: a message is about the patient.',
    messages: 'MDM',
    fields: 'ORC OBR OBX-3',
  },
  {
    reason:
      'Devices, places and people beside an order, a dispense or a referral: R4 has no participants there. Who takes part in an order is named with the role.',
    messages: 'RDE^O11 RDS REF',
    fields: 'PRT',
  },
  {
    reason: 'How, where and by whom something was found or done: what it is, and what came of it, is kept.',
    messages: 'RDE^O11 REF',
    fields: 'AL1 DG1 OBR OBX PR1 ORC-19',
  },
  {
    reason:
      'Numbers of other people (data minimisation): the mother’s, and those that an employer or state gave a contact.',
    messages: 'ADT',
    fields: 'PID-21 NK1-12 NK1-33 NK1-37',
  },
  {
    reason: 'Of animals: patients here are people.',
    messages: 'ADT',
    fields: 'PID-35 PID-36',
  },
  {
    reason: 'What FHIR R4 has no place for: veteran status and a second name or address of a contact.',
    messages: 'ADT',
    fields: 'PID-27 NK1-4 NK1-30 NK1-32',
  },
  {
    reason:
      'For the scheduling system’s own work: kinds of equipment, the length that start and end say, who typed the appointment.',
    messages: 'SIU',
    fields: 'AIG-4 SCH-9 SCH-20',
  },
  {
    reason:
      'Words beside what is kept: the address of a place that is named, the code of a unit, the name of a role that is read.',
    messages: 'ADT RDE^O11 RDS',
    fields: 'RXD-31 RXC-4 ROL-3',
  },
]

/** The reasons that a fact falls under. */
export function reasonsFor(kind: string, place: string): LeftOut[] {
  return leftOut.filter(
    ({ messages, fields }) =>
      (!messages || messages.split(' ').some((each) => kind.startsWith(each))) &&
      fields.split(' ').some((each) => isOf(place, each)),
  )
}

/** The table of docs/hl7v2.md. */
export function leftOutTable(lost: readonly LostFact[], all: number): string {
  const rows = leftOut.map((each) => {
    const facts = lost.filter(({ leftOut: [first] }) => first === each)
    return [each.reason, each.messages ?? 'all', each.fields.replaceAll(' ', ', '), String(facts.length)]
  })
  const total = [`Of ${all} facts that others find, left out`, '', '', String(lost.length)]
  const head = ['why', 'messages', 'fields', 'facts']
  return [head, head.map(() => '---'), ...rows, total].map((row) => `| ${row.join(' | ')} |\n`).join('')
}

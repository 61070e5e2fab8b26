import type { CareRule, Flow } from '#core/flow.ts'
import { appointment } from './appointment.ts'
import { requireEach } from './hl7v2-needs.ts'
import { type Hl7v2Source, readSource, segmentsNamed } from './hl7v2-source.ts'

/**
 * SIU^S23 and S24: times of a schedule are blocked or free again, with no appointment and nobody's (HL7 v2.5.1 §10.4.12,
 * §10.4.13). No schedule is kept here: they are understood, counted and told to the log, and nothing is made of them, so
 * that a feed of SIU need not be sorted before it is sent. Who sends one is told so.
 */
export const scheduleBlock: Flow<Hl7v2Source> = {
  name: 'schedule-block',
  title: 'Blocked times of a schedule (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['SIU^S23', 'SIU^S24'] },
  read: readSource,
  messageId: (source) => source.controlId,
  primary: 'Task',
  parties: () => [],
  rules: [hasItsSchedule, isNotKept],
  notKept: 'Blocked times of a schedule are understood, and not kept here',
  mapping: appointment.mapping,
  profiles: {},
  receivers: [],
}

function hasItsSchedule({ MSH }: Hl7v2Source): ReturnType<CareRule<Hl7v2Source>> {
  requireEach([[segmentsNamed(MSH, 'SCH').length > 0, 'SCH', 'What is blocked or free again is required']])
  return { keep: true }
}

function isNotKept({ trigger }: Hl7v2Source): ReturnType<CareRule<Hl7v2Source>> {
  return { keep: false, counter: trigger === 'S23' ? 'schedule-blocked' : 'schedule-unblocked' }
}

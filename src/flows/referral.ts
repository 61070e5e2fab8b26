import type { CareRule, EarlierLink, Flow, Party, ReadContext } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { patientNeed, requireEach } from './hl7v2-needs.ts'
import { patientParty, providerParty } from './hl7v2-people.ts'
import { allSegments, fieldOf, type Hl7v2Source, readSource, segmentsNamed } from './hl7v2-source.ts'
import { reviseMessage } from './message-revision.ts'
import { reviseReferral } from './referral-revision.ts'

/** The message as its tree, and its parts wherever a segment before them put them. */
export interface Referral extends Hl7v2Source {
  /** RF1-6: number and whose it is. Not whose message it is, for both sides tell of one referral. */
  number: string
  RF1: SourceSegment[]
  PRD: SourceSegment[]
  DG1: SourceSegment[]
  AL1: SourceSegment[]
  PR1: SourceSegment[]
  /** NTE and OBX in the order of the message. */
  told: SourceSegment[]
}

type Rule = CareRule<Referral>

/**
 * REF^I12–I14 and their answers, RRI^I12–I14: a referral is a Task that mirrors what the referring provider's system keeps,
 * from the provider with role RP to the one with role RT (PRD-1). RF1-6 says which one a later event or an answer is about
 * (HL7 v2.5.1 §11.4, §11.6.1). What it says to people goes with it as a Communication about the Task. I15 asks for a status:
 * that is a question to those who keep it.
 */
export const referral: Flow<Referral> = {
  name: 'referral',
  title: 'Referral (HL7 v2)',
  door: {
    kind: 'hl7v2',
    messageTypes: ['REF^I12', 'REF^I13', 'REF^I14', 'RRI^I12', 'RRI^I13', 'RRI^I14'],
  },
  read: readReferral,
  messageId: (source) => source.controlId,
  primary: 'Task',
  parties: partiesOf,
  earlier: earlierReferral,
  rules: [hasWhatAReferralNeeds],
  mapping: 'referral',
  profiles: { Communication: 'https://postern.health/fhir/StructureDefinition/SecureMessage' },
  receivers: [{ role: 'ehr', types: ['Task', 'Communication'] }],
  revisions: { Task: reviseReferral, Communication: reviseMessage },
}

function readReferral(body: Uint8Array, context: ReadContext): Referral {
  const source = readSource(body, context)
  const all = allSegments(source)
  const named = (...names: string[]) => all.filter((segment) => names.includes(segment._))
  const RF1 = segmentsNamed(source.MSH, 'RF1')
  return {
    ...source,
    number: numberOf(RF1[0]),
    RF1,
    PRD: named('PRD'),
    DG1: named('DG1'),
    AL1: named('AL1'),
    PR1: named('PR1'),
    told: named('NTE', 'OBX'),
  }
}

function numberOf(rf1: SourceSegment | undefined): string {
  const [number] = fieldOf(rf1, 6)
  return `${number?._1 ?? ''}|${number?._3 ?? number?._2 ?? ''}`
}

function partiesOf({ facility, PID, PRD }: Referral): Party[] {
  return [
    PID && patientParty(facility, PID),
    ...PRD.map((prd) => providerParty(facility, `provider-${prd.at}`, prd)),
  ].filter((party) => party !== undefined)
}

/**
 * The Task; what this side said of it before, and for an answer what it answers. An answer is the other side's: it comes
 * from whoever referred, through one system for both, or from a party of the referral.
 */
function earlierReferral({ type, number, RF1, PRD }: Referral): EarlierLink[] {
  const isAnswer = type === 'RRI'
  const link = (slot: string, of: EarlierLink['type'], name: string): EarlierLink => ({
    slot,
    type: of,
    key: { name, number },
    place: 'RF1-6',
  })
  const task = link('referral', 'Task', 'RF1-6')
  const letter = link('letter', 'Communication', `RF1-6-${type}`)
  const known = fieldOf(RF1[0], 6)[0]?._1
  if (!isAnswer || known === undefined) return [task, letter]
  const referring = PRD.find((prd) => fieldOf(prd, 1).some(({ _1 }) => _1 === 'RP'))
  const asked = link('asked', 'Communication', 'RF1-6-REF')
  return [
    { ...task, required: true, shared: { number: known, isMeant: isReferral } },
    letter,
    {
      ...asked,
      shared: {
        number: known,
        isMeant: (candidate, { referral: about, [`provider-${referring?.at}`]: sender }) =>
          candidate.resourceType === 'Communication' &&
          sender !== undefined &&
          candidate.sender?.reference === sender &&
          (candidate.about ?? []).some(({ reference }) => reference === about),
      },
    },
  ]
}

function isReferral(candidate: Resource): boolean {
  return (
    candidate.resourceType === 'Task' &&
    (candidate.code?.coding ?? []).some(({ code }) => code === 'referral')
  )
}

function hasWhatAReferralNeeds({ type, trigger, PID, RF1, PRD }: Referral): ReturnType<Rule> {
  const [rf1] = RF1
  requireEach([
    patientNeed(PID),
    [RF1.length === 1, 'RF1', 'One referral a message'],
    [fieldOf(rf1, 6)[0]?._1, 'RF1-6', 'The number of the referral is required'],
    [PRD.length > 0, 'PRD', 'Who refers to whom is required'],
    [
      type === 'REF' || trigger === 'I14' || fieldOf(rf1, 1)[0]?._1,
      'RF1-1',
      'An answer has to say what it is (RF1-1)',
    ],
  ])
  return { keep: true }
}

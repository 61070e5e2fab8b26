import { Failure } from '#core/failure.ts'
import type { CareRule, EarlierLink, Flow, Party, ReadContext } from '#core/flow.ts'
import { requireSameAnswers } from '#formats/hl7v2/answers-copy.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { reviseAnswers } from './answers-revision.ts'
import { type CopiedElements, copiedElements } from './copied-elements.ts'
import { type Need, patientNeed, requireEach } from './hl7v2-needs.ts'
import { observerParty, resultRecipients } from './hl7v2-observers.ts'
import { patientParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource, segmentsNamed } from './hl7v2-source.ts'
import { reviseMessage } from './message-revision.ts'

/** Results, and the exact copies that some of the answers bring along. */
interface ObservationResult extends Hl7v2Source {
  copies: CopiedElements
}

type Rule = CareRule<ObservationResult>

/**
 * ORU^R01, unsolicited results. Each OBR is one of three things, by a rule that its sender can read: OBR-4 is in the
 * table `questionnaire`: a QuestionnaireResponse; all that it holds are texts and files: a Communication; else the
 * message is refused, for results of a laboratory are no messages and would lose as a text what they are as data. What
 * comes again with the number of OBR-3 (else OBR-2) and the code of OBR-4 is the next version of it.
 */
export const observationResult: Flow<ObservationResult> = {
  name: 'observation-result',
  title: 'Questionnaire result or report (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['ORU^R01'] },
  read: readResult,
  messageId: (source) => source.controlId,
  primary: 'Communication',
  parties: partiesOf,
  earlier: earlierResults,
  rules: [everyResultHasItsReport, hasWhatAResultNeeds],
  mapping: 'observation-result',
  profiles: { Communication: 'https://postern.health/fhir/StructureDefinition/SecureMessage' },
  receivers: [{ role: 'ehr', types: ['Communication', 'QuestionnaireResponse'] }],
  revisions: { Communication: reviseMessage, QuestionnaireResponse: reviseAnswers },
}

function readResult(body: Uint8Array, context: ReadContext): ObservationResult {
  const source = readSource(body, context)
  const copies = copiedElements(source, (copy, order) => requireSameAnswers(copy, order, source.version))
  return { ...source, copies }
}

function partiesOf({ facility, MSH, PID, orders }: Hl7v2Source): Party[] {
  return [
    PID && patientParty(facility, PID),
    ...orders.flatMap(({ ORC, OBR }, index) =>
      OBR
        ? [
            observerParty(facility, `sender-${index}`, { MSH, OBR }),
            ...resultRecipients(facility, `recipient-${index}`, { ORC, OBR }),
          ]
        : [],
    ),
  ].filter((party) => party !== undefined)
}

/** What came with the same number before, as whatever it was. Accession numbers are shared: OBR-4 tells them apart. */
function earlierResults({ facility, orders }: Hl7v2Source): EarlierLink[] {
  return orders.flatMap(({ OBR }, index) => {
    const number = numberOf(facility, OBR)
    if (number === undefined) return []
    const link = { key: { name: 'OBR-3', number }, place: `OBR[${index + 1}]-3` }
    return [
      { ...link, slot: `answers-${index}`, type: 'QuestionnaireResponse' },
      { ...link, slot: `message-${index}`, type: 'Communication' },
    ]
  })
}

function numberOf(facility: string, OBR: SourceSegment | undefined): string | undefined {
  const number = (fieldOf(OBR, 3)[0] ?? fieldOf(OBR, 2)[0])?._1
  return number === undefined ? undefined : `${facility}|${number}|${fieldOf(OBR, 4)[0]?._1 ?? ''}`
}

/** An OBX before the first OBR, or after an ORC that has none, is part of nothing that is read here. */
function everyResultHasItsReport({ MSH, PID, orders }: Hl7v2Source): ReturnType<Rule> {
  const elsewhere = [MSH, PID, ...orders.flatMap(({ OBR: _obr, ...others }) => Object.values(others))]
  if (elsewhere.some((owner) => owner && segmentsNamed(owner, 'OBX').length > 0))
    throw new Failure('unsupported', [{ text: 'Each OBX belongs after its OBR', expression: 'OBX' }])
  return { keep: true }
}

function hasWhatAResultNeeds({ facility, PID, orders }: Hl7v2Source): ReturnType<Rule> {
  const reports = orders.flatMap(({ OBR }) => (OBR ? [OBR] : []))
  const numbers = reports.flatMap((OBR) => numberOf(facility, OBR) ?? [])
  requireEach([
    patientNeed(PID),
    [reports.length > 0, 'OBR', 'A result is required'],
    ...reports.flatMap((OBR, index) => needsOf(OBR, `OBR[${index + 1}]`)),
    [new Set(numbers).size === numbers.length, 'OBR-3', 'Two results of one number and code'],
  ])
  return { keep: true }
}

function needsOf(OBR: SourceSegment, place: string): Need[] {
  const results = segmentsNamed(OBR, 'OBX')
  return [
    [fieldOf(OBR, 4)[0], `${place}-4`, 'What was asked or reported is required'],
    [results.length > 0, place, 'At least one OBX is required'],
    [results.every(hasItsType), place, 'OBX-2 and OBX-3 are required'],
  ]
}

/** OBX-2 may be left out only where there is no value (HL7 v2.5.1 §7.4.2.2). */
function hasItsType(obx: SourceSegment): boolean {
  return fieldOf(obx, 3).length > 0 && (fieldOf(obx, 2).length > 0 || fieldOf(obx, 5).length === 0)
}

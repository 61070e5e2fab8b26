import type { CodeableConcept, Coding, Task } from 'fhir/r4'

export const renewalAnswerSystem = 'https://postern.health/fhir/CodeSystem/renewal-answer'

/**
 * What a request for renewal is answered (R36), after the answers of NCPDP SCRIPT's RxRenewalResponse. It stands in
 * `businessStatus`; each answer that was given stays in `output`, with what it came to.
 */
export const renewalAnswers = ['approved', 'approved-with-changes', 'replaced', 'denied', 'pending'] as const
export type RenewalAnswer = (typeof renewalAnswers)[number]

export function answerConcept(code: RenewalAnswer | 'reminded'): CodeableConcept {
  return { coding: [{ system: renewalAnswerSystem, code }] }
}

/** The answer that a Task has been given last; undefined for none. */
export function renewalAnswerOf({ businessStatus }: Pick<Task, 'businessStatus'>): RenewalAnswer | undefined {
  const code = businessStatus?.coding?.find(({ system }) => system === renewalAnswerSystem)?.code
  return renewalAnswers.find((each) => each === code)
}

export type GivenAnswer = NonNullable<Task['output']>[number]

/** The answers that were given, in `output`: written by the gateway and by nobody else. */
export function givenAnswers({ output }: Pick<Task, 'output'>): GivenAnswer[] {
  return (output ?? []).filter(isGivenAnswer)
}

export function isGivenAnswer({ type }: GivenAnswer): boolean {
  return (type.coding ?? []).some(({ system }) => system === renewalAnswerSystem)
}

export function wasAnswered(task: Pick<Task, 'output'>, answer: RenewalAnswer): boolean {
  return givenAnswers(task).some(({ type }) => type.coding?.some(({ code }) => code === answer))
}

/** HL7 v3 ActReason, _PharmacySupplyRequestRenewalRefusalReasonCode. */
const refusalSystem = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
/** The reasons that HL7 v2 suggests for ORC-16 of a denial (table 0119, DF); they are NCPDP's. */
const refillDenialSystem = 'https://postern.health/fhir/CodeSystem/refill-denial'

/** Why a renewal is refused: v3's words, and what HL7 v2 has for each. */
interface Refusal {
  display: string
  v2: (typeof refillDenials)[number]
}

const refillDenials = ['AA', 'AB', 'AC', 'AD', 'AE', 'AF', 'AG'] as const

/**
 * v3 ActReason by code, with the nearest of AA to AG (HL7 v2.5.1, table 0119, DF: unknown patient, never and no longer in
 * care, too soon, never prescribed, contact the provider first, not appropriate). NOTPAT and TOOEARLY mean the same as
 * theirs; of the others v2 says less.
 */
export const refusals = {
  ALREADYRX: { display: 'new prescription exists', v2: 'AG' },
  FAMPHYS: { display: 'family physician must authorize further fills', v2: 'AF' },
  MODIFY: { display: 'modified prescription exists', v2: 'AG' },
  NEEDAPMT: { display: 'patient must make appointment', v2: 'AF' },
  NOTAVAIL: { display: 'prescriber not available', v2: 'AG' },
  NOTPAT: { display: 'patient no longer in this practice', v2: 'AC' },
  ONHOLD: { display: 'medication on hold', v2: 'AG' },
  PRNA: { display: 'product not available', v2: 'AG' },
  STOPMED: { display: 'prescriber stopped medication for patient', v2: 'AG' },
  TOOEARLY: { display: 'too early', v2: 'AD' },
} as const satisfies Readonly<Record<string, Refusal>>
export type RefusalCode = keyof typeof refusals

/** The other way: what v3 has for a reason of v2. AE and AG have nothing there that means no more than they do. */
const meanings: Partial<Record<string, RefusalCode>> = {
  AA: 'NOTPAT',
  AB: 'NOTPAT',
  AC: 'NOTPAT',
  AD: 'TOOEARLY',
  AF: 'NEEDAPMT',
}

export interface ReadRefusal {
  /** Of v3, where it has a word for it. */
  v3?: RefusalCode
  /** Of v2: as it was said, else the nearest to v3's. */
  v2: string
}

/** What a reason says, by either system; undefined for one that is coded in neither. */
export function refusalOf({ coding = [] }: CodeableConcept): ReadRefusal | undefined {
  const code = coding.find(({ system }) => system === refusalSystem)?.code
  const named = coding.find(({ system }) => system === refillDenialSystem)?.code
  const v2 = refillDenials.find((each) => each === named)
  if (isRefusal(code)) return { v3: code, v2: v2 ?? refusals[code].v2 }
  if (!v2) return undefined
  const v3 = meanings[v2]
  return { v2, ...(v3 ? { v3 } : {}) }
}

function isRefusal(code: string | undefined): code is RefusalCode {
  return code !== undefined && Object.hasOwn(refusals, code)
}

/** A reason in both systems, as far as both have a word for it; its other codings and its text stay. */
export function refusalConcept(reason: CodeableConcept, { v3, v2 }: ReadRefusal): CodeableConcept {
  const known = (system: string) => (reason.coding ?? []).some((each) => each.system === system)
  const more: Coding[] = [
    ...(v3 && !known(refusalSystem)
      ? [{ system: refusalSystem, code: v3, display: refusals[v3].display }]
      : []),
    ...(known(refillDenialSystem) ? [] : [{ system: refillDenialSystem, code: v2 }]),
  ]
  return { ...reason, coding: [...(reason.coding ?? []), ...more] }
}

/** A refusal of the gateway's own. */
export function refusalFor(code: RefusalCode): CodeableConcept {
  const { display, v2 } = refusals[code]
  return refusalConcept({ coding: [{ system: refusalSystem, code, display }] }, { v3: code, v2 })
}

import type { CodeableConcept, MedicationRequest } from 'fhir/r4'
import { plain, pruned, type Tree } from './noted.ts'

const v2 = /\/CodeSystem\/v2-0(?:335|161|167|484)$/
const typeUrl = 'https://postern.health/fhir/StructureDefinition/component-type'

/**
 * An order as it is compared with the one that came back, whole, but for what the way through fields adds by rule:
 * - identity: ids, persons and references are found anew; ORC-2 and RXE-15 give a number its type, and RXE-15 repeats it.
 * - an order is `filler-order` as encoded and `original-order` as placed.
 * - TQ1-3's own code stands in timing.code, and what it means in timing.repeat; RXE-9's beside what it means; a concept without text has that of its code.
 * - directions that were left open are rendered; a single dosage needs no sequence of 1.
 * - a strength is of one piece where nothing else is said, and an ingredient that is not the base is added to it.
 * - table 0482 says what it is called.
 * - tables 0161 and 0167 say a substitution by code, not as true or false.
 */
export function comparable(given: MedicationRequest, like: MedicationRequest): unknown {
  const {
    id: _id,
    meta: _meta,
    intent: _intent,
    subject: _subject,
    requester: _requester,
    reportedBoolean: _reported,
    identifier: _numbers,
    medicationCodeableConcept: code,
    medicationReference: pointer,
    contained = [],
    groupIdentifier,
    ...rest
  } = plain(given) as unknown as MedicationRequest
  const { id: _inside, ...medication } = (contained.find(
    (each) => each.id === pointer?.reference?.slice(1),
  ) ?? {}) as Tree
  const dosages = (rest.dosageInstruction ?? []).map((dosage, index, all) => {
    const { timing, sequence, text, ...own } = dosage
    const wanted = like.dosageInstruction?.[index]
    const timed = timing && {
      ...timing,
      code: wanted?.timing?.code && timing.code,
      repeat: wanted?.timing?.repeat && timing.repeat,
    }
    return {
      ...own,
      ...(wanted?.text === undefined ? {} : { text }),
      timing: timed,
      sequence: all.length > 1 || sequence !== 1 ? sequence : undefined,
    }
  })
  return pruned(
    usual({
      ...rest,
      medication: code ? { resourceType: 'Medication', code } : medication,
      others: contained.filter(({ resourceType }) => resourceType !== 'Medication'),
      dosageInstruction: dosages,
      category: rest.category?.map(({ coding = [], text }, index) => ({
        codes: coding.map(({ system, code: each }) => [system, each]),
        text: like.category?.[index]?.text && text,
      })),
      substitution: allowed(rest.substitution),
      groupIdentifier: like.groupIdentifier && {
        ...groupIdentifier,
        type: like.groupIdentifier.type && groupIdentifier?.type,
      },
      priorPrescription: rest.priorPrescription && {
        ...rest.priorPrescription,
        type: undefined,
        reference: undefined,
      },
    }),
  )
}

type Numbered = Pick<MedicationRequest, 'identifier'>

/** Every number of the order or dispense, with all that it says of it. */
export function hasNumbersOf(back: Numbered, order: Numbered): boolean {
  const found = (back.identifier ?? []).map((each) => ({ ...each, type: undefined }))
  return (order.identifier ?? []).every(({ type: _type, ...wanted }) =>
    found.some(
      (each) => JSON.stringify(sorted({ ...wanted, type: undefined })) === JSON.stringify(sorted(each)),
    ),
  )
}

function allowed(substitution: MedicationRequest['substitution']): unknown {
  const { allowedBoolean, allowedCodeableConcept: concept, reason } = substitution ?? {}
  const said = allowedBoolean === undefined ? concept?.coding?.[0]?.code : allowedBoolean ? 'G' : 'N'
  return { said, reason }
}

/** Each value in one spelling. */
export function usual(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(usual)
  if (typeof value !== 'object' || value === null) return value
  const { coding, strength, extension, ...own } = value as Tree
  const rest = Object.fromEntries(
    Object.entries(own)
      .filter(([name, each]) => !(name === 'denominator' && JSON.stringify(each) === '{"value":"1"}'))
      .map(([name, each]) => [name, usual(each)]),
  )
  const extensions = Array.isArray(extension)
    ? extension.filter((each: Tree) => each.url !== typeUrl || each.valueCode !== 'A')
    : undefined
  return {
    ...rest,
    ...(strength ? { strength: usual(strength) } : {}),
    ...(extensions ? { extension: extensions } : {}),
    ...(coding ? concepts({ ...rest, coding } as CodeableConcept) : {}),
  }
}

function concepts({ coding = [], text }: CodeableConcept): CodeableConcept {
  const own = coding.filter(({ system }) => !v2.test(system ?? ''))
  const [first] = own
  return {
    coding: own.map((each) => (each === first ? { ...each, display: each.display ?? text ?? '' } : each)),
    text: text ?? first?.display ?? first?.code ?? '',
  }
}

function sorted(value: Tree): unknown {
  return pruned(Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))))
}

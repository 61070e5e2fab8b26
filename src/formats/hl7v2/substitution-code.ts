import type { MedicationRequest } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Telling } from './coded.ts'

/** Tables 0167 and 0161 by HL7 v3 substanceAdminSubstitution. */
const substitutions: Record<string, string> = {
  N: 'N',
  G: 'G',
  E: 'G',
  EC: 'G',
  BC: 'G',
  TE: 'T',
  TB: 'T',
  TG: 'T',
  F: 'T',
}

/** Codes that say no less than what they are written as. */
const exactly = ['N', 'G', 'TE']

/** RXE-9 and RXO-9; `open` is what says that nothing was said. Throws Failure `unsupported` for what they cannot say. */
export function substitutionCode(
  substitution: MedicationRequest['substitution'],
  open: string,
  { said }: Telling,
): string {
  said.say('substitution.allowedBoolean')
  if (!substitution) return open
  if (substitution.allowedBoolean !== undefined) return substitution.allowedBoolean ? 'G' : 'N'
  const { coding = [], text } = substitution.allowedCodeableConcept ?? {}
  const [meant] = coding
  const absent = meant?.system === 'http://terminology.hl7.org/CodeSystem/data-absent-reason'
  const code = absent ? open : substitutions[meant?.code ?? '']
  if (code === undefined)
    throw new Failure('unsupported', [
      { text: 'HL7 v2 cannot say this substitution', expression: 'MedicationRequest.substitution' },
    ])
  for (const [index, { code: each, system }] of coding.entries())
    if (absent || exactly.includes(each ?? '') || /v2-01(?:61|67)$/.test(system ?? ''))
      said.say(`substitution.allowedCodeableConcept.coding[${index}]`)
  if (text === 'unspecified') said.say('substitution.allowedCodeableConcept.text')
  return code
}

import { readFileSync } from 'node:fs'
import type { CodeSystem } from 'fhir/r4'
import { expect, it } from 'vitest'
import { cancelOutcomes } from '#care/cancel-outcomes.ts'
import { refusalFor, refusals, renewalAnswers } from '#care/renewal-answers.ts'

const codesOf = (name: string) => {
  const system: CodeSystem = JSON.parse(readFileSync(`profiles/CodeSystem-${name}.json`, 'utf8'))
  return (system.concept ?? []).map(({ code }) => code)
}

it('every outcome of a cancellation is in its code system, with what came of waiting', () => {
  expect(codesOf('cancel-outcome')).toEqual([...Object.keys(cancelOutcomes), 'reminded', 'no-answer'])
})

it('every answer to a renewal is in its code system, with the reminder', () => {
  expect(codesOf('renewal-answer')).toEqual([...renewalAnswers, 'reminded'])
})

it('every refusal of a renewal has a reason of HL7 v2 that is in its code system', () => {
  for (const code of Object.keys(refusals) as (keyof typeof refusals)[])
    expect(codesOf('refill-denial')).toContain(refusalFor(code).coding?.[1]?.code)
})

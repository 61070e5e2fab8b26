import { readFileSync } from 'node:fs'
import type { CodeSystem } from 'fhir/r4'
import { expect, it } from 'vitest'
import { cancelOutcomes } from '#care/cancel-outcomes.ts'

const codesOf = (name: string) => {
  const system: CodeSystem = JSON.parse(readFileSync(`profiles/CodeSystem-${name}.json`, 'utf8'))
  return (system.concept ?? []).map(({ code }) => code)
}

it('every outcome of a cancellation is in its code system, with what came of waiting', () => {
  expect(codesOf('cancel-outcome')).toEqual([...Object.keys(cancelOutcomes), 'reminded', 'no-answer'])
})

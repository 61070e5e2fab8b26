import { describe, expect, it } from 'vitest'
import { coverageCounts } from '#formats/hl7v2/coverage.ts'
import { coverageOfAll } from './hl7v2-coverage.ts'

describe('third-party messages of the types that are taken in', () => {
  it('have at most two of a hundred populated fields that are neither mapped nor ignored by rule', async () => {
    const all = [...(await coverageOfAll()).values()].flatMap(({ fields }) => fields)
    const { unknown } = coverageCounts(all)
    expect(all.length).toBeGreaterThan(900)
    expect(unknown / all.length).toBeLessThanOrEqual(0.02)
  })
})

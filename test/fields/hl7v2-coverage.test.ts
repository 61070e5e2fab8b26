import { describe, expect, it } from 'vitest'
import { coverageCounts } from '#formats/hl7v2/coverage.ts'
import { coverageTable, printedTable } from './hl7v2-coverage.ts'
import { coverageOfAll } from './message-coverage.ts'

describe('third-party messages of the types that are taken in', async () => {
  const all = [...(await coverageOfAll())]

  it('are enough to speak of', () => {
    expect(all.flatMap(([, { fields }]) => fields).length).toBeGreaterThan(900)
  })

  it('are counted in docs/hl7v2.md as they are (npm run coverage:hl7v2 -- --write)', () => {
    expect(printedTable('coverage')).toBe(coverageTable(new Map(all)))
  })

  it.each(all.filter(([, { fields }]) => fields.length > 0))(
    '%s: at most two of a hundred populated fields are neither mapped nor ignored by rule',
    (_kind, { fields }) => {
      expect(coverageCounts(fields).unknown / fields.length).toBeLessThanOrEqual(0.02)
    },
  )
})

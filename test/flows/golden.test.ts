import { describe, expect, it } from 'vitest'
import { flows } from '#flows/index.ts'
import { parseJson } from '#formats/json.ts'
import { type Expected, expectedOf, fixturesOf, pretty, readFixture, replay } from './replay.ts'

describe.each(flows.map((flow) => [flow.name, flow] as const))('fixtures/%s', (name, flow) => {
  it.each(fixturesOf(name))('%s becomes what its golden says, digit for digit', async (fixture) => {
    const golden = expectedOf(name, fixture)
    const { given } = parseJson(golden) as Expected
    expect(pretty(await replay(flow, readFixture(name, fixture), given))).toBe(golden)
  })

  it('has a case that is taken and one that is refused', () => {
    expect(fixturesOf(name).some((fixture) => fixture.startsWith('bad-'))).toBe(true)
    expect(fixturesOf(name).some((fixture) => !fixture.startsWith('bad-'))).toBe(true)
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { fieldPresence, type LostFact, type Presence } from './field-presence.ts'

let presence: Presence
beforeAll(async () => {
  presence = await fieldPresence()
})

describe('a fact that a third-party message and its FHIR counterpart agree on', () => {
  it('is in what we make of the message, or a rule says why not', () => {
    const unexplained = presence.lost.filter(({ reason }) => reason === undefined)
    expect(
      unexplained.map(({ file, element, places }) => `${file}: ${element} (${places.join(' ')})`),
    ).toEqual([])
  })

  it('is left out by these rules and no others', async () => {
    await expect(tableOf(presence.lost)).toMatchFileSnapshot('./facts-left-out.txt')
  })

  it('stands in messages that are taken in, enough of them to say so', () => {
    expect(presence.facts).toBeGreaterThan(600)
    expect(presence.facts - presence.lost.length).toBeGreaterThan(150)
    expect([...presence.compared.keys()]).toEqual(expect.arrayContaining(['RDE^O11', 'RDS^O13']))
  })
})

/** By reason: the fields of each type whose facts are left out for it. */
function tableOf(lost: readonly LostFact[]): string {
  const fields = new Map<string, Set<string>>()
  for (const { kind, reason = '', places } of lost) {
    const key = `${kind}: ${reason}`
    const found = fields.get(key) ?? new Set()
    fields.set(key, found)
    // The first place speaks for the others: they hold the same value.
    for (const place of places.slice(0, 1)) found.add(place.replace(/\..*$/, ''))
  }
  const lines = [...fields].map(([key, places]) => `${key}\n    ${[...places].sort(byNumber).join(' ')}\n`)
  return lines.sort().join('')
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

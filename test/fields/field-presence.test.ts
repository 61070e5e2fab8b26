import { beforeAll, describe, expect, it } from 'vitest'
import { fieldPresence, type LostFact, type Presence } from './field-presence.ts'
import { printedTable } from './hl7v2-coverage.ts'
import { elsewhereTable, isOf, keptElsewhere } from './kept-elsewhere.ts'
import { leftOut, leftOutTable } from './left-out.ts'

let presence: Presence
beforeAll(async () => {
  presence = await fieldPresence()
})

describe('a fact that a third-party message and its FHIR counterpart agree on', () => {
  it('is in what we make of the message, or a rule says why not', () => {
    const unexplained = presence.lost.filter(({ rule }) => rule === undefined)
    expect(unexplained.map(told)).toEqual([])
  })

  it('falls under exactly one reason where it is left out', () => {
    expect(presence.lost.filter((fact) => fact.leftOut.length !== 1).map(told)).toEqual([])
  })

  it('is left out for few reasons, each of them needed, with every field that it names', () => {
    expect(leftOut.length).toBeLessThanOrEqual(15)
    const unused = leftOut.flatMap((reason) => {
      const places = presence.lost
        .filter((fact) => fact.leftOut.includes(reason))
        .flatMap((fact) => fact.places)
      return reason.fields.split(' ').filter((field) => !places.some((place) => isOf(place, field)))
    })
    expect(unused).toEqual([])
  })

  it('is looked for in another element only where a rule that is needed says so', () => {
    expect(keptElsewhere.filter((rule) => !presence.elsewhere.has(rule))).toEqual([])
  })

  it('is left out, or kept elsewhere, as docs/hl7v2.md says (npm run coverage:hl7v2 -- --write)', () => {
    expect(printedTable('left-out')).toBe(leftOutTable(presence.lost, presence.facts))
    expect(printedTable('elsewhere')).toBe(elsewhereTable())
  })

  it('is left out of these elements and no others', async () => {
    await expect(elementsOf(presence.lost)).toMatchFileSnapshot('./facts-left-out.txt')
  })

  it('stands in messages that are taken in, enough of them to say so', () => {
    expect(presence.facts).toBeGreaterThan(5000)
    expect(presence.facts - presence.lost.length).toBeGreaterThan(2000)
    expect([...presence.compared.keys()]).toEqual(expect.arrayContaining(['ADT^A01', 'RDE^O11', 'RDS^O13']))
  })
})

function told({ file, element, places, leftOut: reasons }: LostFact): string {
  return `${file}: ${element} (${places.join(' ')}) ${reasons.map(({ reason }) => reason).join(' / ')}`
}

/** By reason and type of resource: the elements that others fill, with the fields they come from. */
function elementsOf(lost: readonly LostFact[]): string {
  const fields = new Map<string, Set<string>>()
  for (const {
    element,
    places,
    leftOut: [first],
  } of lost) {
    const [type, ...path] = element.replace(/http\S*\/(\S+?)\)/g, '$1)').split('.')
    const key = `${first?.reason.replace(/[.:].*$/s, '')}\n  ${type}.${path.join('.')}`
    const found = fields.get(key) ?? new Set()
    fields.set(key, found)
    // The first place speaks for the others: they hold the same value.
    for (const place of places.slice(0, 1)) found.add(place.replace(/\..*$/, ''))
  }
  let last = ''
  const lines = [...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, places]) => {
      const [reason = '', element = ''] = key.split('\n')
      const heading = reason === last ? '' : `${reason}\n`
      last = reason
      return `${heading}${element}: ${[...places].sort(byNumber).join(' ')}\n`
    })
  return lines.join('')
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

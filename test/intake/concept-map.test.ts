import { describe, expect, it } from 'vitest'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { codeTable } from '#intake/concept-map.ts'

const { conceptMaps } = readArtifacts(new URL('../../', import.meta.url).pathname)
const table = (name: string) => codeTable(name, conceptMaps.get(name))

describe('code tables', () => {
  it.each([...conceptMaps.keys()])('%s has a url, a version and no code twice in a group', (name) => {
    expect(table(name).canonical).toBe(`https://postern.health/fhir/ConceptMap/${name}|1.0.0`)
    const { group } = conceptMaps.get(name) as { group: { element: { code: string }[] }[] }
    for (const { element } of group)
      expect(new Set(element.map(({ code }) => code)).size).toBe(element.length)
  })

  it('a code is translated with its system and display', () => {
    expect(table('route').translate('PO', 'http://terminology.hl7.org/CodeSystem/v2-0162')).toEqual({
      found: { system: 'http://snomed.info/sct', code: '26643006', display: 'Oral route' },
    })
  })

  it('a code without counterpart is known; a code nobody listed is not', () => {
    expect(table('route').translate('OTH')).toEqual({ known: true })
    expect(table('route').translate('XX')).toEqual({ known: false })
    expect(table('route').translate('PO', 'http://elsewhere')).toEqual({ known: false })
  })

  it('case matters: mg is not MG only by luck, m is no minute', () => {
    expect(table('time-unit').translate('m')).toEqual({ known: false })
    expect(table('dose-unit').translate('mcg')).toEqual({
      found: { system: 'http://unitsofmeasure.org', code: 'ug' },
    })
  })

  it('what is not listed may be fixed or passed on, where the table says so', () => {
    const unmapped = (mode: object) =>
      codeTable('t', {
        resourceType: 'ConceptMap',
        url: 'urn:t',
        group: [{ target: 'urn:s', element: [{ code: 'a', target: [{ code: 'b' }] }], unmapped: mode }],
      })
    expect(unmapped({ mode: 'fixed', code: 'z' }).translate('q')).toEqual({
      found: { system: 'urn:s', code: 'z' },
    })
    expect(unmapped({ mode: 'provided' }).translate('q')).toEqual({ found: { system: 'urn:s', code: 'q' } })
    expect(unmapped({ mode: 'fixed', code: 'z' }).translate('a')).toEqual({
      found: { system: 'urn:s', code: 'b' },
    })
  })

  it('what is no ConceptMap is refused', () => {
    expect(() => codeTable('t', { resourceType: 'ValueSet' })).toThrow(/no ConceptMap/)
  })
})

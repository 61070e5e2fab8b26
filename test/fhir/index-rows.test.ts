import { describe, expect, it } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { dateRange, farPast, undated } from '#store/date-range.ts'
import { indexRows } from '#store/index-rows.ts'

function valuesOf(resource: object, param: string): string[] {
  return indexRows(resource as Resource)
    .tokens.filter((row) => row.param === param)
    .map((row) => row.value)
}

describe('what a resource can be found by', () => {
  it('a coded value is found with its system, without, and by the system alone', () => {
    const type = [{ coding: [{ system: 'urn:kinds', code: 'pharmacy' }, { code: 'shop' }], text: 'Pharmacy' }]
    expect(valuesOf({ resourceType: 'Organization', type }, 'type')).toEqual([
      'urn:kinds|pharmacy',
      'pharmacy',
      'urn:kinds|',
      '|shop',
      'shop',
    ])
  })

  it('a code too telling for the whole clinic is marked as indexed under its patient', () => {
    const category = [{ coding: [{ system: 'urn:topics', code: 'sexual-health' }] }]
    const { tokens } = indexRows({ resourceType: 'Communication', status: 'completed', category })
    expect(tokens.filter((row) => row.param === 'category').every((row) => row.perPatient)).toBe(true)
    expect(tokens.filter((row) => row.param === 'status')).toEqual([{ param: 'status', value: 'completed' }])
  })

  it('patient stands beside subject, for patients only', () => {
    const group = { resourceType: 'Communication', subject: { reference: 'Group/7' } }
    expect(valuesOf(group, 'subject')).toEqual(['Group/7'])
    expect(valuesOf(group, 'patient')).toEqual([])
    const person = { resourceType: 'Communication', subject: { reference: 'Patient/1/_history/3' } }
    expect(valuesOf(person, 'patient')).toEqual(['Patient/1'])
  })

  it('a reference by identifier is found by that identifier, one inside the resource by nothing', () => {
    const sender = { identifier: { system: 'urn:npi', value: '42' } }
    const message = { resourceType: 'Communication', sender, recipient: [{ reference: '#p1' }] }
    expect(valuesOf(message, 'sender:identifier')).toContain('urn:npi|42')
    expect(valuesOf(message, 'recipient')).toEqual([])
  })

  it('a canonical is found with and without its version', () => {
    const answers = { resourceType: 'QuestionnaireResponse', questionnaire: 'https://x.test/q|2' }
    expect(valuesOf(answers, 'questionnaire')).toEqual(['https://x.test/q|2', 'https://x.test/q'])
  })

  it('a period without an end reaches to the last instant', () => {
    const consent = { resourceType: 'Consent', provision: { period: { start: '2024-02-29' } } }
    expect(indexRows(consent as Resource).dates).toContainEqual({
      param: 'period',
      low: Date.UTC(2024, 1, 29),
      high: 8.64e15,
    })
  })

  it('a date that is absent stands before all others in its order', () => {
    const message = { resourceType: 'Communication', sent: '2024' }
    const [sent, received] = indexRows(message as Resource).dates
    expect(sent).toMatchObject({ param: 'sent', low: Date.UTC(2024, 0, 1) })
    expect(received).toEqual({ param: 'received', low: undated, high: undated })
    expect(undated).toBeLessThan(farPast)
  })

  it('a malformed element gives no row and no error', () => {
    const odd = {
      resourceType: 'Communication',
      subject: 'Patient/1',
      sent: {},
      category: [null, 3],
      sender: [[]],
    }
    const { tokens, dates } = indexRows(odd as unknown as Resource)
    expect([tokens, dates.filter(({ low }) => low !== undated)]).toEqual([[], []])
  })
})

describe('the stretch of time that a date covers', () => {
  it.each([
    ['2024', '2024-01-01T00:00:00.000Z', '2024-12-31T23:59:59.999Z'],
    ['2024-02', '2024-02-01T00:00:00.000Z', '2024-02-29T23:59:59.999Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z', '2024-02-29T23:59:59.999Z'],
    ['2024-02-29T10:00:00+02:00', '2024-02-29T08:00:00.000Z', '2024-02-29T08:00:00.999Z'],
    ['2024-02-29T10:00:00.5Z', '2024-02-29T10:00:00.500Z', '2024-02-29T10:00:00.599Z'],
    ['0099-12', '0099-12-01T00:00:00.000Z', '0099-12-31T23:59:59.999Z'],
  ])('%s', (text, low, high) => {
    expect(dateRange(text)).toEqual({ low: Date.parse(low), high: Date.parse(high) })
  })

  it.each(['2023-02-29', '2024-13', '2024-1', '20240101', '2024-01-01T25:00', 'today', ''])(
    '%s is no date',
    (text) => {
      expect(dateRange(text)).toBeUndefined()
    },
  )
})

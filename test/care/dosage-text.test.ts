import { describe, expect, it } from 'vitest'
import { contradictions } from '#care/dosage-text.ts'

const once = { frequency: 1, period: '1', periodUnit: 'd' }
const twice = { frequency: 2, period: '1', periodUnit: 'd' }
const tablet = (value: string) => ({ value, unit: 'tablet' })

describe('directions and structure', () => {
  it.each([
    ['Take one tablet daily', { dose: tablet('1') }],
    ['Take ONE tablet(s) once daily', { dose: tablet('1.0'), timing: once }],
    ['half a tablet in the morning', { dose: tablet('0.5') }],
    ['1 or 2 tablets as needed', { dose: tablet('2') }],
    ['0,5 mg abends', { dose: { value: '0.50', unit: 'mg' } }],
    ['10 mg/kg divided, give 5 mg now', { dose: { value: '5', unit: 'mg' } }],
    ['Take 2 tablets, not more than 8 tablets a day', { dose: tablet('2') }],
    ['Eine Tablette morgens und abends', { dose: tablet('1'), timing: twice }],
    ['every 12 hours', { timing: twice }],
    ['2.5 mL twice daily', { dose: { value: '2.50', unit: 'mL' }, timing: twice }],
    ['10 mg', { dose: { value: '2', unit: 'tablet' } }],
  ])('%s agrees', (text, structure) => {
    expect(contradictions({ text, structure })).toEqual([])
  })

  it.each([
    ['Take two tablets daily', { dose: tablet('1') }],
    ['5 mg', { dose: { value: '0.5', unit: 'mg' } }],
    ['.5 mg', { dose: { value: '5', unit: 'mg' } }],
    ['10 mg at night', { dose: { value: '1.0', unit: 'mg' } }],
  ])('%s gives another dose', (text, structure) => {
    expect(contradictions({ text, structure })).toEqual(['The text gives another dose than the structure'])
  })

  it.each([
    ['once daily', twice],
    ['three times a day', once],
    ['every 6 hours', twice],
    ['twice daily', { frequency: 1, period: '6', periodUnit: 'h' }],
  ])('%s gives another frequency', (text, timing) => {
    expect(contradictions({ text, structure: { timing } })).toEqual([
      'The text gives another frequency than the structure',
    ])
  })
})

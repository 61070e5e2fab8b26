import type { DosageStep, DosageStructure } from './prescribed-item.ts'

/**
 * Where the directions and their structure say different things. Only what is surely a contradiction is told: an amount
 * of the structure's own unit that is another amount, or an English frequency that is another frequency. Text in other
 * words or languages is not judged.
 */
export function contradictions({ text, structure }: DosageStep): string[] {
  if (!structure) return []
  const words = text.toLowerCase()
  return [
    ...(otherDose(words, structure) ? ['The text gives another dose than the structure'] : []),
    ...(otherFrequency(words, structure) ? ['The text gives another frequency than the structure'] : []),
  ]
}

const numberWords = ['half a', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']
const wordValues = new Map<string, number>(
  numberWords.map((word, index) => [word, index === 0 ? 0.5 : index]),
)
const numberForm = `\\d+(?:[.,]\\d+)?|\\.\\d+|${numberWords.join('|')}`

function otherDose(words: string, { dose }: DosageStructure): boolean {
  if (!dose) return false
  const unit = dose.unit
    .toLowerCase()
    .replace(/s$/, '')
    .replace(/[^a-z0-9%/]/g, '\\$&')
  // `5 mg/kg` and `20 mg/2 mL` are strengths, and a maximum is another amount by its nature.
  const amounts = new RegExp(
    `(?<![\\d.,-])(${numberForm})\\s*(?:x\\s*)?${unit}(?:s|\\(s\\))?(?![a-z0-9/])`,
    'g',
  )
  const said = [
    ...words.replace(/\b(?:max(?:imum)?|up to|not more than|no more than)\b.*/, '').matchAll(amounts),
  ]
  const values = said.map(([, number = '']) => wordValues.get(number) ?? Number(number.replace(',', '.')))
  return values.length > 0 && !values.includes(Number(dose.value))
}

const perDay: [RegExp, number][] = [
  [/\b(?:once (?:daily|a day|per day|every day)|1 time (?:a|per) day)\b/, 1],
  [/\b(?:twice (?:daily|a day|per day)|(?:two|2) times (?:daily|a day|per day)|bid)\b/, 2],
  [/\b(?:(?:three|3) times (?:daily|a day|per day)|tid)\b/, 3],
  [/\b(?:(?:four|4) times (?:daily|a day|per day)|qid)\b/, 4],
]

/** Doses a day; only where text and structure both state one. */
function otherFrequency(words: string, { timing }: DosageStructure): boolean {
  if (timing?.frequency === undefined || timing.period === undefined || timing.frequencyMax !== undefined)
    return false
  const hours = { h: 1, d: 24, wk: 168 }[timing.periodUnit ?? '']
  if (hours === undefined) return false
  const structured = (timing.frequency * 24) / (Number(timing.period) * hours)
  const everyHours = /\bevery (\d+) hours?\b/.exec(words)?.[1]
  const said = perDay.filter(([form]) => form.test(words)).map(([, times]) => times)
  if (everyHours !== undefined) said.push(24 / Number(everyHours))
  return said.length > 0 && !said.some((times) => Math.abs(times - structured) < 1e-9)
}

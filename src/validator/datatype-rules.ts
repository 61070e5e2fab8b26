import { inOrderOfTime } from './moments.ts'
import { has, hasChoice, numberOf, records, textOf } from './probe.ts'
import type { Rules } from './rule.ts'

/** Constraints of the data types, by key: https://hl7.org/fhir/R4/datatypes.html */
export const datatypeRules: Rules = {
  'att-1': (value) => !has(value, 'data') || has(value, 'contentType'),
  'cpt-2': (value) => !has(value, 'value') || has(value, 'system'),
  // Without a system it is qty-3 that is broken.
  'drt-1': (value) =>
    !has(value, 'code') || !has(value, 'system') || (value.system === ucum && has(value, 'value')),
  'exp-1': (value) => has(value, 'expression') || has(value, 'reference'),
  'per-1': (value) => inOrderOfTime(textOf(value, 'start'), textOf(value, 'end')),
  'qty-3': (value) => !has(value, 'code') || has(value, 'system'),
  'rat-1': (value) =>
    has(value, 'numerator') === has(value, 'denominator') &&
    (has(value, 'numerator') || has(value, 'extension')),
  'rng-2': (value) => {
    const [low] = records(value, 'low')
    const [high] = records(value, 'high')
    const sameUnit =
      textOf(low, 'code') === textOf(high, 'code') && textOf(low, 'unit') === textOf(high, 'unit')
    const [from, to] = [numberOf(low, 'value'), numberOf(high, 'value')]
    return from === undefined || to === undefined || !sameUnit || from <= to
  },
  'tim-1': (value) => !has(value, 'duration') || has(value, 'durationUnit'),
  'tim-2': (value) => !has(value, 'period') || has(value, 'periodUnit'),
  'tim-4': (value) => (numberOf(value, 'duration') ?? 0) >= 0,
  'tim-5': (value) => (numberOf(value, 'period') ?? 0) >= 0,
  'tim-6': (value) => !has(value, 'periodMax') || has(value, 'period'),
  'tim-7': (value) => !has(value, 'durationMax') || has(value, 'duration'),
  'tim-8': (value) => !has(value, 'countMax') || has(value, 'count'),
  'tim-9': (value) => {
    const when = Array.isArray(value.when) ? value.when : []
    return !has(value, 'offset') || (has(value, 'when') && !when.some((code) => mealsThemselves.has(code)))
  },
  'tim-10': (value) => !has(value, 'timeOfDay') || !has(value, 'when'),
  'drq-1': (value) => has(value, 'path') !== has(value, 'searchParam'),
  'drq-2': (value) => has(value, 'path') !== has(value, 'searchParam'),
  'trd-1': (value) => !has(value, 'data') || !hasChoice(value, 'timing'),
  'trd-2': (value) => !has(value, 'condition') || has(value, 'data'),
}

const ucum = 'http://unitsofmeasure.org'

/** An offset counts from a meal or sleep, not from the meal as such. */
const mealsThemselves = new Set<unknown>(['C', 'CM', 'CD', 'CV'])

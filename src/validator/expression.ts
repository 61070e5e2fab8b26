import fhirpath from 'fhirpath'
import r4 from 'fhirpath/fhir-context/r4/index.js'
import { decimalText } from '#core/decimal.ts'
import type { Report } from './report.ts'

type Evaluate = (value: unknown, variables: Record<string, unknown>) => unknown

const options = {
  // Expressions of the standard trace what they find: nobody listens, and it would be about patients.
  traceFn: () => {},
  userInvocationTable: {
    // Narratives are checked by narrative.ts.
    htmlChecks: { fn: () => [true], arity: { 0: [] } },
  },
}

/**
 * A constraint's FHIRPath (https://hl7.org/fhirpath/N1/) as a predicate of the element at `path`, parsed when it is first
 * asked. What cannot be decided here (a function that needs a server, an empty result) counts as held: false alarms
 * are worse than a miss. It never throws.
 */
export function compileExpression(
  expression: string,
  path: string,
): (value: unknown, report: Report) => boolean {
  let evaluate: Evaluate | undefined
  let undecidable = false
  return (value, report) => {
    if (undecidable) return true
    try {
      evaluate ??= fhirpath.compile({ base: path, expression }, r4, options) as Evaluate
    } catch {
      undecidable = true
      return true
    }
    try {
      const result = evaluate(plain(value, report), {
        resource: plain(report.resource, report),
        rootResource: plain(report.root, report),
      })
      return !(Array.isArray(result) && result.length === 1 && result[0] === false)
    } catch {
      return true
    }
  }
}

/** Characters of FHIRPath that are parsed in one validation: a parser takes its time, and texts come from anybody. */
const maxParsed = 4000

/** Whether a text is FHIRPath; what goes beyond the limit is not asked. */
export function isExpression(text: string, report: Report): boolean {
  report.parsed += text.length
  if (report.parsed > maxParsed) return true
  try {
    fhirpath.parse(text)
    return true
  } catch {
    return false
  }
}

/** A copy that may be written to, with kept numbers as numbers: fhirpath marks what it is given. Once a report. */
function plain(value: unknown, report: Report): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = report.plain.get(value)
  if (known) return known
  const copy = copyOf(value)
  report.plain.set(value, copy)
  return copy
}

function copyOf(value: object): unknown {
  if (Array.isArray(value)) return value.map(copyAny)
  if (JSON.isRawJSON(value)) return Number(decimalText(value))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyAny(item)]))
}

function copyAny(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? copyOf(value) : value
}

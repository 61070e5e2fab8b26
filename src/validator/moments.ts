/** As far as a FHIR date or dateTime is told: year, month, day, then the time with its zone. */
const told = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(T.+)?)?)?$/

/**
 * Whether a FHIR date or dateTime lies at or before another, as FHIRPath's `<=` decides it
 * (https://hl7.org/fhirpath/N1/#less-or-equal): what is told to different precisions and equal as far as both tell cannot be
 * decided, which breaks a rule that asks for it. What is absent or no date counts as in order (its form is checked elsewhere).
 */
export function inOrderOfTime(start: unknown, end: unknown): boolean {
  const from = typeof start === 'string' ? told.exec(start) : undefined
  const to = typeof end === 'string' ? told.exec(end) : undefined
  if (!from || !to) return true
  if (from[4] && to[4]) {
    // A leap second is not known to Date; the second before it is near enough.
    const [first, last] = [from, to].map(([text]) => Date.parse(text.replace(/:60(?=[.Z+-])/, ':59')))
    return !(first !== undefined && last !== undefined && first > last)
  }
  for (const part of [1, 2, 3]) {
    const [one, other] = [from[part], to[part]]
    if (one === undefined || other === undefined) return one === other
    if (one !== other) return one < other
  }
  return from[4] === to[4]
}

/** How much a finding weighs: an error breaks the log, a warning is for somebody to look at. */
const severities = {
  edit: 'error',
  gap: 'error',
  order: 'error',
  truncation: 'error',
  fork: 'error',
  entry: 'error',
  event: 'error',
  body: 'error',
  tile: 'error',
  checkpoint: 'error',
  signature: 'error',
  clock: 'warning',
  uncovered: 'warning',
} as const

type FindingKind = keyof typeof severities

export interface Finding {
  /** Position in the log that it was seen at; for `edit` and `fork` the size of the checkpoint that does not fit. */
  position?: number
  kind: FindingKind
  severity: 'error' | 'warning'
  text: string
}

export interface Findings {
  add(kind: FindingKind, text: string, position?: number): void
  errors(): number
  list(): Finding[]
}

/** A log can be wrong everywhere; nobody reads more than this. */
const maxFindings = 1000

export function gatherFindings(): Findings {
  const list: Finding[] = []
  let errors = 0
  return {
    add(kind, text, position) {
      const severity = severities[kind]
      if (severity === 'error') errors += 1
      if (list.length < maxFindings) list.push({ position, kind, severity, text })
    },
    errors: () => errors,
    list: () => list,
  }
}

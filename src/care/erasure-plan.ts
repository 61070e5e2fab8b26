import type { Patient } from 'fhir/r4'
import type { PatientRecord, RecordedResource } from '#core/erasure.ts'
import type { Jurisdiction } from '#core/jurisdiction.ts'
import type { Reference } from '#core/resource.ts'
import type { LegalHold } from './legal-hold.ts'
import { type Circumstances, type Kept, keptUntil } from './retention.ts'

/** What erasing a patient would do now: what goes, what stays, until when, and who says so. No content. */
export interface ErasurePlan {
  /** The patient's records: this one, and those that were merged with it. */
  patients: Reference[]
  jurisdiction: Jurisdiction
  /** Nothing is erased while one of them stands. */
  holds: Pick<LegalHold, 'id' | 'placed'>[]
  lines: PlanLine[]
  /** Beside resources. */
  beside: { deliveries: number; receipts: number; events: number; ledgerEntries: number; accounts: number }
  /** AuditEvents stay: they prove what was done, and hold references only. */
  auditLog: { keptYears: number; source: string }
  /** When the last of what stays may go, milliseconds since the epoch; absent where all goes now. */
  completeAt?: number
}

export interface PlanLine {
  class: string
  /** How many resources of each type. */
  resources: Record<string, number>
  fate: 'goes' | 'stays'
  until?: number
  source?: string
}

/** What stays of one record. */
export interface RecordPlan {
  record: PatientRecord
  patient: Reference
  keeps: ReadonlySet<Reference>
  lines: PlanLine[]
  completeAt?: number
}

/** Sorts a record by the classes of retention. */
export function planRecord(
  patient: Reference,
  record: PatientRecord,
  { jurisdiction, now }: { jurisdiction: Jurisdiction; now: number },
): RecordPlan {
  const identity = record.resources.find(({ reference }) => reference === patient)?.resource as
    | Patient
    | undefined
  const lastContact = Math.max(0, ...record.resources.map(({ stored }) => stored.updated))
  const circumstances: Circumstances = {
    jurisdiction,
    lastContact,
    ...(identity ? { patient: identity } : {}),
  }
  const judged = record.resources.map((each) => ({
    each,
    kept: keptUntil(each.resource, each.stored.updated, circumstances),
  }))
  const until = Math.max(0, ...judged.map(({ kept }) => (kept.withTheRest ? 0 : (kept.until ?? 0))))
  const staying = judged.flatMap(({ each, kept }) => {
    const own = kept.withTheRest ? { ...kept, until, source: 'as long as anything else stays' } : kept
    return (own.until ?? 0) > now ? [{ each, kept: own }] : []
  })
  const stays = new Set(staying.map(({ each }) => each.reference))
  const going = judged.filter(({ each }) => !stays.has(each.reference))
  return {
    record,
    patient,
    keeps: stays,
    lines: [
      ...linesOf(
        'goes',
        going.map(({ each, kept }) => ({ each, kept: { class: kept.class } })),
      ),
      ...linesOf('stays', staying),
    ],
    ...(stays.size > 0 ? { completeAt: until } : {}),
  }
}

/** One line for each class and date. */
function linesOf(fate: PlanLine['fate'], judged: { each: RecordedResource; kept: Kept }[]): PlanLine[] {
  const lines = new Map<string, PlanLine>()
  for (const { each, kept } of judged) {
    const key = `${kept.class} ${kept.until}`
    const { until, source } = kept
    const line = lines.get(key) ?? {
      class: kept.class,
      resources: {},
      fate,
      ...(until === undefined ? {} : { until }),
      ...(source ? { source } : {}),
    }
    line.resources[each.stored.type] = (line.resources[each.stored.type] ?? 0) + 1
    lines.set(key, line)
  }
  return [...lines.values()]
}

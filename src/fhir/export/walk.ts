import { patientOf } from '#core/compartment.ts'
import type { SnapshotRow, VersionPlace } from '#core/export.ts'
import type { Call } from '#fhir/call.ts'
import { visibleMatch } from '#fhir/search/page.ts'
import { findVisible, type Shown } from '#fhir/show.ts'
import type { ExportJob, Part } from './job.ts'
import { readTypeFilter, type TypeFilter } from './type-filter.ts'

/** Rows opened at a time: each may hold attachments of some megabytes. */
const batchSize = 100

export interface Walked {
  place: VersionPlace
  /** What the caller may see of it now; none where that is nothing, or where it was not asked for. */
  shown?: Shown
}

export interface Stretch extends Part {
  from?: VersionPlace
  until?: VersionPlace
}

/** The versions of a stretch of the snapshot in their order, each decided for the caller at this moment. */
export async function* walk(call: Call, job: ExportJob, stretch: Stretch): AsyncGenerator<Walked[]> {
  const { type, deletions, until } = stretch
  const within: Call = { ...call, type }
  const filters = (job.filters[type] ?? []).map((text) => readTypeFilter(within, text))
  const wanted = job.patients && new Set<string>(job.patients)
  let from = stretch.from ?? { updated: (job.since ?? -1) + 1, id: '', version: 0 }
  for (;;) {
    const rows = await call.ports.store.snapshot({
      type,
      at: job.at,
      from,
      limit: batchSize,
      ...(until ? { until } : {}),
      ...(deletions ? { deletions } : {}),
      ...(job.patients && !deletions ? { patients: job.patients } : {}),
    })
    yield await Promise.all(
      rows.map(async (row): Promise<Walked> => {
        const shown = await visible(within, row, filters)
        const place = { updated: row.stored.updated, id: row.stored.id, version: row.stored.version }
        return shown && isAsked(job, shown, wanted) ? { place, shown } : { place }
      }),
    )
    const last = rows.at(-1)?.stored
    if (!last || rows.length < batchSize) return
    from = { updated: last.updated, id: last.id, version: last.version + 1 }
  }
}

/**
 * Decided as it stood, and as it stands now where it has changed since: who has lost sight of a resource is not shown
 * what it was. A deletion shows where the version before it does.
 */
async function visible(
  call: Call,
  { stored, superseded }: SnapshotRow,
  filters: readonly TypeFilter[],
): Promise<Shown | undefined> {
  const { store } = call.ports
  if (stored.deleted) {
    const before = await store.readVersion(stored.type, stored.id, stored.version - 1)
    return before && !before.deleted ? findVisible(call, before, 'search') : undefined
  }
  const shown = await firstMatch(call, stored, filters)
  if (!shown || !superseded) return shown
  const current = await store.read(stored.type, stored.id)
  return current && !current.deleted && (await findVisible(call, current, 'search')) ? shown : undefined
}

async function firstMatch(
  call: Call,
  stored: SnapshotRow['stored'],
  filters: readonly TypeFilter[],
): Promise<Shown | undefined> {
  if (filters.length === 0) return findVisible(call, stored, 'search')
  for (const filter of filters) {
    const shown = await visibleMatch(call, filter, stored)
    if (shown) return shown
  }
  return undefined
}

function isAsked({ compartment }: ExportJob, { resource }: Shown, wanted?: ReadonlySet<string>): boolean {
  if (!compartment) return true
  const patient = patientOf(resource)
  return patient !== undefined && (wanted?.has(patient) ?? true)
}

import type { StoredExport } from '#core/export.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest } from '#core/http.ts'
import type { Call, FhirPorts } from '#fhir/call.ts'
import { createTrail } from '#fhir/trail.ts'
import { type ExportJob, type Progress, partsOf, readJob } from './job.ts'
import { type Walked, walk } from './walk.ts'

/** A file ends where it is full: it is written in memory when it is fetched. */
const maxResources = 5_000
const maxCharacters = 8 * 1024 * 1024
/** Rows between the first and the last resource of a file, seen or not: fetching it must end. */
const maxRows = 20_000
/** Rows after which the progress is stored. */
const savedEvery = 2_000
const leaseMs = 15_000
const maxFaults = 3
/** How long the files of an export can be fetched. */
export const keptMs = 24 * 60 * 60_000

/**
 * Prepares one export that waits, to its end, and resolves with how many there were (0 or 1). Preparing is to find where
 * files begin and end, so that a manifest lists what there is to see for who asked and nothing else; no resource is
 * written anywhere. How far it is stands in the store: what a process that died began, another goes on with.
 */
export async function prepareExports(
  ports: FhirPorts,
  isStopped: () => boolean = () => false,
): Promise<number> {
  const { store, clock } = ports
  let stored = await store.claimExport(clock.now(), leaseMs)
  if (!stored) return 0
  try {
    const job = readJob(stored)
    for await (const done of steps(callOf(ports, job), job)) {
      stored = await save(ports, stored, job, done)
      if (isStopped()) return 1
    }
  } catch (cause) {
    // Somebody else goes on with it, or it was taken back.
    if (cause instanceof Failure && cause.kind === 'conflict') return 1
    await noteFault(ports, stored)
    throw cause
  }
  return 1
}

/** Yields whenever the progress is worth to be kept; true at the end. */
async function* steps(call: Call, job: ExportJob): AsyncGenerator<boolean> {
  const parts = partsOf(job)
  const { progress } = job
  let unsaved = 0
  for (; progress.part < parts.length; progress.part++) {
    const part = parts[progress.part]
    if (!part) break
    for await (const rows of walk(call, job, {
      ...part,
      ...(progress.from ? { from: progress.from } : {}),
    })) {
      for (const row of rows) place(job, row)
      const last = rows.at(-1)?.place
      if (last) progress.from = { ...last, version: last.version + 1 }
      unsaved += rows.length
      if (unsaved < savedEvery) continue
      unsaved = 0
      yield false
    }
    close(job)
    progress.from = undefined
  }
  yield true
}

function place(job: ExportJob, { place: at, shown }: Walked): void {
  const { progress } = job
  if (progress.open) progress.open.rows++
  if (!shown) return
  const size = shown.text.length
  if (progress.open && isFull(progress.open, size)) close(job)
  const part = partsOf(job)[progress.part]
  if (!part) return
  progress.open ??= { ...part, from: at, until: at, count: 0, size: 0, rows: 0 }
  progress.open.until = at
  progress.open.count++
  progress.open.size += size
}

function isFull({ count, size, rows }: NonNullable<Progress['open']>, more: number): boolean {
  return count >= maxResources || size + more > maxCharacters || rows > maxRows
}

function close(job: ExportJob): void {
  const { open } = job.progress
  if (!open) return
  const { type, deletions, from, until } = open
  job.files.push({ type, deletions, from, until })
  job.progress.open = undefined
}

async function save(
  ports: FhirPorts,
  before: StoredExport,
  job: ExportJob,
  done: boolean,
): Promise<StoredExport> {
  const now = ports.clock.now()
  const next: StoredExport = {
    ...before,
    revision: before.revision + 1,
    state: done ? 'complete' : 'preparing',
    lease: now + leaseMs,
    expires: now + keptMs,
    json: JSON.stringify(job),
  }
  await ports.store.commit({ audit: [], exports: [next] })
  return next
}

/** A fault of ours is tried again a few times; then the export has failed, and says so to who asked. */
async function noteFault(ports: FhirPorts, stored: StoredExport): Promise<void> {
  const job = readJob(stored)
  const faults = job.faults + 1
  const next: StoredExport = {
    ...stored,
    revision: stored.revision + 1,
    state: faults >= maxFaults ? 'failed' : 'preparing',
    lease: ports.clock.now() + leaseMs,
    json: JSON.stringify({ ...job, faults }),
  }
  await ports.store.commit({ audit: [], exports: [next] }).catch((cause) => {
    // The store is what is at fault: the lease runs out by itself.
    if (!(cause instanceof Failure)) throw cause
  })
}

/** As who asked: nobody sends a request while it is prepared. */
function callOf(ports: FhirPorts, { caller, requestId }: ExportJob): Call {
  const request: DoorRequest = {
    method: 'GET',
    path: '$export',
    query: new URLSearchParams(),
    header: () => undefined,
    body: new Uint8Array(0),
    caller,
    requestId,
  }
  const prefer = { return: 'representation', handling: 'strict', pretty: false } as const
  return { ports, request, kind: 'search', type: '', id: '', version: '', prefer, trail: createTrail() }
}

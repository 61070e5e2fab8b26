import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Answer, Call } from './call.ts'
import { ok } from './respond.ts'
import { bundleText, historyEntry } from './search/bundle.ts'
import { absent, findVisible, type Shown } from './show.ts'
import { traceDecision, traceResource } from './trail.ts'

/** Versions in one answer. Older ones are still there by vread. */
const maxVersions = 200

/**
 * https://hl7.org/fhir/R4/http.html#history of one resource, newest first. Each version is decided by itself; a
 * deletion shows where the version before it does.
 */
export async function history(call: Call): Promise<Answer> {
  const { store, ids, clock, base } = call.ports
  const count = readCount(call)
  const versions = await store.history(call.type, call.id, count)
  if (versions.length === 0) throw absent()
  const visible = await Promise.all(versions.map((stored) => findVersion(call, stored)))
  for (const { shown } of visible) {
    if (!shown) continue
    traceDecision(call.trail, shown.decision)
    traceResource(call.trail, shown.resource)
  }
  if (!visible.some(({ shown }) => shown)) {
    call.trail.denied = true
    throw absent()
  }
  const entries = visible.flatMap(({ stored, shown }) =>
    shown ? [historyEntry(base, stored, stored.deleted ? undefined : shown.text)] : [],
  )
  const links = [{ relation: 'self', url: `${base}/${call.type}/${call.id}/_history` }] as const
  return { response: ok(bundleText({ id: ids.random(), type: 'history', at: clock.now(), links, entries })) }
}

async function findVersion(call: Call, stored: Stored): Promise<{ stored: Stored; shown?: Shown }> {
  if (!stored.deleted) return { stored, shown: await findVisible(call, stored, 'history') }
  const before = await call.ports.store.readVersion(stored.type, stored.id, stored.version - 1)
  if (!before || before.deleted) return { stored }
  return { stored, shown: await findVisible(call, before, 'history') }
}

function readCount(call: Call): number {
  for (const key of call.request.query.keys()) {
    if (!['_count', '_format', '_pretty'].includes(key) && call.prefer.handling === 'strict') {
      throw new Failure('unsupported', 'The history takes the parameter _count only.')
    }
  }
  const text = call.request.query.get('_count') ?? String(maxVersions)
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new Failure('malformed', 'The parameter _count is not a number from 1.')
  return Math.min(Number(text), maxVersions)
}

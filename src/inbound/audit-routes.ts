import { type Accounting, type AccountingQuery, accountingOf } from '#audit/accounting.ts'
import { writeProof } from '#audit/proof-text.ts'
import type { Prover } from '#audit/prover.ts'
import type { Act } from '#core/act.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Store, Vault } from '#core/ports.ts'
import { accountingPage } from './accounting-page.ts'
import { type Asked, readAccountingQuery, readTilePath } from './audit-request.ts'
import type { Described, Route } from './http.ts'

export interface AuditRouteOptions {
  store: Store
  vault: Vault
  access: Access
  prover: Prover
  /** Key that checks the checkpoints; told with each accounting, to be compared with the one kept elsewhere. */
  vkey: string
  /** Tells the log of an act: to read the log is one. */
  audit(act: Omit<Act, 'at'>): Promise<void>
}

/**
 * The log for those who watch over it: a read-only https://c2sp.org/tlog-tiles below `/audit`, proofs, and the
 * accounting of a patient. Whoever may read AuditEvents may read this.
 */
export function auditRoutes(options: AuditRouteOptions): Route[] {
  const { prover, store, vault, vkey, access } = options
  const get = (path: string, described: Described, tell: Tell, answer: Answer): Route => ({
    policy: 'token',
    method: 'GET',
    path,
    described,
    answer: (request) => onRecord(options, request, tell, answer),
  })
  return [
    get(
      '/audit/checkpoint',
      text('Signed head of the log (C2SP checkpoint)'),
      named('checkpoint'),
      async () => plain((await prover.checkpoint()).note),
    ),
    get('/audit/tile/*', tile, named('tile'), async ({ path }) => {
      const { level, number, width } = readTilePath(path)
      const bytes =
        level === 'entries' ? await prover.entries(number, width) : await prover.tile(level, number, width)
      return { ...plain('', 'application/octet-stream'), bytes }
    }),
    get(
      '/audit/proof/inclusion',
      { ...text('Proof that an event is in the log'), query: { event: { text: 'its id', required: true } } },
      ({ query }) => eventRead(query.get('event')),
      async ({ query }) => {
        const [inclusion] = await prover.inclusions([requireId(query.get('event'))])
        if (!inclusion) throw new Failure('not-found', 'There is no such event in the log')
        return plain(writeProof(inclusion))
      },
    ),
    get('/audit/proof/consistency', consistency, named('consistency'), async ({ query }) => {
      const to = query.get('to')
      const from = requireSize(query.get('from'))
      return json(await prover.consistency(from, to === null ? undefined : requireSize(to)))
    }),
    get('/audit/accounting', accounting, accountingRead, async (request) => {
      const asked = readAccountingQuery(request.query)
      const records = await access.recordsOf(asked.query.patient)
      const told = await accountingOf({ store, vault, prover }, { ...asked.query, records })
      if (request.header('accept')?.includes('text/html')) return accountingPage(told, nextOf(asked, told))
      return json({ ...told, key: vkey, ...nextOf(asked, told) })
    }),
  ]
}

const text = (summary: string): Described => ({ summary, gives: ['text/plain'] })
const tile: Described = {
  summary: 'A tile of the log (C2SP tlog-tiles); the path has slashes in it',
  gives: ['application/octet-stream'],
}
const consistency: Described = {
  summary: 'Proof that the log only grew',
  query: { from: { text: 'size', required: true }, to: { text: 'size; the whole log where absent' } },
}
const accounting: Described = {
  summary: 'Who looked at a patient, and why',
  query: {
    patient: { text: 'Patient/id', required: true },
    from: { text: 'date or instant' },
    to: { text: 'date or instant' },
    _count: { text: 'events on a page' },
    after: { text: 'as nextPage gave it' },
  },
  gives: ['application/json', 'text/html'],
}

type Answer = (request: DoorRequest) => Promise<DoorResponse>
type Tell = (request: DoorRequest) => Pick<Act, 'kind' | 'patients' | 'entities' | 'query' | 'outcomeText'>

function named(part: string): Tell {
  return () => ({ kind: 'read', patients: [], entities: [], outcomeText: `log: ${part}` })
}

function eventRead(id: string | null): ReturnType<Tell> {
  return { kind: 'read', patients: [], entities: id && isId(id) ? [`AuditEvent/${id}`] : [] }
}

function accountingRead({ path, query }: DoorRequest): ReturnType<Tell> {
  const patient = readPatient(query)
  return { kind: 'search', patients: patient ? [patient] : [], entities: [], query: `GET ${path}?${query}` }
}

function readPatient(query: URLSearchParams): AccountingQuery['patient'] | undefined {
  try {
    return readAccountingQuery(query).query.patient
  } catch {
    return undefined
  }
}

/** Gate, answer, record, in this order; a refusal is on record before it is said. */
async function onRecord(
  { access, audit }: AuditRouteOptions,
  request: DoorRequest,
  tell: Tell,
  answer: Answer,
): Promise<DoorResponse> {
  const { caller, requestId } = request
  const told = tell(request)
  const decision = access.gate(caller, told.kind === 'search' ? 'search' : 'read', 'AuditEvent')
  const act = { ...told, caller, requestId, reasons: decision.reasons }
  try {
    if (!decision.permit) throw new Failure('forbidden', 'This token does not allow to read the log')
    const response = await answer(request)
    await audit({ ...act, outcome: 'success' })
    return response
  } catch (cause) {
    const kind = cause instanceof Failure ? cause.kind : 'internal'
    await audit({ ...act, outcome: decision.permit ? 'failed' : 'denied', outcomeText: `log: ${kind}` })
    throw cause
  }
}

function nextOf({ url }: Asked, { next }: Accounting): { nextPage?: string } {
  return next ? { nextPage: url(next) } : {}
}

function isId(text: string): boolean {
  return /^[A-Za-z0-9.-]{1,64}$/.test(text)
}

function requireId(text: string | null): string {
  if (text && isId(text)) return text
  throw new Failure('invalid', 'Name the event by its id: ?event=<id>')
}

function requireSize(text: string | null): number {
  if (text && /^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new Failure('invalid', 'Give sizes of the log as whole numbers: ?from=<size>&to=<size>')
}

function plain(body: string, type = 'text/plain; charset=utf-8'): DoorResponse {
  return { status: 200, headers: { 'content-type': type }, body }
}

function json(value: object): DoorResponse {
  return plain(JSON.stringify(value), 'application/json; charset=utf-8')
}

import {
  approveSigner,
  proposeSigner,
  requireOperator,
  revokeSigner,
  type SignerAsker,
  type SignerPorts,
  signerProposal,
} from '#auth/signers.ts'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import { bodySchema } from '#flows/body-schema.ts'
import { parseJson } from '#formats/json.ts'
import type { Described, Route } from './http.ts'

export interface SignerRouteOptions extends SignerPorts {
  /** Tells the log of an act that changed nothing. */
  tell(act: Omit<Act, 'at'>): Promise<void>
}

/** Who may sign orders, with which keys: for operators who signed in (docs/prescriptions.md). */
export function signerRoutes(options: SignerRouteOptions): Route[] {
  const post = (path: string, described: Described, status: number, change: Change): Route => ({
    policy: 'token',
    method: 'POST',
    path,
    described,
    answer: (request) => changed(options, request, { status, change }),
  })
  const keyIn = ({ path }: DoorRequest) => {
    const [, id = '', , thumbprint = ''] = path.split('/')
    return { person: `Practitioner/${id}`, thumbprint }
  }
  return [
    {
      policy: 'token',
      method: 'GET',
      path: '/signers',
      described: { summary: 'Who may sign orders, with which keys' },
      answer: (request) => listed(options, request),
    },
    post('/signers', proposing, 201, (ports, request, by) =>
      proposeSigner(ports, parseJson(request.body), by),
    ),
    post(
      `${key}/$approve`,
      { summary: 'Approve a signing key that somebody else proposed' },
      200,
      (ports, request, by) => approveSigner(ports, keyIn(request), by),
    ),
    post(`${key}/$revoke`, { summary: 'End the right to sign with a key' }, 200, (ports, request, by) =>
      revokeSigner(ports, keyIn(request), by),
    ),
  ]
}

const key = '/signers/:practitioner/keys/:thumbprint'
const proposing: Described = {
  summary: 'Propose a key that a prescriber signs orders with',
  takes: { type: 'application/json', name: 'signer-proposal', schema: () => bodySchema(signerProposal) },
  alsoAnswers: { 201: { description: 'Proposed' } },
}

type Change = (ports: SignerPorts, request: DoorRequest, by: SignerAsker) => Promise<unknown>

/** Whoever is refused is on record; what succeeds is, with its commit. */
async function changed(
  options: SignerRouteOptions,
  request: DoorRequest,
  { status, change }: { status: number; change: Change },
): Promise<DoorResponse> {
  const { caller, requestId } = request
  return onRecord(options, request, 'configuration', async () =>
    json(status, await change(options, request, { caller, requestId })),
  )
}

function listed(options: SignerRouteOptions, request: DoorRequest): Promise<DoorResponse> {
  const { caller, requestId } = request
  return onRecord(options, request, 'read', async () => {
    requireOperator(caller)
    const rows = await options.store.registrations('signer')
    const act = { kind: 'read', outcome: 'success', outcomeText: 'signing keys looked at' } as const
    await options.tell({ ...act, caller, requestId, patients: [], entities: [] })
    return json(
      200,
      rows.map((row) => JSON.parse(row.json)),
    )
  })
}

async function onRecord(
  { tell }: SignerRouteOptions,
  { caller, requestId }: DoorRequest,
  kind: 'configuration' | 'read',
  answer: () => Promise<DoorResponse>,
): Promise<DoorResponse> {
  try {
    return await answer()
  } catch (cause) {
    const reason = cause instanceof Failure ? cause.kind : 'internal'
    const outcome = reason === 'forbidden' ? 'denied' : 'failed'
    const outcomeText = `signing keys: ${reason}`
    await tell({ kind, outcome, outcomeText, caller, requestId, patients: [], entities: [] })
    throw cause
  }
}

function json(status: number, value: unknown): DoorResponse {
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  return { status, headers, body: JSON.stringify(value) }
}

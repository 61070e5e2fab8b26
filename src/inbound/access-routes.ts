import { type Explanation, explain, explainable, type Question } from '#access/explain.ts'
import { callerOf, clientOf } from '#auth/clients.ts'
import type { Act } from '#core/act.ts'
import type { Caller, ClientRegistration } from '#core/caller.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import type { Route } from './http.ts'

export interface ExplainPorts {
  store: Store
  access: Access
  /** Tells the log that somebody asked. */
  audit(act: Omit<Act, 'at'>): Promise<void>
}

/** What is asked, as text from outside. */
export interface ExplainQuery {
  client?: string
  resource?: string
  interaction?: string
  purpose?: string
}

export interface Explained extends Omit<Explanation, 'patient'> {
  client: string
  resource: Reference
  interaction: Question['interaction']
  purpose: string
}

/** `GET /access/explain`: why somebody may or may not see something, for privacy officers and for who it is about. */
export function accessRoutes(ports: ExplainPorts): Route[] {
  return [
    {
      policy: 'token',
      method: 'GET',
      path: '/access/explain',
      described: {
        summary: 'Why a client may or may not see something',
        query: {
          resource: { text: 'Type/id', required: true },
          interaction: { text: `one of ${explainable.join(', ')}` },
          'actor-client': { text: 'another client, for privacy officers' },
          purpose: { text: 'purpose of use, a code of v3-ActReason' },
        },
      },
      answer: (request) => answer(request, ports),
    },
  ]
}

async function answer({ query, caller, requestId }: DoorRequest, ports: ExplainPorts): Promise<DoorResponse> {
  const asked = {
    client: query.get('actor-client') ?? caller.clientId,
    resource: query.get('resource') ?? undefined,
    interaction: query.get('interaction') ?? undefined,
    purpose: query.get('purpose') ?? undefined,
  }
  const body = JSON.stringify(await explainOnRecord(ports, asked, { caller, requestId }))
  return { status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body }
}

/**
 * Answers a question about access, on record before it is answered. A privacy officer may ask about everybody. Others
 * ask about themselves only, and are told no more than the FHIR door tells them: what they may not see is not there,
 * and neither the consents that decided nor the names of hidden elements are theirs to know.
 */
export async function explainOnRecord(
  ports: ExplainPorts,
  asked: ExplainQuery,
  by: { caller: Caller; requestId: string },
): Promise<Explained> {
  const isOfficer = by.caller.role === 'privacy-officer'
  const told = { kind: 'read', ...by, patients: [], entities: [] } as const
  try {
    const { resource, interaction } = readQuestion(asked)
    if (!isOfficer && asked.client !== by.caller.clientId) {
      throw new Failure('forbidden', 'Only a privacy officer may ask about somebody else')
    }
    const client = await clientOf(ports.store, asked.client ?? '')
    if (!client) throw absent()
    const purpose = asked.purpose ?? client.purposes[0] ?? ''
    const found = isOfficer
      ? await explainFor(ports, client, { resource, interaction, purpose })
      : await explainOwn(ports, client, { resource, interaction, purpose })
    if (!found) throw absent()
    const { patient, ...explanation } = found
    const consents = explanation.consents as Reference[]
    await ports.audit({
      ...told,
      outcome: 'success',
      outcomeText: 'access explained',
      patients: patient ? [patient] : [],
      entities: [resource],
      consents,
      reasons: explanation.reasons,
    })
    const shown = isOfficer ? explanation : { ...explanation, consents: [], hidden: [] }
    return { client: client.id, resource, interaction, purpose, ...shown }
  } catch (cause) {
    const kind = cause instanceof Failure ? cause.kind : 'internal'
    const outcome = kind === 'forbidden' ? 'denied' : 'failed'
    await ports.audit({ ...told, outcome, outcomeText: `access explain: ${kind}` })
    throw cause
  }
}

/** What a token alone shows to be refused is told before anything is looked up; any other refusal is absence (ACC1). */
async function explainOwn(
  ports: ExplainPorts,
  client: ClientRegistration,
  question: Omit<Question, 'caller'> & { purpose: string },
): Promise<Explanation | undefined> {
  const { resource, interaction, purpose } = question
  const gated = ports.access.gate(callerOf(client, { purpose }), interaction, resource.split('/')[0] ?? '')
  if (!gated.permit) return { ...gated, hidden: [] }
  const found = await explainFor(ports, client, question)
  return found?.permit ? found : undefined
}

/** What the registration alone refuses is told like any other reason. */
async function explainFor(
  { store, access }: ExplainPorts,
  client: ClientRegistration,
  { purpose, ...question }: Omit<Question, 'caller'> & { purpose: string },
): Promise<Explanation | undefined> {
  const found = await explain({ store, access }, { ...question, caller: callerOf(client, { purpose }) })
  const refused = [
    ...(client.active ? [] : ['client:switched-off']),
    ...(client.purposes.includes(purpose) ? [] : ['purpose:not-registered']),
  ]
  if (!found || refused.length === 0) return found
  return { ...found, permit: false, reasons: [...refused, ...found.reasons], hidden: [] }
}

function readQuestion({
  resource,
  interaction = 'read',
}: ExplainQuery): Pick<Question, 'resource' | 'interaction'> {
  if (!resource || !/^[A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64}$/.test(resource)) {
    throw new Failure('malformed', [
      { text: 'resource must be one reference, Type/id', expression: 'resource' },
    ])
  }
  const known = explainable.find((each) => each === interaction)
  if (!known) {
    const text = `interaction must be one of ${explainable.join(', ')}`
    throw new Failure('malformed', [{ text, expression: 'interaction' }])
  }
  return { resource: resource as Reference, interaction: known }
}

function absent(): Failure {
  return new Failure('not-found', 'There is no such resource.')
}

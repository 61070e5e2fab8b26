import type { Parameters } from 'fhir/r4'
import * as z from 'zod'
import type { ErasureRequest, Erasures } from '#care/erasure.ts'
import { type HoldPorts, holdsOn, liftHold, placeHold } from '#care/legal-hold.ts'
import { requireOfficer } from '#care/privacy-officer.ts'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Reference } from '#core/resource.ts'
import { bodySchema } from '#flows/body-schema.ts'
import { parseJson } from '#formats/json.ts'
import type { Described, Route } from './http.ts'

export interface ErasureRouteOptions extends HoldPorts {
  erasures: Erasures
  /** Tells the log of an act that changed nothing. */
  tell(act: Omit<Act, 'at'>): Promise<void>
}

const line = (max: number) => z.string().min(1).max(max)
const holdBody = z.strictObject({
  patient: z.string().regex(/^Patient\/[A-Za-z0-9.-]{1,64}$/),
  reason: line(500),
})
const eraseBody = z.strictObject({
  resourceType: z.literal('Parameters'),
  parameter: z
    .array(
      z.discriminatedUnion('name', [
        z.strictObject({ name: z.literal('basis'), valueString: line(500) }),
        z.strictObject({ name: z.literal('approve'), valueId: line(64) }),
      ]),
    )
    .length(1),
})

/** Erasure and legal hold, for privacy officers who signed in (docs/retention.md). */
export function erasureRoutes(options: ErasureRouteOptions): Route[] {
  const route = (
    method: 'GET' | 'POST',
    path: string,
    described: Described,
    answer: (request: DoorRequest) => Promise<DoorResponse>,
  ): Route => ({
    policy: 'token',
    method,
    path,
    described,
    answer: (request) => onRecord(options, request, () => answer(request)),
  })
  return [
    route('POST', '/fhir/Patient/:patient/$erase', erasing, (request) => erase(options, request)),
    route('GET', '/erasures', { summary: 'Erasures that were asked for, with their receipts' }, (request) =>
      listed(options, request, 'erasures listed', () => options.erasures.list()),
    ),
    route('GET', '/holds', { summary: 'Legal holds in force' }, (request) =>
      listed(options, request, 'legal holds listed', () => holdsOn(options)),
    ),
    route('POST', '/holds', holding, async (request) => {
      const { patient, reason } = read(holdBody, request)
      return json(201, await placeHold(options, { patient: patient as Reference, reason }, request))
    }),
    route(
      'POST',
      '/holds/:id/$lift',
      { summary: 'Ask for the end of a legal hold; a second officer ends it' },
      async (request) => json(200, await liftHold(options, request.path.split('/')[1] ?? '', request)),
    ),
  ]
}

const erasing: Described = {
  summary: 'Ask for a patient’s erasure (basis), or approve what another officer asked for (approve)',
  takes: {
    type: 'application/fhir+json',
    name: 'erase-parameters',
    schema: () => bodySchema(eraseBody),
  },
  gives: ['application/fhir+json'],
  alsoAnswers: { 202: { description: 'Asked for: it waits for another officer' } },
}
const holding: Described = {
  summary: 'Place a legal hold on a patient’s record',
  takes: { type: 'application/json', name: 'legal-hold', schema: () => bodySchema(holdBody) },
  alsoAnswers: { 201: { description: 'In force' } },
}

/** `POST Patient/[id]/$erase`: one officer asks, another one approves, and what the law lets go goes at once. */
async function erase({ erasures }: ErasureRouteOptions, request: DoorRequest): Promise<DoorResponse> {
  requireOfficer(request.caller)
  const patient = `Patient/${request.path.split('/')[2] ?? ''}` as const
  const [parameter] = read(eraseBody, request).parameter
  if (parameter?.name === 'basis')
    return parameters(202, await erasures.request({ patient, basis: parameter.valueString }, request))
  const id = parameter?.valueId ?? ''
  const named = (await erasures.list()).find((each) => each.id === id && each.patient === patient)
  if (!named) throw new Failure('not-found', 'There is no such erasure of this patient')
  return parameters(200, await erasures.approve(id, request))
}

function parameters(status: number, { id, state, due, receipts }: ErasureRequest): DoorResponse {
  const body: Parameters = {
    resourceType: 'Parameters',
    parameter: [
      { name: 'erasure', valueId: id },
      { name: 'state', valueCode: state },
      ...(due === undefined ? [] : [{ name: 'due', valueInstant: new Date(due).toISOString() }]),
      ...receipts.map((valueString) => ({ name: 'receipt', valueString })),
    ],
  }
  const headers = { 'content-type': 'application/fhir+json; charset=utf-8' }
  return { status, headers, body: JSON.stringify(body) }
}

async function listed(
  { tell }: ErasureRouteOptions,
  { caller, requestId }: DoorRequest,
  outcomeText: string,
  find: () => Promise<readonly { patient: Reference }[]>,
): Promise<DoorResponse> {
  requireOfficer(caller)
  const found = await find()
  const patients = found.map(({ patient }) => patient)
  await tell({ kind: 'read', outcome: 'success', outcomeText, caller, requestId, patients, entities: [] })
  return json(200, found)
}

function read<T>(schema: z.ZodType<T>, { body }: DoorRequest): T {
  const found = schema.safeParse(parseJson(body))
  if (found.success) return found.data
  const issues = found.error.issues.map(({ path, message }) => ({
    text: message,
    expression: path.join('.'),
  }))
  throw new Failure('invalid', issues)
}

/** Whoever is refused is on record; what succeeds is, with its commit. */
async function onRecord(
  { tell }: ErasureRouteOptions,
  { caller, requestId, method }: DoorRequest,
  answer: () => Promise<DoorResponse>,
): Promise<DoorResponse> {
  try {
    return await answer()
  } catch (cause) {
    const reason = cause instanceof Failure ? cause.kind : 'internal'
    const outcome = reason === 'forbidden' ? 'denied' : 'failed'
    const kind = method === 'GET' ? 'read' : 'erase'
    const outcomeText = `erasure and holds: ${reason}`
    await tell({ kind, outcome, outcomeText, caller, requestId, patients: [], entities: [] })
    throw cause
  }
}

function json(status: number, value: unknown): DoorResponse {
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  return { status, headers, body: JSON.stringify(value) }
}

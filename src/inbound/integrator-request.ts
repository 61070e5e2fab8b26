import type * as z from 'zod'
import type { Act } from '#core/act.ts'
import type { Interaction } from '#core/caller.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import { parseJson } from '#formats/json.ts'

/*
 * What whoever runs the clinic asks of its machinery: an operator whose scope allows StructureMap, which is what FHIR
 * calls a mapping.
 */

export interface IntegratorPorts {
  access: Pick<Access, 'gate'>
  /** Tells the log of an act that nothing behind the door tells of. */
  audit(act: Omit<Act, 'at'>): Promise<void>
}

export type Answer = (request: DoorRequest) => Promise<unknown>

/** Answers a question, on record either way. */
export async function looked(
  options: IntegratorPorts,
  request: DoorRequest,
  answer: Answer,
): Promise<DoorResponse> {
  const by = await gated(options, request, 'read')
  const act = { kind: 'read', ...by, patients: [], entities: [] } as const
  try {
    const found = await answer(request)
    await options.audit({ ...act, outcome: 'success', outcomeText: 'mappings looked at' })
    return json(200, found)
  } catch (cause) {
    const kind = cause instanceof Failure ? cause.kind : 'internal'
    await options.audit({ ...act, outcome: 'failed', outcomeText: `mappings: ${kind}` })
    throw cause
  }
}

/** Who may look at or change what an integrator works on. Whoever is refused is on record. Throws Failure `forbidden`. */
export async function gated(
  { access, audit }: IntegratorPorts,
  { caller, requestId }: DoorRequest,
  interaction: Interaction,
) {
  const { permit, reasons } = access.gate(caller, interaction, 'StructureMap')
  if (permit) return { caller, requestId }
  const kind = interaction === 'read' ? 'read' : 'configuration'
  const act = { kind, outcome: 'denied', outcomeText: 'mappings: forbidden', reasons } as const
  await audit({ ...act, caller, requestId, patients: [], entities: [] })
  throw new Failure('forbidden', 'This token does not allow to see or change mappings')
}

/** Throws Failure `invalid` with every problem, on record. */
export async function bodyOf<Schema extends z.ZodType>(
  { audit }: IntegratorPorts,
  { body, caller, requestId }: DoorRequest,
  schema: Schema,
): Promise<z.output<Schema>> {
  try {
    const read = schema.safeParse(parseJson(body))
    if (read.success) return read.data
    throw new Failure(
      'invalid',
      read.error.issues.map(({ path, message }) => ({ text: message, expression: path.join('.') })),
    )
  } catch (cause) {
    const outcomeText = `mappings: ${cause instanceof Failure ? cause.kind : 'internal'}`
    const act = { kind: 'configuration', outcome: 'failed', outcomeText } as const
    await audit({ ...act, caller, requestId, patients: [], entities: [] })
    throw cause
  }
}

export function json(status: number, value: unknown): DoorResponse {
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  return { status, headers, body: JSON.stringify(value) }
}

import { Failure } from '#core/failure.ts'
import { outcomeOf } from '#core/outcome.ts'
import { parseJson } from '#formats/json.ts'
import type { Answer, Call } from './call.ts'
import { requireJsonBody } from './negotiate.ts'
import { ok } from './respond.ts'
import { absent, requireVisible } from './show.ts'

const modes = ['create', 'update', 'delete', 'profile', 'no-action'] as const

/** https://hl7.org/fhir/R4/resource-operation-validate.html: what a write would say, and nothing is stored. */
export async function validate(call: Call): Promise<Answer> {
  const asked = readAsked(call)
  const { mode, profile } = asked
  if (mode !== undefined && !modes.some((known) => known === mode)) {
    throw new Failure('malformed', `The parameter mode is one of ${modes.join(', ')}.`)
  }
  const stored = call.id === '' ? undefined : await storedText(call)
  if (mode === 'delete') {
    if (call.id === '') throw new Failure('malformed', 'What is to be deleted is named by its id in the URL.')
    return told([])
  }
  const resource = asked.resource ?? (stored === undefined ? undefined : parseJson(stored))
  if (resource === undefined) throw new Failure('malformed', 'There is no resource to validate.')
  const { resourceType, id } = resource as { resourceType?: unknown; id?: unknown }
  if (resourceType !== call.type) {
    throw new Failure('malformed', [
      { text: `resourceType is not ${call.type}, which the URL names.`, expression: 'resourceType' },
    ])
  }
  const issues = [...call.ports.validator.check(resource as never, profile)]
  if (mode === 'update' && (id === undefined || (call.id !== '' && id !== call.id))) {
    issues.unshift({
      code: 'invalid',
      rule: 'update-id',
      text: 'An update needs the id that the URL names.',
      expression: 'id',
    })
  }
  return told(issues)
}

function told(issues: Parameters<typeof outcomeOf>[0]): Answer {
  const none = { severity: 'information', code: 'informational', text: 'No issues were found.' } as const
  return { response: ok(JSON.stringify(outcomeOf(issues.length > 0 ? issues : [none], 'invalid'))) }
}

async function storedText(call: Call): Promise<string> {
  const stored = await call.ports.store.read(call.type, call.id)
  if (!stored || stored.deleted) throw absent()
  return (await requireVisible(call, stored)).text
}

interface Asked {
  resource?: unknown
  mode?: string
  profile?: string
}

/** The resource itself, or Parameters around it; mode and profile in either place. */
function readAsked({ request }: Call): Asked {
  const asked: Asked = {}
  const [mode, profile] = [request.query.get('mode'), request.query.get('profile')]
  if (mode !== null) asked.mode = mode
  if (profile !== null) asked.profile = profile
  if (request.body.byteLength === 0) return asked
  requireJsonBody(request)
  const body = parseJson(request.body)
  if (typeof body !== 'object' || body === null)
    throw new Failure('malformed', 'The body is not a FHIR resource.')
  const { resourceType, parameter } = body as { resourceType?: unknown; parameter?: unknown }
  if (resourceType !== 'Parameters') return { ...asked, resource: body }
  for (const part of Array.isArray(parameter) ? (parameter as Record<string, unknown>[]) : []) {
    const text = part?.valueCode ?? part?.valueUri ?? part?.valueCanonical
    if (part?.name === 'resource') asked.resource = part.resource
    if (part?.name === 'mode' && typeof text === 'string') asked.mode = text
    if (part?.name === 'profile' && typeof text === 'string') asked.profile = text
  }
  return asked
}

import { type LaunchPorts, launchBody, makeLaunch } from '#auth/apps/launch.ts'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import { bodySchema } from '#flows/body-schema.ts'
import { parseJson } from '#formats/json.ts'
import type { Route } from './http.ts'

export interface LaunchRouteOptions extends LaunchPorts {
  tell(act: Omit<Act, 'at'>): Promise<void>
}

/** Where an EHR starts an app about a patient whose record is open (SMART EHR launch). */
export function launchRoutes(options: LaunchRouteOptions): Route[] {
  return [
    {
      policy: 'token',
      method: 'POST',
      path: '/auth/launch',
      described: {
        summary: 'A launch context for an app, about one patient',
        takes: { type: 'application/json', name: 'app-launch', schema: () => bodySchema(launchBody) },
        alsoAnswers: { 201: { description: 'Made: give `launch` to the app' } },
      },
      answer: (request) => launched(options, request),
    },
  ]
}

async function launched(options: LaunchRouteOptions, request: DoorRequest): Promise<DoorResponse> {
  const { caller, requestId } = request
  const act = { kind: 'read', caller, requestId } as const
  try {
    const { launch, patient } = await makeLaunch(options, caller, parseJson(request.body))
    const entities = [patient]
    await options.tell({
      ...act,
      outcome: 'success',
      outcomeText: 'app launched',
      patients: [patient],
      entities,
    })
    const headers = { 'content-type': 'application/json; charset=utf-8' }
    return { status: 201, headers, body: JSON.stringify({ launch }) }
  } catch (cause) {
    const kind = cause instanceof Failure ? cause.kind : 'internal'
    const outcome = kind === 'forbidden' ? 'denied' : 'failed'
    const outcomeText = `app launch: ${kind}`
    await options.tell({ ...act, outcome, outcomeText, patients: [], entities: [] })
    throw cause
  }
}

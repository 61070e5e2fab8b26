import { Failure } from '#core/failure.ts'
import { operationOutcome } from '#core/outcome.ts'
import type { WorkerEnv } from './worker/clinic.ts'
import { readSettings, type Settings } from './worker/settings.ts'

export { Clinic } from './worker/clinic.ts'
export { KeyVault } from './worker/key-vault.ts'

/** Settings are read once for each environment, not for each request. */
const known = new WeakMap<WorkerEnv, Settings>()

/**
 * The edge entry: one clinic is one SQLite Durable Object in which the whole gateway runs. This Worker only finds it
 * by the host name of the request; an unknown host makes no object.
 */
export default {
  async fetch(request: Request, env: WorkerEnv): Promise<Response> {
    try {
      const { host, protocol } = new URL(request.url)
      const clinic = settingsOf(env).clinics.get(host)
      // A token sent over plain http is not taken where https is the address.
      if (!clinic || new URL(clinic.baseUrl).protocol !== protocol) {
        return refusal(new Failure('not-found', 'There is no clinic at this address'))
      }
      return await env.CLINIC.get(env.CLINIC.idFromName(clinic.clinic)).fetch(request)
    } catch (cause) {
      // The words of a fault may hold data: its name only.
      console.error(
        'worker',
        cause instanceof Failure ? cause.kind : cause instanceof Error ? cause.name : 'fault',
      )
      return refusal(
        new Failure('unavailable', 'This clinic cannot be opened: its operator has to look at it'),
      )
    }
  },
}

function settingsOf(env: WorkerEnv): Settings {
  const settings = known.get(env) ?? readSettings(env)
  known.set(env, settings)
  return settings
}

function refusal(failure: Failure): Response {
  return new Response(JSON.stringify(operationOutcome(failure)), {
    status: failure.kind === 'unavailable' ? 503 : 404,
    headers: { 'content-type': 'application/fhir+json', 'cache-control': 'no-store' },
  })
}

import * as z from 'zod'
import { Refusal } from '#auth/refusal.ts'
import type { Sealer } from '#auth/sealer.ts'
import type { Caller } from '#core/caller.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import type { Reference, Resource } from '#core/resource.ts'
import { appOf } from './app.ts'

/** The body by which an EHR starts an app. */
export const launchBody = z.strictObject({
  app: z.string().min(1).max(64),
  patient: z.string().regex(/^Patient\/[A-Za-z0-9.-]{1,64}$/),
})

interface Launch {
  id: string
  app: string
  patient: Reference
}

const launchMs = 5 * 60_000

export interface LaunchPorts {
  store: Store
  access: Access
  sealer: Sealer
  /** A random id. */
  random(): string
}

/**
 * A launch context (https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch): opaque, for one app, for
 * five minutes. Only who may read the patient's record hands it on. Throws Failure `invalid`, `forbidden` or `not-found`.
 */
export async function makeLaunch(
  { store, access, sealer, random }: LaunchPorts,
  caller: Caller,
  asked: unknown,
): Promise<{ launch: string; patient: Reference }> {
  const read = launchBody.safeParse(asked)
  if (!read.success) throw new Failure('invalid', 'The body is {"app": "…", "patient": "Patient/…"}')
  const gated = access.gate(caller, 'read', 'Patient')
  if (!gated.permit) throw new Failure('forbidden', 'Only who may read a patient’s record opens it in an app')
  const patient = read.data.patient as Reference
  const [app, stored] = await Promise.all([
    appOf(store, read.data.app),
    store.read('Patient', patient.slice('Patient/'.length)),
  ])
  const record = stored && !stored.deleted ? (JSON.parse(stored.json) as Resource) : undefined
  const asking = { caller, interaction: 'read', type: 'Patient' } as const
  const decided = record && (await access.decide({ ...asking, stored: record }))
  if (!decided?.permit || !app?.active) throw new Failure('not-found', 'There is no such patient or app')
  const launch: Launch = { id: random(), app: app.id, patient }
  return { launch: sealer.seal('launch', launch, launchMs), patient }
}

/** The launch context that a request brings along, where it does. */
export function readLaunch(
  sealer: Sealer,
  { launch, app, scopes }: { launch: string; app: string; scopes: readonly string[] },
): { id: string; patient: Reference } | undefined {
  if (launch === '') {
    if (scopes.includes('launch')) throw new Refusal('invalid_request', 'The scope launch needs launch')
    return undefined
  }
  const opened = sealer.open<Launch>('launch', launch)
  if (!opened || opened.app !== app || !scopes.includes('launch'))
    throw new Refusal('invalid_request', 'launch is not one that was made for this app just now')
  return { id: opened.id, patient: opened.patient }
}

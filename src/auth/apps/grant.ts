import { intersect, parseScope, scopesOfRole } from '#access/scopes.ts'
import { isStaff, scopesOfPerson, treats } from '#auth/issuers.ts'
import type { Account, Proof } from '#auth/people/account.ts'
import { maxSessionMs } from '#auth/people/sign-in.ts'
import type { Reference } from '#core/resource.ts'
import { type App, isWordScope, type WordScope } from './app.ts'
import type { AuthorizationRequest } from './request.ts'

/** What a person let an app do: kept as a session, until it ends. */
export interface Grant {
  kind: 'grant'
  app: string
  account: string
  /** Everything that was granted, words and resources. */
  scopes: string[]
  /** The patient in context, whose data alone `patient/` scopes are about. */
  patient?: Reference
  signedInAt: number
  /** Of the session at this gateway's pages in which it was granted (`markOf`): signed out there, it is over. */
  mark: string
  proof: Proof
  /** It holds while nobody is there (`offline_access`). */
  offline: boolean
  /** Thumbprint of the key whose holder alone may use it. */
  boundTo?: string
}

/** What an app that goes on without its person is good for, at the longest. */
const offlineMs = 90 * 86_400_000

export interface Asking {
  app: Pick<App, 'scopes'>
  account: Pick<Account, 'role'>
  /** The patient of the person who signs in, for patients and their proxies. */
  own?: Reference | undefined
  request: Pick<AuthorizationRequest, 'scopes' | 'launch'>
}

/** The patient in context: the one who asks, or whose record was open where the app was started. */
export function contextOf({ own, request, account }: Asking): Reference | undefined {
  if (isStaff(account.role)) return request.launch?.patient
  return own
}

/** What may be granted at all, of what is asked: requested ∩ app ∩ role (ACC8). The person may take of it away. */
export function grantable(asking: Asking): string[] {
  const { app, account, request } = asking
  const { role } = account
  // An office looks after the whole clinic by lists that are of no one patient: nothing of it narrows down to one.
  const inContext = contextOf(asking) && treats(role) ? scopesOfRole(role, 'patient') : []
  const ofRole = isStaff(role) ? [...scopesOfPerson(role), ...inContext] : scopesOfPerson(role)
  const may = (word: WordScope) => {
    if (!request.scopes.includes(word) || !app.scopes.includes(word)) return false
    if (word === 'launch') return request.launch !== undefined
    if (word === 'launch/patient') return contextOf(asking) !== undefined
    // Staff are asked for both factors each day (ACC16): nothing of theirs goes on without them.
    return word !== 'offline_access' || !isStaff(role)
  }
  const words = request.scopes.filter(isWordScope).filter(may)
  return [...words, ...intersect(resourcesIn(request.scopes), intersect(resourcesIn(app.scopes), ofRole))]
}

export function resourcesIn(scopes: readonly string[]): string[] {
  return scopes.filter((text) => parseScope(text) !== undefined)
}

/** When a grant is over in any case, milliseconds since the epoch. */
export function endOf({ offline, signedInAt }: Pick<Grant, 'offline' | 'signedInAt'>): number {
  return signedInAt + (offline ? offlineMs : maxSessionMs)
}

/** Whether the person let the app know whose record it is about. */
export function tellsPatient(scopes: readonly string[]): boolean {
  return scopes.includes('launch') || scopes.includes('launch/patient')
}

/** Whether `patient/` scopes of somebody other than the patient narrow the token down to one patient. */
export function patientInContext({
  patient,
  scopes,
}: Pick<Grant, 'patient' | 'scopes'>): Reference | undefined {
  return scopes.some((text) => text.startsWith('patient/')) ? patient : undefined
}

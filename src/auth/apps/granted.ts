import { intersect } from '#access/scopes.ts'
import { isStaff } from '#auth/issuers.ts'
import { callerOfAccount, findKnown, type Known } from '#auth/people/account.ts'
import { idleMs, isSignedOut } from '#auth/people/sign-in.ts'
import { personRecord } from '#auth/person.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import type { App } from './app.ts'
import { contextOf, type Grant, grantable, patientInContext, resourcesIn, tellsPatient } from './grant.ts'

export interface GrantedPorts {
  store: Store
  clock: Clock
  findApp(id: string): Promise<App | undefined>
}

/** A grant that holds now, with all that it hangs on. */
export interface Held {
  id: string
  grant: Grant
  app: App
  known: Known
  /** The part of it that may still be had: the app's and the role's registrations may have become less. */
  scopes: string[]
  /** When it was last used, milliseconds since the epoch. */
  used: number
}

/** What a token's session is known by, and when it was last used. */
export interface TokenSession {
  id: string
  account: string
  app: string
  patient?: Reference
  offline: boolean
  /** Of the session that it ends with; none where it goes on without one. */
  mark?: string
  used: number
}

/** The grant of an id, while it holds: not ended, not idle, of an app and a person that are still let in. */
export async function findHeld(ports: GrantedPorts, id: string): Promise<Held | undefined> {
  const { store, clock, findApp } = ports
  const now = clock.now()
  const stored = await store.findSession(id, now)
  if (!stored) return undefined
  const grant = JSON.parse(stored.json) as Grant
  if (grant.kind !== 'grant') return undefined
  if (!grant.offline && now - stored.used > idleMs) return undefined
  if (!grant.offline && (await isSignedOut(store, grant.mark))) return undefined
  const [app, known] = await Promise.all([findApp(grant.app), findKnown(ports, grant.account)])
  if (!app?.active || !known || !app.roles.includes(known.account.role)) return undefined
  if (grant.signedInAt < known.account.signedOutBefore) return undefined
  const { account } = known
  const own = (await personRecord(account.person, account.role, ports))?.patient
  const launch = grant.patient ? { launch: { id, patient: grant.patient } } : {}
  const asking = { app, account, own, request: { scopes: grant.scopes, ...launch } }
  // Whose proxy somebody is may have changed: what was granted about another patient is over.
  if (contextOf(asking) !== grant.patient) return undefined
  return { id, grant, app, known, scopes: grantable(asking), used: stored.used }
}

/** Claims of an access token of ours that was given to an app. */
export interface GrantedClaims {
  session: string
  tokenId: string
  scopes: string[]
}

/** Who comes with such a token. Throws Failure `unauthenticated`. */
export async function verifyGranted(
  ports: GrantedPorts,
  { session, tokenId, scopes }: GrantedClaims,
  network: string | undefined,
) {
  const held = await findHeld(ports, session)
  if (!held) throw new Failure('unauthenticated', 'The sign-in of this access token is over: sign in again')
  const { grant, known, used } = held
  const { signedInAt, boundTo, patient, offline } = grant
  const granted = intersect(resourcesIn(scopes), resourcesIn(held.scopes))
  const signIn = { person: known.account.person, at: signedInAt, factors: 2 } as const
  const token = { scopes: granted, signIn, app: grant.app, tokenId, network }
  const inContext = isStaff(known.account.role) ? patientInContext({ patient, scopes: granted }) : undefined
  return {
    caller: { ...callerOfAccount(known, token), ...(inContext ? { inContext } : {}) },
    session: {
      id: session,
      account: grant.account,
      app: grant.app,
      offline,
      ...(offline ? {} : { mark: grant.mark }),
      used,
      ...(patient && tellsPatient(grant.scopes) ? { patient } : {}),
    } satisfies TokenSession,
    ...(boundTo ? { boundTo } : {}),
  }
}

/** How exactly the store knows when a session was last used. */
const useStepMs = 60_000

/** Notes that a session is used now, in the store too, so that every process knows. Throws Failure `unauthenticated`. */
export function createSessionUse({ store, clock }: Pick<GrantedPorts, 'store' | 'clock'>) {
  const noted = new WeakMap<TokenSession, number>()

  return async (session: TokenSession): Promise<void> => {
    const now = clock.now()
    if (!session.offline && now - session.used > idleMs) {
      const stored = await store.findSession(session.id, now)
      if (!stored || now - stored.used > idleMs) {
        throw new Failure('unauthenticated', 'Nothing was asked for a quarter of an hour: sign in again')
      }
      noted.set(session, stored.used)
    }
    const last = noted.get(session) ?? session.used
    session.used = now
    if (now - last <= useStepMs) return
    noted.set(session, now)
    await store.commit({ audit: [], sessions: [{ change: 'use', id: session.id, used: now }] })
  }
}

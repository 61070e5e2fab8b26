import type { RequestInfo } from '#auth/request-info.ts'
import { digestOf, newSecret } from '#auth/secrets.ts'
import type { SignIn } from '#core/caller.ts'
import type { CommitUnit } from '#core/commit.ts'
import type { Store } from '#core/ports.ts'
import type { SessionChange } from '#core/session.ts'
import { type AccountPorts, callerOfAccount, findKnown, type Known, type Proof } from './account.ts'

/** A person's session at this gateway's own pages. */
export interface SignedIn extends Known {
  /** What the browser's cookie holds. */
  session: string
  signIn: SignIn
  proof: Proof
}

interface Kept {
  kind: 'sign-in'
  account: string
  at: number
  proof: Proof
}

/** After this long without a request a session is over, and after that long in any case (ACC16). */
export const idleMs = 15 * 60_000
export const maxSessionMs = 12 * 3_600_000
/** How exactly the store knows when a session was last used. */
const useStepMs = 60_000
const cookieName = '__Host-postern'

/** A new session of somebody who just proved to be here, and the one it takes the place of. */
export function beginSession(
  account: string,
  proof: Proof,
  at: number,
  former: string | undefined,
): { session: string; changes: SessionChange[] } {
  const session = newSecret()
  const kept: Kept = { kind: 'sign-in', account, at, proof }
  const changes: SessionChange[] = [
    { change: 'begin', id: session, used: at, expires: at + maxSessionMs, json: JSON.stringify(kept) },
  ]
  if (former) changes.push({ change: 'end', id: former })
  return { session, changes }
}

/** Who the cookie's session is of, while it holds; that it was used is noted. */
export async function findSignedIn(
  ports: AccountPorts,
  cookies: string | undefined,
): Promise<SignedIn | undefined> {
  const session = sessionIn(cookies)
  if (!session) return undefined
  const now = ports.clock.now()
  const stored = await ports.store.findSession(session, now)
  if (!stored || now - stored.used > idleMs) return undefined
  const kept = JSON.parse(stored.json) as Kept
  const known = kept.kind === 'sign-in' ? await findKnown(ports, kept.account) : undefined
  if (!known || kept.at < known.account.signedOutBefore) return undefined
  if (now - stored.used > useStepMs) {
    await ports.store.commit({ audit: [], sessions: [{ change: 'use', id: session, used: now }] })
  }
  const signIn = { person: known.account.person, at: kept.at, factors: 2 } as const
  return { ...known, session, signIn, proof: kept.proof }
}

/** Ends a session and what apps were let do in it, on record; nothing where there is none any more. */
export async function signOut(
  ports: AccountPorts,
  visit: RequestInfo & { cookies: string | undefined },
): Promise<void> {
  const { cookies, requestId, network } = visit
  const found = await findSignedIn(ports, cookies)
  const { store, audit, clock } = ports
  const entries = audit.record({
    kind: 'sign-out',
    outcome: found ? 'success' : 'failed',
    outcomeText: found ? 'signed out' : 'nobody was signed in',
    at: clock.now(),
    requestId,
    ...(network ? { network } : {}),
    ...(found ? { caller: callerAtPages(found, network) } : {}),
    patients: [],
    entities: [],
  })
  const session = sessionIn(cookies)
  const over = found && { issuer: signOuts, value: markOf(found), expires: clock.now() + maxSessionMs }
  await store.commit({
    audit: entries,
    ...(session ? { sessions: [{ change: 'end', id: session }] } : {}),
    ...(over ? { remembered: [over] } : {}),
  })
}

/** Marks of sessions that were signed out stand among the one-time values for as long as a session can last. */
const signOuts = 'signed-out'

export function isSignedOut(store: Pick<Store, 'hasNonce'>, mark: string): Promise<boolean> {
  return store.hasNonce(signOuts, mark)
}

/** Marks of the sessions that a commit signed out. */
export function signedOutBy({ remembered }: CommitUnit): string[] {
  return (remembered ?? []).flatMap(({ issuer, value }) => (issuer === signOuts ? [value] : []))
}

export function callerAtPages(signedIn: SignedIn, network: string | undefined) {
  return callerOfAccount(signedIn, { scopes: [], signIn: signedIn.signIn, network })
}

export function sessionIn(cookies: string | undefined): string | undefined {
  for (const pair of (cookies ?? '').split(';')) {
    const [name, value] = pair.trim().split('=')
    if (name === cookieName && value && /^[\w-]{43}$/.test(value)) return value
  }
  return undefined
}

/** What a page is bound to, so that it is good in this session only. */
export function markOf({ session }: SignedIn): string {
  return digestOf(session)
}

export function cookieOf(session: string): string {
  return `${cookieName}=${session}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=${maxSessionMs / 1000}`
}

export const noCookie = `${cookieName}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`

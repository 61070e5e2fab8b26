import type { RequestInfo } from '#auth/request-info.ts'
import type { Sealer } from '#auth/sealer.ts'
import { digestOf, isSame } from '#auth/secrets.ts'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import {
  type Account,
  type AccountPorts,
  callerOfAccount,
  commitAccount,
  findKnown,
  type Known,
  type Proof,
} from './account.ts'
import { authenticationOf, handleIn, type RelyingParty, readAuthentication } from './passkey.ts'
import { beginSession, sessionIn } from './sign-in.ts'
import { stepOfCode } from './totp.ts'

export interface ProvePorts extends AccountPorts {
  sealer: Sealer
  party: RelyingParty
}

/** A person who signs in, in a browser that may hold an older session. */
export interface Visit extends RequestInfo {
  cookies: string | undefined
}

/** A challenge is good once, for five minutes. */
const challengeMs = 5 * 60_000
/** Wrong codes in a row that shut an account's codes out, and for how long the first time; doubled up to a day. */
const maxFailures = 5
const lockMs = 15 * 60_000
const maxLockMs = 86_400_000

/** Options for `navigator.credentials.get`, and what goes back with the answer. */
export async function challenge({ party, sealer }: ProvePorts): Promise<{ options: object; state: string }> {
  const options = await authenticationOf(party)
  return { options, state: sealer.seal('passkey', { challenge: options.challenge }, challengeMs) }
}

/** Signs in by passkey. Resolves with the session; throws Failure `unauthenticated`, one text for every reason. */
export async function signInByPasskey(
  ports: ProvePorts,
  { state, response }: { state: string; response: unknown },
  visit: Visit,
): Promise<string> {
  const opened = ports.sealer.open<{ challenge: string }>('passkey', state)
  const known = opened && (await findKnown(ports, handleIn(response)))
  if (!known) throw await refused(ports, visit)
  const { account } = known
  const passkey = await readAuthentication(ports.party, account, response, opened.challenge)
  if (!passkey) throw await refused(ports, visit, account)
  const passkeys = account.passkeys.map((each) => (each.id === passkey.id ? passkey : each))
  const nonce = { issuer: 'passkey', value: opened.challenge, expires: ports.clock.now() + challengeMs }
  return signedIn(ports, known, { ...account, passkeys }, { proof: 'passkey', visit, nonces: [nonce] })
}

/**
 * Signs in by the sign-in key and a code. A wrong key is nobody's failure but the address's; a wrong code under the right
 * key counts against the account, and five of them shut its codes out. Throws Failure `unauthenticated` or `too-many`.
 */
export async function signInByCode(
  ports: ProvePorts,
  { key, code }: { key: string; code: string },
  visit: Visit,
): Promise<string> {
  const known = await findKnown(ports, key.trim().split('.')[0] ?? '')
  const totp = known?.account.totp
  if (!totp || !isSame(digestOf(key.trim()), totp.keyDigest)) throw await refused(ports, visit)
  const now = ports.clock.now()
  const { account } = known
  if (account.lockedUntil > now) {
    await tell(ports, { outcome: 'denied', outcomeText: 'shut out after wrong codes' }, visit, account)
    const retryAfterSeconds = Math.ceil((account.lockedUntil - now) / 1000)
    throw new Failure('too-many', 'Too many wrong codes: wait, or ask the clinic', { retryAfterSeconds })
  }
  const step = await stepOfCode(totp, code.trim(), now)
  if (step === undefined) throw await wrongCode(ports, account, visit)
  const changed = { ...account, totp: { ...totp, lastStep: step }, failures: 0 }
  return signedIn(ports, known, changed, { proof: 'totp', visit })
}

interface SigningIn {
  proof: Proof
  visit: Visit
  nonces?: { issuer: string; value: string; expires: number }[]
}

/** The account's new state and the session are one commit: of two who use one code or challenge, one is in. */
async function signedIn(
  ports: ProvePorts,
  known: Known,
  account: Account,
  { proof, visit, nonces = [] }: SigningIn,
): Promise<string> {
  const at = ports.clock.now()
  const { session, changes } = beginSession(account.id, proof, at, sessionIn(visit.cookies))
  const signIn = { person: account.person, at, factors: 2 } as const
  const caller = callerOfAccount(known, { scopes: [], signIn, network: visit.network })
  const act = { kind: 'sign-in', outcome: 'success', outcomeText: `signed in by ${proof}` } as const
  try {
    await commitAccount(
      ports,
      account,
      { ...act, requestId: visit.requestId, caller },
      { sessions: changes, nonces },
    )
  } catch (cause) {
    if (!(cause instanceof Failure && cause.kind === 'conflict')) throw cause
    throw await refused(ports, visit, account)
  }
  return session
}

async function wrongCode(ports: ProvePorts, account: Account, visit: Visit): Promise<Failure> {
  const failures = account.failures + 1
  const locks = Math.floor(failures / maxFailures)
  const isLocked = failures % maxFailures === 0
  const lockedUntil = isLocked
    ? ports.clock.now() + Math.min(lockMs * 2 ** (locks - 1), maxLockMs)
    : account.lockedUntil
  const outcomeText = isLocked ? 'wrong code; the account’s codes are shut out' : 'wrong code'
  const act = { kind: 'sign-in', outcome: 'denied', outcomeText, ...infoOf(visit) } as const
  try {
    await commitAccount(ports, { ...account, failures, lockedUntil }, act)
  } catch (cause) {
    // Whoever guesses many at once has only one of them looked at.
    if (!(cause instanceof Failure && cause.kind === 'conflict')) throw cause
    return refused(ports, visit, account)
  }
  return notYou()
}

async function refused(ports: ProvePorts, visit: Visit, account?: Account): Promise<Failure> {
  await tell(ports, { outcome: 'denied', outcomeText: 'not signed in' }, visit, account)
  return notYou()
}

function notYou(): Failure {
  return new Failure('unauthenticated', 'That did not prove who you are')
}

async function tell(
  { store, audit, clock }: ProvePorts,
  told: Pick<Act, 'outcome' | 'outcomeText'>,
  visit: Visit,
  account?: Account,
): Promise<void> {
  const entities = account ? [account.person] : []
  const act = { kind: 'sign-in', ...told, ...infoOf(visit), at: clock.now(), patients: [], entities } as const
  await store.commit({ audit: audit.record(act) })
}

function infoOf({ requestId, network }: Visit) {
  return { requestId, ...(network ? { network } : {}) }
}

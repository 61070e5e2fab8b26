import { isStaff, type PersonRole } from '#auth/issuers.ts'
import { personRecord } from '#auth/person.ts'
import type { Act, Audit } from '#core/act.ts'
import type { Caller, SignIn } from '#core/caller.ts'
import type { CommitUnit } from '#core/commit.ts'
import type { Clock, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import type { Passkey } from './passkey.ts'
import type { Totp } from './totp.ts'

/** A person who signs in here. It holds no password and nothing of the person but the reference. Stored sealed. */
export interface Account {
  /** Random; the handle of its passkeys. */
  id: string
  /** Raised with each change: of two that change it at once, one loses. */
  revision: number
  /** `Practitioner/…`, `Patient/…` or `RelatedPerson/…` here. */
  person: Reference
  role: PersonRole
  /** On whose behalf staff act. */
  organization?: Reference
  purpose: string
  grants: string[]
  active: boolean
  passkeys: Passkey[]
  totp?: Totp
  /** Codes that were wrong since the last that was right. */
  failures: number
  /** Shut out until then, milliseconds since the epoch. */
  lockedUntil: number
  /** Sign-ins and grants from before are over, milliseconds since the epoch. */
  signedOutBefore: number
}

export interface AccountPorts {
  store: Store
  audit: Audit
  clock: Clock
}

/** How a person proved to be here. */
export type Proof = 'passkey' | 'totp'

/** The account as it stands, and its person as a caller. */
export interface Known {
  account: Account
  /** For the audit log, which leaves it out for patients. */
  name: string
}

/** A day is longer than any request lives. */
const nonceMs = 86_400_000

export async function accountOf(store: Store, id: string): Promise<Account | undefined> {
  const json = await store.findRegistration('account', id)
  return json === undefined ? undefined : (JSON.parse(json) as Account)
}

/** The account of somebody who may sign in at all: it is active, and so is its person's record. */
export async function findKnown(
  { store, clock }: Pick<AccountPorts, 'store' | 'clock'>,
  id: string,
): Promise<Known | undefined> {
  const account = await accountOf(store, id)
  if (!account?.active) return undefined
  const person = await personRecord(account.person, account.role, { store, clock })
  return person && { account, name: person.name }
}

/** Stores an account in its next revision, on record with why. Rejects with Failure `conflict` for a loser. */
export async function commitAccount(
  { store, audit, clock }: AccountPorts,
  account: Account,
  act: Omit<Act, 'at' | 'patients' | 'entities'>,
  more: Pick<CommitUnit, 'sessions' | 'nonces'> = {},
): Promise<Account> {
  const at = clock.now()
  const stored = { ...account, revision: account.revision + 1 }
  await store.commit({
    audit: audit.record({ ...act, at, patients: [], entities: [account.person] }),
    registrations: [{ kind: 'account', id: account.id, json: JSON.stringify(stored) }],
    ...more,
    nonces: [
      ...(more.nonces ?? []),
      { issuer: `account ${account.id}`, value: String(stored.revision), expires: at + nonceMs },
    ],
  })
  return stored
}

export interface Session {
  scopes: readonly string[]
  signIn: SignIn
  /** Through which app; at this gateway's own pages where absent. */
  app?: string
  tokenId?: string
  network?: string | undefined
}

/** An account's person as one who calls. */
export function callerOfAccount({ account, name }: Known, session: Session): Caller {
  const { person, role, organization, purpose, grants } = account
  const { scopes, signIn, app = 'postern', tokenId, network } = session
  return {
    // Receipts and cursors are the person's, not those of everybody who uses the same app.
    clientId: `${app} ${person}`,
    name,
    role,
    scopes,
    actors: organization && isStaff(role) ? [organization, person] : [person],
    purpose,
    grants: isStaff(role) ? grants : [],
    signIn,
    ...(tokenId ? { tokenId } : {}),
    ...(network ? { network } : {}),
  }
}

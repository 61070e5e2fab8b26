import * as z from 'zod'
import type { Registrar } from '#auth/clients.ts'
import { personRoles, treats } from '#auth/issuers.ts'
import { personRecord } from '#auth/person.ts'
import { newSecret, newTypedSecret } from '#auth/secrets.ts'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import { type Account, type AccountPorts, accountOf, commitAccount } from './account.ts'

const code = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const schema = z.strictObject({
  person: z.string().regex(/^(?:Practitioner|Patient|RelatedPerson)\/[A-Za-z0-9.-]{1,64}$/),
  role: z.enum(personRoles),
  organization: z
    .string()
    .regex(/^Organization\/[A-Za-z0-9.-]{1,64}$/)
    .optional(),
  purpose: code,
  grants: z.array(code).max(20),
})

export interface Invitation {
  account: string
  /** What the person types on the page for it; good once, for three days. */
  code: string
}

const invitationMs = 3 * 86_400_000

/** Makes an account for a person who is on record here, and an invitation to it. Throws Failure `invalid`. */
export async function invitePerson(ports: AccountPorts, asked: unknown, by: Registrar): Promise<Invitation> {
  const read = schema.safeParse(asked)
  if (!read.success) {
    const issues = read.error.issues.map(({ path, message }) => {
      const expression = path.join('.')
      return { text: `${expression}: ${message}`, expression }
    })
    throw new Failure('invalid', issues)
  }
  const { person, role, organization, purpose, grants } = read.data
  if (treats(role) && !organization) {
    const text = `organization: a ${role} acts on behalf of an Organization`
    throw new Failure('invalid', [{ text, expression: 'organization' }])
  }
  if (!(await personRecord(person as Reference, role, ports))) {
    const text = `person: there is no active record here that the role ${role} is for`
    throw new Failure('invalid', [{ text, expression: 'person' }])
  }
  const account: Account = {
    id: newSecret().slice(0, 22),
    revision: 0,
    person: person as Reference,
    role,
    ...(organization ? { organization: organization as Reference } : {}),
    purpose,
    grants,
    active: true,
    passkeys: [],
    failures: 0,
    lockedUntil: 0,
    signedOutBefore: 0,
  }
  return invite(ports, account, by)
}

/** One more invitation to an account that is there: for a person who lost a device. */
export async function inviteAgain(ports: AccountPorts, id: string, by: Registrar): Promise<Invitation> {
  const account = await accountOf(ports.store, id)
  if (!account) throw new Failure('not-found', 'There is no such account')
  return invite(ports, account, by)
}

async function invite(ports: AccountPorts, account: Account, by: Registrar): Promise<Invitation> {
  const { requestId, at, caller } = by
  const typed = newTypedSecret()
  const outcomeText = `account ${account.id}: ${account.role} invited`
  const act = { kind: 'configuration', outcome: 'success', outcomeText, requestId } as const
  const json = JSON.stringify({ kind: 'invitation', account: account.id })
  await commitAccount({ ...ports, clock: { now: () => at } }, account, caller ? { ...act, caller } : act, {
    sessions: [{ change: 'begin', id: invitationId(typed), used: at, expires: at + invitationMs, json }],
  })
  return { account: account.id, code: typed }
}

/** Sessions and invitations are of one table: neither is ever taken for the other. */
export function invitationId(code: string): string {
  return `invitation ${code.trim().toLowerCase()}`
}

/** What becomes of an account beside that all of its sign-ins, grants and invitations end. */
export interface Ending {
  /** Its person is refused from now on. */
  disable?: boolean
  /** None of its passkeys and codes is good any more: a device was lost. Only an invitation leads in again. */
  forgetDevices?: boolean
}

/** Refuses an account from the next request on, or only what was signed in and granted until now. */
export async function signOutEverywhere(
  ports: AccountPorts,
  id: string,
  how: Ending,
  by: Registrar,
): Promise<void> {
  const account = await accountOf(ports.store, id)
  if (!account) throw new Failure('not-found', 'There is no such account')
  const { requestId, at, caller } = by
  const what = how.disable ? 'disabled' : how.forgetDevices ? 'devices forgotten' : 'signed out everywhere'
  const outcomeText = `account ${id} ${what}`
  const act = { kind: 'configuration', outcome: 'success', outcomeText, requestId } as const
  const active = account.active && !how.disable
  const { totp, ...rest } = account
  const ways = how.forgetDevices ? { passkeys: [] } : { ...(totp ? { totp } : {}) }
  const changed = { ...rest, ...ways, active, signedOutBefore: at }
  await commitAccount({ ...ports, clock: { now: () => at } }, changed, caller ? { ...act, caller } : act)
}

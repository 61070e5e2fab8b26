import type { RequestInfo } from '#auth/request-info.ts'
import type { Sealer } from '#auth/sealer.ts'
import { digestOf, newTypedSecret } from '#auth/secrets.ts'
import { Failure } from '#core/failure.ts'
import {
  type Account,
  type AccountPorts,
  callerOfAccount,
  commitAccount,
  findKnown,
  type Known,
} from './account.ts'
import { invitationId } from './invite.ts'
import { type RelyingParty, readRegistration, registrationOf } from './passkey.ts'
import { newTotpSecret, stepOfCode } from './totp.ts'

export interface EnrolPorts extends AccountPorts {
  sealer: Sealer
  party: RelyingParty
}

/** What is shown to somebody who holds an invitation: the two ways in, to choose from. */
export interface Offer {
  /** Options for `navigator.credentials.create`, as WebAuthn's JSON. */
  passkey: object
  /** Goes back with the answer. */
  state: string
  totpSecret: string
  /** With it the person signs in by codes; shown once. */
  signInKey: string
}

interface State {
  invitation: string
  account: string
  challenge: string
  totpSecret: string
  signInKey: string
}

const enrolMs = 15 * 60_000
const maxPasskeys = 20

/** Throws Failure `unauthenticated` for a code that is none. */
export function openInvitation(ports: EnrolPorts, code: string, info: RequestInfo): Promise<Offer> {
  return onRecord(ports, info, () => offer(ports, code, info))
}

async function offer(ports: EnrolPorts, code: string, info: RequestInfo): Promise<Offer> {
  const known = await requireInvited(ports, invitationId(code))
  const { account } = known
  const passkey = await registrationOf(ports.party, account)
  const totpSecret = newTotpSecret()
  const signInKey = `${account.id}.${newTypedSecret()}`
  const state: State = {
    invitation: invitationId(code),
    account: account.id,
    challenge: passkey.challenge,
    totpSecret,
    signInKey,
  }
  const { requestId, network } = info
  const act = {
    kind: 'configuration',
    outcome: 'success',
    outcomeText: `account ${account.id}: invitation opened`,
  } as const
  const caller = invitedCaller(known, ports.clock.now(), network)
  const at = ports.clock.now()
  await ports.store.commit({
    audit: ports.audit.record({ ...act, at, requestId, caller, patients: [], entities: [account.person] }),
  })
  return { passkey, totpSecret, signInKey, state: ports.sealer.seal('enrolment', state, enrolMs) }
}

/** The invitation's person has a passkey from now on. */
export function enrolPasskey(
  ports: EnrolPorts,
  answer: { state: string; response: unknown },
  info: RequestInfo,
): Promise<void> {
  return onRecord(ports, info, () => addPasskey(ports, answer, info))
}

async function addPasskey(
  ports: EnrolPorts,
  { state, response }: { state: string; response: unknown },
  info: RequestInfo,
): Promise<void> {
  const opened = requireState(ports, state)
  const known = await requireInvited(ports, opened.invitation)
  const at = ports.clock.now()
  const passkey = await readRegistration(ports.party, response, { challenge: opened.challenge, at })
  if (!passkey) throw new Failure('invalid', 'The browser’s answer does not prove a passkey for this address')
  const { passkeys } = known.account
  if (passkeys.length >= maxPasskeys) throw new Failure('too-large', 'This person has too many passkeys')
  await enrol(ports, known, { ...known.account, passkeys: [...passkeys, passkey] }, opened, info)
}

/** The invitation's person signs in by codes from now on: the first one shows that the device has the secret. */
export function enrolTotp(
  ports: EnrolPorts,
  answer: { state: string; code: string },
  info: RequestInfo,
): Promise<void> {
  return onRecord(ports, info, () => addTotp(ports, answer, info))
}

async function addTotp(
  ports: EnrolPorts,
  { state, code }: { state: string; code: string },
  info: RequestInfo,
): Promise<void> {
  const opened = requireState(ports, state)
  const known = await requireInvited(ports, opened.invitation)
  const { totpSecret: secret, signInKey } = opened
  const step = await stepOfCode({ secret, lastStep: 0 }, code, ports.clock.now())
  if (step === undefined)
    throw new Failure('invalid', 'This is not the code of now: look at the device’s clock')
  const totp = { secret, keyDigest: digestOf(signInKey), lastStep: step }
  await enrol(ports, known, { ...known.account, totp }, opened, info)
}

async function enrol(
  ports: EnrolPorts,
  known: Known,
  account: Account,
  { invitation }: State,
  { requestId, network }: RequestInfo,
): Promise<void> {
  const caller = invitedCaller(known, ports.clock.now(), network)
  const outcomeText = `account ${account.id}: a way to sign in was added`
  await commitAccount(
    ports,
    account,
    { kind: 'configuration', outcome: 'success', outcomeText, requestId, caller },
    {
      sessions: [{ change: 'end', id: invitation }],
      nonces: [{ issuer: 'invitation', value: invitation, expires: ports.clock.now() + enrolMs }],
    },
  )
}

/** What is refused is on record too; what succeeds is, with its commit. */
async function onRecord<T>(ports: EnrolPorts, info: RequestInfo, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    const { store, audit, clock } = ports
    const outcomeText = `invitation: ${cause.kind}`
    const told = { kind: 'configuration', outcome: 'denied', outcomeText, at: clock.now() } as const
    await store.commit({ audit: audit.record({ ...told, ...info, patients: [], entities: [] }) })
    throw cause
  }
}

/** Who holds the invitation: that is all that was proven. */
function invitedCaller(known: Known, at: number, network: string | undefined) {
  const signIn = { person: known.account.person, at, factors: 1 } as const
  return callerOfAccount(known, { scopes: [], signIn, network })
}

function requireState({ sealer }: EnrolPorts, state: string): State {
  const opened = sealer.open<State>('enrolment', state)
  if (!opened) throw new Failure('unauthenticated', 'This page is too old: begin again with the invitation')
  return opened
}

async function requireInvited(ports: EnrolPorts, id: string): Promise<Known> {
  const session = await ports.store.findSession(id, ports.clock.now())
  const { account = '' } = session ? (JSON.parse(session.json) as { account?: string }) : {}
  const known = session && (await findKnown(ports, account))
  // Who was signed out everywhere is let in anew by an invitation that is made after it.
  if (!known || session.used < known.account.signedOutBefore)
    throw new Failure('unauthenticated', 'This invitation is not good, or not any more')
  return known
}

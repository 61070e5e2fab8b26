import { createHash } from 'node:crypto'
import { intersect } from '#access/scopes.ts'
import { isStaff } from '#auth/issuers.ts'
import { callerOfAccount, findKnown, type Known, type Proof } from '#auth/people/account.ts'
import { isSignedOut } from '#auth/people/sign-in.ts'
import { one, Refusal } from '#auth/refusal.ts'
import type { Sealer } from '#auth/sealer.ts'
import { isSame, newSecret } from '#auth/secrets.ts'
import type { Caller } from '#core/caller.ts'
import type { CommitUnit, Nonce } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import type { App } from './app.ts'
import { endOf, type Grant, resourcesIn, tellsPatient } from './grant.ts'
import { findHeld, type GrantedPorts, type Held } from './granted.ts'
import type { IdTokens } from './id-token.ts'

/** What a code stands for, sealed into it. */
export interface Code {
  /** The id that the grant will have. */
  grant: string
  app: string
  account: string
  redirectUri: string
  challenge: string
  scopes: string[]
  patient?: Reference
  nonce?: string
  /** Signed in when, and how. */
  signedInAt: number
  /** Of the person's session, as its grant holds it. */
  mark: string
  proof: Proof
  boundTo?: string
  launched: boolean
}

/** A code is good once, for a minute (ACC7); that it was used is remembered for longer. */
const codeMs = 60_000
const codeRememberedMs = 10 * 60_000

export interface ExchangePorts extends GrantedPorts {
  sealer: Sealer
  idTokens: IdTokens
  /** Signs an access token; resolves with it and its id. */
  sign(held: Held, scopes: readonly string[]): Promise<{ token: string; tokenId: string }>
}

/** An app at the token endpoint, as far as it proved itself. */
export interface AppAsker {
  app: App
  /** Of its assertion and of its DPoP proof: used up with what is granted. */
  nonces: Nonce[]
  /** Thumbprint of the key that it holds. */
  boundTo?: string
  network?: string | undefined
}

export interface Exchanged {
  body: Record<string, unknown>
  caller: Caller
  /** What the commit that grants it holds beside its audit entries. */
  unit: Pick<CommitUnit, 'nonces' | 'sessions'>
}

/** A grant that somebody else may hold too: it is over, whoever they are. */
export class Stolen extends Refusal {
  readonly grant: string

  constructor(text: string, grant: string) {
    super('invalid_grant', text)
    this.grant = grant
  }
}

export function codeFor(sealer: Sealer, code: Omit<Code, 'grant'>): string {
  return sealer.seal('code', { ...code, grant: newSecret() } satisfies Code, codeMs)
}

/** RFC 6749 §4.1.3 with PKCE (RFC 7636 §4.6) and DPoP. Throws Refusal; Stolen for a code that was used before. */
export async function exchangeCode(
  ports: ExchangePorts,
  form: URLSearchParams,
  asker: AppAsker,
): Promise<Exchanged> {
  const code = ports.sealer.open<Code>('code', one(form, 'code'))
  if (!code || code.app !== asker.app.id)
    throw new Refusal('invalid_grant', 'The code is not good, or not any more')
  if (one(form, 'redirect_uri') !== code.redirectUri)
    throw new Refusal('invalid_grant', 'redirect_uri is not the one that the code was asked for with')
  const verifier = one(form, 'code_verifier')
  const isVerified = /^[\w.~-]{43,128}$/.test(verifier) && isSame(s256(verifier), code.challenge)
  if (!isVerified) throw new Refusal('invalid_grant', 'code_verifier does not belong to the code')
  if (await ports.store.hasNonce('code', code.grant))
    throw new Stolen('The code was used before: what it granted is over', code.grant)
  if (code.boundTo && code.boundTo !== asker.boundTo)
    throw new Refusal('invalid_dpop_proof', 'The code was asked for with another key (dpop_jkt)')
  const known = await findKnown(ports, code.account)
  if (
    !known ||
    code.signedInAt < known.account.signedOutBefore ||
    (await isSignedOut(ports.store, code.mark)) ||
    !asker.app.roles.includes(known.account.role)
  )
    throw new Refusal('invalid_grant', 'The person of this code may not sign in any more')
  const boundTo = requireBinding(known, asker)
  const { scopes, patient, signedInAt, mark, proof } = code
  const grant: Grant = {
    kind: 'grant',
    app: asker.app.id,
    account: code.account,
    scopes,
    signedInAt,
    mark,
    proof,
    offline: scopes.includes('offline_access'),
    ...(patient ? { patient } : {}),
    ...(boundTo ? { boundTo } : {}),
  }
  const now = ports.clock.now()
  const held: Held = { id: code.grant, grant, app: asker.app, known, scopes, used: now }
  const { body, caller } = await answer(ports, { held, scopes, generation: 1, asker })
  const idToken = scopes.includes('openid') ? { id_token: await identify(ports, held, code) } : {}
  return {
    body: { ...body, ...idToken, ...(code.launched ? { need_patient_banner: true } : {}) },
    caller,
    unit: {
      nonces: [...asker.nonces, { issuer: 'code', value: code.grant, expires: now + codeRememberedMs }],
      sessions: [
        { change: 'begin', id: code.grant, used: now, expires: endOf(grant), json: JSON.stringify(grant) },
      ],
    },
  }
}

/** RFC 6749 §6: each refresh token is good once. Throws Refusal; Stolen for one that was used before. */
export async function refresh(
  ports: ExchangePorts,
  form: URLSearchParams,
  asker: AppAsker,
): Promise<Exchanged> {
  const read = readRefreshToken(ports.sealer, one(form, 'refresh_token'))
  const held = read && (await findHeld(ports, read.grant))
  if (!held || held.app.id !== asker.app.id)
    throw new Refusal('invalid_grant', 'The refresh token is not good, or not any more')
  const value = `${held.id} ${read.generation}`
  if (await ports.store.hasNonce('refresh', value))
    throw new Stolen('The refresh token was used before: what it was for is over', held.id)
  if (held.grant.boundTo && held.grant.boundTo !== asker.boundTo)
    throw new Refusal('invalid_dpop_proof', 'The refresh token is bound to a key: send a proof of it')
  const scopes = narrowed(one(form, 'scope'), held.scopes)
  const { body, caller } = await answer(ports, { held, scopes, generation: read.generation + 1, asker })
  return {
    body,
    caller,
    unit: {
      nonces: [...asker.nonces, { issuer: 'refresh', value, expires: endOf(held.grant) }],
      sessions: [{ change: 'use', id: held.id, used: ports.clock.now() }],
    },
  }
}

/** The grant that a refresh token is of, unless it is none of ours. */
export function readRefreshToken(
  sealer: Sealer,
  token: string,
): { grant: string; generation: number } | undefined {
  const [, grant = '', generation = '', mark = ''] = /^([\w-]{43})\.(\d{1,9})\.([\w-]{43})$/.exec(token) ?? []
  if (!grant || !isSame(sealer.mac('refresh', grant, generation), mark)) return undefined
  return { grant, generation: Number(generation) }
}

/** Staff come with a key of their own (ACC14). */
function requireBinding({ account }: Known, { boundTo }: AppAsker): string | undefined {
  if (!boundTo && isStaff(account.role))
    throw new Refusal('invalid_dpop_proof', 'Tokens of staff are bound to a key: send a DPoP proof')
  return boundTo
}

/** Never more than was granted; less where less is asked for. */
function narrowed(list: string, granted: readonly string[]): string[] {
  if (list === '') return [...granted]
  const asked = list.split(' ').filter(Boolean)
  const words = granted.filter((text) => asked.includes(text) && resourcesIn([text]).length === 0)
  const scopes = [...words, ...intersect(resourcesIn(asked), resourcesIn(granted))]
  if (scopes.length === 0) throw new Refusal('invalid_scope', 'None of the scopes asked for was granted')
  return scopes
}

interface Answering {
  held: Held
  scopes: readonly string[]
  generation: number
  asker: AppAsker
}

async function answer(ports: ExchangePorts, { held, scopes, generation, asker }: Answering) {
  const { grant, known, id } = held
  const { token, tokenId } = await ports.sign(held, scopes)
  const refreshes = grant.scopes.some((text) => text === 'offline_access' || text === 'online_access')
  const mark = ports.sealer.mac('refresh', id, String(generation))
  const signIn = { person: known.account.person, at: grant.signedInAt, factors: 2 } as const
  const session = { scopes: resourcesIn(scopes), signIn, app: grant.app, tokenId, network: asker.network }
  return {
    caller: callerOfAccount(known, session),
    body: {
      access_token: token,
      token_type: grant.boundTo ? 'DPoP' : 'Bearer',
      scope: scopes.join(' '),
      ...(grant.patient && tellsPatient(grant.scopes)
        ? { patient: grant.patient.slice('Patient/'.length) }
        : {}),
      ...(refreshes ? { refresh_token: `${id}.${generation}.${mark}` } : {}),
    },
  }
}

/** RFC 8176. */
const methodsOf: Readonly<Record<Proof, readonly string[]>> = {
  passkey: ['pop', 'user', 'mfa'],
  totp: ['pwd', 'otp', 'mfa'],
}

function identify({ idTokens }: ExchangePorts, { grant, known }: Held, { nonce }: Code): Promise<string> {
  const { app, account, scopes, signedInAt, proof } = grant
  return idTokens.sign({
    app,
    account,
    signedInAt,
    methods: methodsOf[proof],
    ...(scopes.includes('fhirUser') ? { person: known.account.person } : {}),
    ...(nonce ? { nonce } : {}),
  })
}

function s256(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}

/** Whether a commit failed because a one-time value was used meanwhile. */
export function isConflict(cause: unknown): boolean {
  return cause instanceof Failure && cause.kind === 'conflict'
}

import type { Asserted } from '#auth/client-assertion.ts'
import type { Proof } from '#auth/dpop.ts'
import { one, Refusal } from '#auth/refusal.ts'
import type { RequestInfo } from '#auth/request-info.ts'
import type { Act, AuditEntry } from '#core/act.ts'
import type { CommitUnit, Nonce } from '#core/commit.ts'
import { type App, asserting, isConfidential } from './app.ts'
import {
  type AppAsker,
  type Exchanged,
  type ExchangePorts,
  exchangeCode,
  isConflict,
  readRefreshToken,
  refresh,
  Stolen,
} from './exchange.ts'

export interface AppTokenPorts extends ExchangePorts {
  /** Believes an assertion of who `find` knows. */
  prove(form: URLSearchParams, find: (id: string) => ReturnType<typeof assertingOf>): Promise<Asserted>
  /** The key that the request proves to hold, where it does. */
  provenKey(info: RequestInfo): Promise<Proof | undefined>
  entriesOf(
    told: Pick<Act, 'outcome' | 'outcomeText' | 'caller'>,
    form: URLSearchParams,
    info: RequestInfo,
  ): AuditEntry[]
}

const steps = { authorization_code: exchangeCode, refresh_token: refresh } as const
export type AppGrantType = keyof typeof steps

export function isAppGrantType(text: string): text is AppGrantType {
  return Object.hasOwn(steps, text)
}

/** The token endpoint for apps. Whatever was used twice ends what it had granted, on record. Throws Refusal. */
export async function grantToApp(
  ports: AppTokenPorts,
  form: URLSearchParams,
  info: RequestInfo,
): Promise<Record<string, unknown>> {
  const { app, nonces } = await provenApp(ports, form)
  const proof = await ports.provenKey(info)
  const asker: AppAsker = {
    app,
    nonces: proof ? [...nonces, proof.nonce] : nonces,
    network: info.network,
    ...(proof ? { boundTo: proof.thumbprint } : {}),
  }
  const step = steps[one(form, 'grant_type') as AppGrantType]
  try {
    const { body, caller, unit } = await step(ports, form, asker)
    await commitOnce(ports, { unit, caller }, form, info)
    return body
  } catch (cause) {
    if (!(cause instanceof Stolen)) throw cause
    const told = { outcome: 'denied', outcomeText: `invalid_grant: ${cause.message}` } as const
    const audit = ports.entriesOf(told, form, info)
    await ports.store.commit({ audit, sessions: [{ change: 'end', id: cause.grant }] })
    throw cause
  }
}

/** Of two who use one code or one refresh token at once, one is granted nothing, and the other loses it again. */
async function commitOnce(
  ports: AppTokenPorts,
  { unit, caller }: Pick<Exchanged, 'unit' | 'caller'>,
  form: URLSearchParams,
  info: RequestInfo,
): Promise<void> {
  const audit = ports.entriesOf({ outcome: 'success', caller }, form, info)
  try {
    await ports.store.commit({ audit, ...unit } satisfies CommitUnit)
  } catch (cause) {
    const twice = isConflict(cause) && (await usedTwice(ports, unit.nonces ?? []))
    if (!twice) throw cause
    throw new Stolen('It was used twice at once: what it granted is over', twice.value.split(' ')[0] ?? '')
  }
}

async function usedTwice({ store }: AppTokenPorts, nonces: readonly Nonce[]): Promise<Nonce | undefined> {
  for (const nonce of nonces) {
    const isGrant = nonce.issuer === 'code' || nonce.issuer === 'refresh'
    if (isGrant && (await store.hasNonce(nonce.issuer, nonce.value))) return nonce
  }
  return undefined
}

/** RFC 7009 §2.1 for refresh tokens, which end the whole grant. False for a token that is no refresh token of this app's. */
export async function endByRefreshToken(
  ports: Pick<AppTokenPorts, 'store' | 'sealer' | 'clock'>,
  token: string,
  app: string,
  unit: CommitUnit,
): Promise<boolean> {
  const read = readRefreshToken(ports.sealer, token)
  const stored = read && (await ports.store.findSession(read.grant, ports.clock.now()))
  if (!stored || (JSON.parse(stored.json) as { app?: string }).app !== app) return false
  await ports.store.commit({ ...unit, sessions: [{ change: 'end', id: read.grant }] })
  return true
}

/** A confidential app proves itself by its key; a public one says who it is, and PKCE does the rest. */
export async function provenApp(
  ports: Pick<AppTokenPorts, 'prove' | 'findApp'>,
  form: URLSearchParams,
): Promise<{ app: App; nonces: Nonce[] }> {
  const id = one(form, 'client_id')
  if (one(form, 'client_assertion') === '') {
    const app = await ports.findApp(id)
    if (!app?.active || isConfidential(app))
      throw new Refusal('invalid_client', 'There is no such app, or it has to prove itself by its key')
    return { app, nonces: [] }
  }
  const { client, nonce } = await ports.prove(form, (named) => assertingOf(ports, named))
  const app = await ports.findApp(client.id)
  if (!app || (id !== '' && id !== app.id))
    throw new Refusal('invalid_client', 'client_id is another than the one that the assertion is of')
  return { app, nonces: [nonce] }
}

async function assertingOf({ findApp }: Pick<AppTokenPorts, 'findApp'>, id: string) {
  const app = await findApp(id)
  return app && isConfidential(app) ? asserting(app) : undefined
}

import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import type { SignerJwk } from './detached-signature.ts'

/** A person of the clinic did something, and when; milliseconds since the epoch. */
export interface Step {
  by: Reference
  at: number
}

/** A key that somebody signs orders with. It counts from the moment that a second person approved it (R22). */
export interface SignerKey {
  /** RFC 7638, base64url: the `kid` of its signatures. */
  thumbprint: string
  jwk: SignerJwk
  proposed: Step
  approved?: Step
  revoked?: Step
}

/** Who may sign orders, with which keys, and who said so. Stored sealed as registration `signer`. */
export interface SignerRegistration {
  /** `Practitioner/…` */
  person: Reference
  /** Counted up with each change, so that of two at once one loses. */
  revision: number
  keys: SignerKey[]
}

export async function findSigner(
  store: Pick<Store, 'findRegistration'>,
  person: string,
): Promise<SignerRegistration | undefined> {
  const json = await store.findRegistration('signer', person)
  return json === undefined ? undefined : (JSON.parse(json) as SignerRegistration)
}

/** The key of this thumbprint that was in force then; what was signed before a key was revoked stays signed. */
export function keyInForce(
  signer: SignerRegistration | undefined,
  thumbprint: string,
  at: number,
): SignerJwk | undefined {
  const key = signer?.keys.find((each) => each.thumbprint === thumbprint)
  if (!key?.approved || key.approved.at > at) return undefined
  return key.revoked && key.revoked.at <= at ? undefined : key.jwk
}

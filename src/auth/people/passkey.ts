import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'

/** A credential of a person's, as https://www.w3.org/TR/webauthn-3/#credential-record keeps it. */
export interface Passkey {
  /** base64url. */
  id: string
  /** COSE key, base64url. */
  publicKey: string
  counter: number
  /** It is the same on all of a person's devices (AAL2 at the most), or on one alone. */
  synced: boolean
  /** Milliseconds since the epoch. */
  made: number
}

/** Of a person: the account's id, and what it holds. */
interface Holder {
  id: string
  passkeys: Passkey[]
}

/** Where passkeys are good: the address of this gateway, and the name of its host. */
export interface RelyingParty {
  name: string
  origin: string
  id: string
}

export function relyingPartyOf(issuer: string): RelyingParty {
  const { origin, hostname } = new URL(issuer)
  return { name: 'Postern', origin, id: hostname }
}

/** What the browser is asked to make: a key that the device finds by itself, and that asks its person each time. */
export async function registrationOf(party: RelyingParty, { id, passkeys }: Holder) {
  return generateRegistrationOptions({
    rpName: party.name,
    rpID: party.id,
    userID: new TextEncoder().encode(id),
    // Shown by the device's own list only. The name of a patient is nobody's business there.
    userName: `${party.name} ${id.slice(0, 6)}`,
    attestationType: 'none',
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    excludeCredentials: passkeys.map((passkey) => ({ id: passkey.id })),
  })
}

/** The new credential, or undefined for an answer that does not prove one. */
export async function readRegistration(
  party: RelyingParty,
  response: unknown,
  { challenge, at }: { challenge: string; at: number },
): Promise<Passkey | undefined> {
  try {
    const { registrationInfo } = await verifyRegistrationResponse({
      response: response as RegistrationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: true,
    })
    if (!registrationInfo) return undefined
    const { credential, credentialDeviceType } = registrationInfo
    return {
      id: credential.id,
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      counter: credential.counter,
      synced: credentialDeviceType === 'multiDevice',
      made: at,
    }
  } catch {
    return undefined
  }
}

/** What the browser is asked to sign: by any passkey of this gateway's, so nobody says first who they are. */
export async function authenticationOf(party: RelyingParty) {
  return generateAuthenticationOptions({ rpID: party.id, userVerification: 'required' })
}

/** Id of the account that an answer says it is of, unproven. */
export function handleIn(response: unknown): string {
  const handle = (response as AuthenticationResponseJSON | null)?.response?.userHandle
  return typeof handle === 'string' ? Buffer.from(handle, 'base64url').toString() : ''
}

/** The passkey that answered, with its counter raised; undefined where nothing is proven, or the counter went back. */
export async function readAuthentication(
  party: RelyingParty,
  { passkeys }: Pick<Holder, 'passkeys'>,
  response: unknown,
  challenge: string,
): Promise<Passkey | undefined> {
  const answer = response as AuthenticationResponseJSON
  const passkey = passkeys.find(({ id }) => id === answer?.id)
  if (!passkey) return undefined
  const { id, publicKey, counter } = passkey
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: answer,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      credential: { id, publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')), counter },
      requireUserVerification: true,
    })
    return verified ? { ...passkey, counter: authenticationInfo.newCounter } : undefined
  } catch {
    return undefined
  }
}

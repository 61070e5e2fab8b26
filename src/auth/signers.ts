import * as z from 'zod'
import type { SignerJwk } from '#care/detached-signature.ts'
import { findSigner, type SignerKey, type SignerRegistration, type Step } from '#care/signer.ts'
import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { requireFreshSignIn } from '#core/step-up.ts'
import { checkClientKeys, thumbprint } from './client-keys.ts'

export interface SignerPorts {
  store: Store
  audit: Audit
  clock: Clock
}

export interface SignerAsker {
  caller: Caller
  requestId: string
}

/** The body by which a key is proposed. */
export const signerProposal = z.strictObject({
  person: z.string().regex(/^Practitioner\/[A-Za-z0-9.-]{1,64}$/),
  jwk: z.strictObject({
    kty: z.literal('EC'),
    crv: z.enum(['P-256', 'P-384']),
    x: z.string(),
    y: z.string(),
  }),
})
const maxKeys = 20
/** A day is longer than any request lives. */
const nonceMs = 86_400_000

/**
 * Who may sign orders is granted by two people (21 CFR 1311.130): an operator proposes a prescriber's public key, another
 * one approves it, and neither of them is the prescriber. Throws Failure `invalid` or `conflict`.
 */
export async function proposeSigner(
  ports: SignerPorts,
  asked: unknown,
  by: SignerAsker,
): Promise<SignerRegistration> {
  const person = requireOperator(by.caller)
  requireFreshSignIn(by.caller, ports.clock.now())
  const read = signerProposal.safeParse(asked)
  if (!read.success) {
    const issues = read.error.issues.map(({ path, message }) => ({
      text: message,
      expression: path.join('.'),
    }))
    throw new Failure('invalid', issues)
  }
  const jwk: SignerJwk = read.data.jwk
  const print = thumbprint({ ...jwk })
  const issues = checkClientKeys({ keys: [{ ...jwk, kid: print }] })
  if (issues.length > 0) throw new Failure('invalid', issues)
  const signer = read.data.person as Reference
  requireOther(signer, person, 'Nobody grants themselves the right to sign.')
  const standing = (await findSigner(ports.store, signer)) ?? { person: signer, revision: 0, keys: [] }
  if (standing.keys.some((key) => key.thumbprint === print))
    throw new Failure('conflict', 'This key was proposed for this person before.')
  if (standing.keys.length >= maxKeys) throw new Failure('too-large', 'This person has had too many keys.')
  const proposed = { by: person, at: ports.clock.now() }
  const keys = [...standing.keys, { thumbprint: print, jwk, proposed }]
  return commitSigner(ports, { ...standing, keys }, `signing key ${print} proposed for ${signer}`, by)
}

/** The second person's word: the key signs from now on. */
export function approveSigner(
  ports: SignerPorts,
  asked: { person: string; thumbprint: string },
  by: SignerAsker,
): Promise<SignerRegistration> {
  return changeKey(ports, asked, by, 'approved', (key, step) => {
    requireOther(
      key.proposed.by,
      step.by,
      'A key is approved by another person than the one who proposed it.',
    )
    requireOther(asked.person, step.by, 'Nobody grants themselves the right to sign.')
    if (key.approved || key.revoked)
      throw new Failure('conflict', 'This key was approved or revoked already.')
    return { ...key, approved: step }
  })
}

/** One person is enough to end a right. What the key signed before stays signed. */
export function revokeSigner(
  ports: SignerPorts,
  asked: { person: string; thumbprint: string },
  by: SignerAsker,
): Promise<SignerRegistration> {
  return changeKey(ports, asked, by, 'revoked', (key, step) => {
    if (key.revoked) throw new Failure('conflict', 'This key was revoked already.')
    return { ...key, revoked: step }
  })
}

async function changeKey(
  ports: SignerPorts,
  { person, thumbprint: print }: { person: string; thumbprint: string },
  by: SignerAsker,
  what: string,
  change: (key: SignerKey, step: Step) => SignerKey,
): Promise<SignerRegistration> {
  const step = { by: requireOperator(by.caller), at: ports.clock.now() }
  requireFreshSignIn(by.caller, step.at)
  const standing = await findSigner(ports.store, person)
  if (!standing?.keys.some((key) => key.thumbprint === print))
    throw new Failure('not-found', 'There is no such key of this person.')
  const keys = standing.keys.map((key) => (key.thumbprint === print ? change(key, step) : key))
  return commitSigner(ports, { ...standing, keys }, `signing key ${print} of ${person} ${what}`, by)
}

/** Two of a kind are told apart by their sign-in: a system, and the command line, is nobody in particular. */
export function requireOperator({ role, signIn }: Caller): Reference {
  if (role === 'operator' && signIn) return signIn.person
  throw new Failure('forbidden', 'Signing keys are for operators who signed in as a person.')
}

function requireOther(one: string, other: string, text: string): void {
  if (one === other) throw new Failure('forbidden', text)
}

async function commitSigner(
  { store, audit, clock }: SignerPorts,
  standing: SignerRegistration,
  outcomeText: string,
  { caller, requestId }: SignerAsker,
): Promise<SignerRegistration> {
  const at = clock.now()
  const { person, revision } = standing
  const stored = { ...standing, revision: revision + 1 }
  const act = { kind: 'configuration', outcome: 'success', outcomeText } as const
  await store.commit({
    audit: audit.record({ ...act, at, caller, requestId, patients: [], entities: [person] }),
    registrations: [{ kind: 'signer', id: person, json: JSON.stringify(stored) }],
    nonces: [{ issuer: `signer ${person}`, value: String(stored.revision), expires: at + nonceMs }],
  })
  return stored
}

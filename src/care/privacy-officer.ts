import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'

/**
 * Who may ask that something be kept or erased: a privacy officer who signed in, or whoever holds the keyring at the
 * command line, as whom nobody can approve what another asked for.
 */
export function requireOfficer({ role, signIn, clientId, tokenId }: Caller): string {
  if (role === 'privacy-officer' && signIn) return signIn.person
  // Who comes by HTTP has a token.
  if (clientId === 'command-line' && role === 'operator' && tokenId === undefined) return clientId
  throw new Failure('forbidden', 'This is for privacy officers who signed in as a person')
}

/** Two of a kind are told apart by their sign-in: the command line is nobody in particular. */
export function requirePerson({ role, signIn }: Caller): string {
  if (role === 'privacy-officer' && signIn) return signIn.person
  throw new Failure('forbidden', 'This is for privacy officers who signed in as a person')
}

export function requireOther(one: string, other: string, text: string): void {
  if (one === other) throw new Failure('forbidden', text)
}

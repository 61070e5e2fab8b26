import type { CommitUnit } from '#core/commit.ts'
import { referenceTo } from '#core/resource.ts'
import { signedOutBy } from './people/sign-in.ts'
import { isPersonType } from './person.ts'
import { revokedBy } from './token-state.ts'
import type { VerifiedToken } from './verified-tokens.ts'

/** Which verified tokens hang on what a commit changed; undefined for the most commits, which change nothing of the kind. */
export function hangingOn(unit: CommitUnit): ((token: VerifiedToken) => boolean) | undefined {
  const tokens = new Set(revokedBy(unit))
  const sessions = new Set((unit.sessions ?? []).flatMap(({ change, id }) => (change === 'end' ? [id] : [])))
  const marks = new Set(signedOutBy(unit))
  const people = new Set(
    (unit.writes ?? []).flatMap(({ resource }) =>
      isPersonType(resource.resourceType) ? [referenceTo(resource)] : [],
    ),
  )
  const registrations = unit.registrations ?? []
  if (registrations.some(({ kind }) => kind === 'issuer' || kind === 'app')) return () => true
  const changed = (what: string) =>
    new Set(registrations.flatMap(({ kind, id }) => (kind === what ? [id] : [])))
  const [clients, accounts] = [changed('client'), changed('account')]
  if (tokens.size + sessions.size + marks.size + people.size + clients.size + accounts.size === 0)
    return undefined
  return ({ caller, session }) =>
    tokens.has(caller.tokenId ?? '') ||
    clients.has(caller.clientId) ||
    (caller.signIn !== undefined && people.has(caller.signIn.person)) ||
    (session !== undefined &&
      (sessions.has(session.id) || marks.has(session.mark ?? '') || accounts.has(session.account)))
}

import { Failure, type Issue } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'

export interface ProfileGate {
  check(resource: Resource, profile?: string): Issue[]
}

/** What a mapping makes is valid by the profiles of its flow, or is not kept. Throws Failure `invalid`. */
export function requireProfiles(
  validator: ProfileGate,
  { profiles }: Pick<Flow, 'profiles'>,
  resources: readonly Resource[],
): void {
  const issues = resources.flatMap((resource) => validator.check(resource, profiles[resource.resourceType]))
  const errors = issues.filter(({ severity = 'error' }) => severity === 'error')
  if (errors.length > 0) throw new Failure('invalid', errors)
}

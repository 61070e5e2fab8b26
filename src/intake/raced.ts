import { Failure } from '#core/failure.ts'

/** Somebody else was faster: what a commit was worked out from is not what stands (core/ports `Store.commit`). */
export function isRaced(cause: unknown): boolean {
  const kinds: readonly string[] = ['conflict', 'precondition-failed']
  return cause instanceof Failure && kinds.includes(cause.kind) && cause.cause !== undefined
}

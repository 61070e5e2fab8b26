import { Failure } from '#core/failure.ts'

const timeoutMs = 10_000

/**
 * Takes a signed checkpoint to an address where the owner of the database cannot change it: POST, `text/plain`, the note
 * as it is. It holds a name, a number and a hash. Throws Failure `unavailable` when it was not taken; it is then sent
 * again, so the other side may see the same note more than once.
 */
export async function postCheckpoint(address: string, note: string): Promise<void> {
  const request = {
    method: 'POST',
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: note,
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  } as const
  const response = await fetch(address, request).catch((cause: unknown) => {
    throw new Failure('unavailable', 'The place for checkpoints does not answer', { cause })
  })
  await response.body?.cancel()
  if (!response.ok)
    throw new Failure('unavailable', `The place for checkpoints answered with status ${response.status}`)
}

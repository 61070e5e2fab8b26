import { Failure } from '#core/failure.ts'

export interface Outgoing {
  method: string
  headers: Record<string, string>
  body?: string
  signal: AbortSignal
}

const MAX_ANSWER_BYTES = 2 * 1024 * 1024

/**
 * One HTTP request to a receiver. Redirects are not followed: they would carry the message and the token to whom nobody
 * registered. Throws Failure `unavailable` with `timeout`, `connection`, or `answer-too-large` as its text.
 */
export async function exchange(
  url: string,
  outgoing: Outgoing,
): Promise<{ response: Response; text: string }> {
  try {
    const response = await fetch(url, { ...outgoing, redirect: 'manual' })
    return { response, text: await boundedText(response) }
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('unavailable', outgoing.signal.aborted ? 'timeout' : 'connection', { cause })
  }
}

/** Reads no more of an answer than any receiver needs to give. */
async function boundedText(response: Response): Promise<string> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  let text = ''
  let length = 0
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    length += piece.value.byteLength
    if (length > MAX_ANSWER_BYTES) {
      await reader.cancel()
      throw new Failure('unavailable', 'answer-too-large')
    }
    text += decoder.decode(piece.value, { stream: true })
  }
  return text + decoder.decode()
}

import type { Answer } from './channel.ts'

/** Statuses after which the same request may succeed: RFC 9110, RFC 6585, RFC 8470. */
const transient = new Set([408, 425, 429])

/** What an answer that is not a success means for the delivery. */
export function refusalOf(response: Response | undefined, now: number): Answer {
  const status = response?.status ?? 0
  const reason = `http-${status}`
  if (!transient.has(status) && status < 500) return { state: 'refused', reason }
  const afterMs = readRetryAfter(response?.headers.get('retry-after'), now)
  return { state: 'retry', reason, ...(afterMs === undefined ? {} : { afterMs }) }
}

/** Seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
function readRetryAfter(value: string | null | undefined, now: number): number | undefined {
  if (!value) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

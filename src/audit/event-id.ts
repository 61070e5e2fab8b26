/**
 * A random UUID made time-ordered (RFC 9562 §5.7, version 7): it keeps 74 random bits behind the milliseconds. Every
 * read writes an event, and rows whose keys follow each other share pages; the time stands beside the id anyway.
 */
export function timeOrdered(uuid: string, at: number): string {
  const time = at.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuid.slice(15)}`
}

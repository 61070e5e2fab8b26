import { readFileSync } from 'node:fs'

/** docs/hl7v2.md, whose examples are sent and asked for as they stand there. */
export const guide = readFileSync(new URL('../../docs/hl7v2.md', import.meta.url), 'utf8')

export type Example =
  /** `again`: what was sent before. `as`: who sends it. `answers`: as printed, one segment a line; none is printed where it is sent again. */
  | { kind: 'exchange'; sent: string; again: boolean; as: string; answer: string }
  /** A FHIR request, and what its answer holds. */
  | { kind: 'request'; path: string; shown: string }

/** The fenced blocks `hl7 send`, `hl7 answer` and `json GET …`, in the order of the page. */
export function examplesOf(page: string): Example[] {
  const examples: Example[] = []
  for (const [, info = '', text = ''] of page.matchAll(/^```([^\n]+)\n([\s\S]*?)^```$/gm)) {
    const [language, word, ...rest] = info.split(' ')
    if (language === 'hl7' && word === 'send') {
      const as = rest[0] === 'as' ? (rest[1] ?? '') : 'rxwriter'
      examples.push({ kind: 'exchange', sent: text, again: rest[0] === 'again', as, answer: '' })
    }
    const last = examples.at(-1)
    if (language === 'hl7' && word === 'answer' && last?.kind === 'exchange') last.answer = text
    if (language === 'json' && word === 'GET')
      examples.push({ kind: 'request', path: rest.join(' '), shown: text })
  }
  return examples
}

/** As it goes over the wire. */
export function onTheWire(lines: string): string {
  return lines.replaceAll('\n', '\r')
}

/** Without what is an answer's own: its time (MSH-7) and its control id (MSH-10). */
export function withoutOwn(answers: string): string {
  return answers.replace(/^(MSH(?:\|[^|\n]*){5}\|)[^|\n]*(\|[^|\n]*\|[^|\n]*\|)[^|\n]*/gm, '$1<time>$2<id>')
}

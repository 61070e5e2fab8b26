import { type Delimiters, standardDelimiters } from './delimiters.ts'

/**
 * Resolves escape sequences (HL7 v2.9 §2.7): delimiters, hexadecimal bytes in the message's own character set, line and
 * space commands as line feeds and spaces; highlighting is dropped. What is no escape (`C:\temp\x`), local (`\Z..\`)
 * or a character-set switch (`\C..\`, `\M..\`) stays as it was sent.
 */
export function unescapeText(
  text: string,
  delimiters: Delimiters = standardDelimiters,
  charset = 'utf-8',
): string {
  const sign = delimiters.escape
  if (sign === '' || !text.includes(sign)) return text
  let out = ''
  let from = 0
  while (true) {
    const open = text.indexOf(sign, from)
    const close = open === -1 ? -1 : text.indexOf(sign, open + 1)
    if (close === -1) return out + text.slice(from)
    const meaning = meaningOf(text.slice(open + 1, close), delimiters, charset)
    // The closing sign of what is no escape may open the next one.
    out += text.slice(from, open) + (meaning ?? text.slice(open, close))
    from = meaning === undefined ? close : close + 1
    if (meaning === undefined && isLocal(text.slice(open + 1, close))) {
      out += sign
      from = close + 1
    }
  }
}

/** Escapes text for any field, component or sub-component: delimiters, line ends and control characters. */
export function escapeText(text: string, delimiters: Delimiters = standardDelimiters): string {
  let out = ''
  for (const character of text) out += escapeOf(character, delimiters) ?? character
  return out
}

function escapeOf(character: string, delimiters: Delimiters): string | undefined {
  const code = codeOf(character, delimiters)
  if (code === undefined) return undefined
  return delimiters.escape === '' ? ' ' : delimiters.escape + code + delimiters.escape
}

function codeOf(character: string, delimiters: Delimiters): string | undefined {
  switch (character) {
    case delimiters.escape:
      return 'E'
    case delimiters.field:
      return 'F'
    case delimiters.component:
      return 'S'
    case delimiters.subcomponent:
      return 'T'
    case delimiters.repetition:
      return 'R'
    case delimiters.truncation:
      return 'P'
    case '\n':
      return '.br'
  }
  const point = character.charCodeAt(0)
  // VT, FS and CR end a frame or a segment; no control character but the tab may go out as it is.
  if ((point < 32 && point !== 9) || point === 127)
    return `X${point.toString(16).toUpperCase().padStart(2, '0')}`
  return undefined
}

function meaningOf(code: string, delimiters: Delimiters, charset: string): string | undefined {
  switch (code) {
    case 'F':
      return delimiters.field
    case 'S':
      return delimiters.component
    case 'T':
      return delimiters.subcomponent
    case 'R':
      return delimiters.repetition
    case 'E':
      return delimiters.escape
    case 'P':
      return delimiters.truncation === '' ? undefined : delimiters.truncation
    case 'H':
    case 'N':
      return ''
  }
  if (/^X(?:[0-9A-Fa-f]{2})+$/.test(code)) return bytesOf(code.slice(1), charset)
  if (code.startsWith('.')) return formatting(code)
  return undefined
}

function bytesOf(hex: string, charset: string): string {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  // Half a unit of UTF-16 is a control character as `escapeText` writes it.
  if (bytes.length === 1 && charset.startsWith('utf-16')) return String.fromCharCode(bytes[0] ?? 0)
  return new TextDecoder(charset).decode(bytes)
}

/** Formatting commands of FT (§2.7.6). Indents and modes have no place in plain text. */
function formatting(code: string): string | undefined {
  const parts = /^\.(br|sp|sk|fi|nf|ce|in|ti)\s*([+-]?\d{0,3})$/.exec(code)
  if (!parts) return undefined
  const count = Math.min(Math.max(Number(parts[2] || 1), 0), 100)
  if (parts[1] === 'br' || parts[1] === 'ce') return '\n'
  if (parts[1] === 'sp') return '\n'.repeat(count)
  return parts[1] === 'sk' ? ' '.repeat(count) : ''
}

function isLocal(code: string): boolean {
  return /^(?:Z[^\s]*|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4,6})$/.test(code)
}

import { Failure } from '#core/failure.ts'
import { readDelimiters } from './delimiters.ts'
import { unescapeText } from './escape.ts'

/** Table 0211 (names of MSH-18) to WHATWG labels, which TextDecoder knows on Node and workerd alike. */
const labels: Record<string, string> = {
  ASCII: 'utf-8',
  'UNICODE UTF-8': 'utf-8',
  'UTF-8': 'utf-8',
  UNICODE: 'utf-8',
  'UNICODE UTF-16': 'utf-16be',
  '8859/1': 'windows-1252',
  '8859/2': 'iso-8859-2',
  '8859/3': 'iso-8859-3',
  '8859/4': 'iso-8859-4',
  '8859/5': 'iso-8859-5',
  '8859/6': 'iso-8859-6',
  '8859/7': 'iso-8859-7',
  '8859/8': 'iso-8859-8',
  '8859/9': 'windows-1254',
  '8859/15': 'iso-8859-15',
  'ISO IR6': 'utf-8',
  'ISO IR14': 'iso-2022-jp',
  'ISO IR87': 'iso-2022-jp',
  'KS X 1001': 'euc-kr',
  'GB 18030-2000': 'gb18030',
  'BIG-5': 'big5',
}

export interface DecodedText {
  /** Without byte order mark. */
  text: string
  /** WHATWG label it was decoded with. */
  charset: string
  /** It began with a byte order mark. */
  mark: boolean
}

/**
 * Bytes to text by byte order mark, then MSH-18 (its first repetition; HL7 v2.9 §2.14.9.18). What declares UTF-8, ASCII
 * or nothing is read as UTF-8 and, where it is not that, as windows-1252. Throws Failure `unsupported` for a character
 * set nobody here can read, `malformed` for bytes that are not of the declared one.
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  const marked = markOf(bytes)
  if (marked) return { text: strictly(bytes, marked), charset: marked, mark: true }
  const wide = wideOf(bytes)
  if (wide) return { text: strictly(bytes, wide), charset: wide, mark: false }
  const charset = declared(bytes)
  if (charset !== 'utf-8') return { text: strictly(bytes, charset), charset, mark: false }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), charset, mark: false }
  } catch {
    return { text: new TextDecoder('windows-1252').decode(bytes), charset: 'windows-1252', mark: false }
  }
}

/** Text to bytes of a WHATWG label. Throws Failure `unsupported` where a character has no place in it. */
export function encodeText(text: string, charset: string): Uint8Array<ArrayBuffer> {
  if (charset === 'utf-16le' || charset === 'utf-16be') return wideBytes(text, charset === 'utf-16le')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: every other character set here begins with ASCII
  if (charset === 'utf-8' || /^[\x00-\x7F]*$/.test(text)) return new TextEncoder().encode(text)
  const table = tableOf(charset)
  const bytes: number[] = []
  for (const character of text) {
    const code = table.get(character)
    if (code === undefined) throw new Failure('unsupported', `A character cannot be written in ${charset}`)
    if (code > 0xff) bytes.push(code >> 8)
    bytes.push(code & 0xff)
  }
  return Uint8Array.from(bytes)
}

/** Name of table 0211 for a WHATWG label: what MSH-18 says of our own messages. */
export function charsetName(charset: string): string {
  if (charset === 'utf-8') return 'UNICODE UTF-8'
  if (charset === 'utf-16le') return 'UNICODE UTF-16'
  return Object.keys(labels).find((name) => labels[name] === charset) ?? 'ASCII'
}

function declared(bytes: Uint8Array): string {
  const header = new TextDecoder('windows-1252').decode(bytes.subarray(0, 4096))
  const line = /(?:^|[\r\n])[\s\v]*(MSH[^\r\n]*)/.exec(header)?.[1]
  if (!line) return 'utf-8'
  const delimiters = readDelimiters(line)
  const sent = line.split(delimiters.field)[17] ?? ''
  // Names hold slashes and hyphens, which may be delimiters here: then they come escaped.
  const names = (delimiters.repetition === '' ? [sent] : sent.split(delimiters.repetition)).map((name) =>
    unescapeText(name, delimiters, 'windows-1252'),
  )
  const first = (names[0] ?? '').trim().toUpperCase()
  // Japanese senders name ASCII (or nothing) first and switch by ISO 2022 escape sequences.
  const usual = first === '' || labels[first] === 'utf-8'
  if (usual && bytes.includes(0x1b) && names.some((name) => labels[name.trim()] === 'iso-2022-jp'))
    return 'iso-2022-jp'
  if (first === '') return 'utf-8'
  const label = labels[first]
  if (!label)
    throw new Failure('unsupported', [{ text: 'The character set is not supported', expression: 'MSH-18' }])
  return label
}

function strictly(bytes: Uint8Array, charset: string): string {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new Failure('malformed', [{ text: `The bytes are not ${charset}`, expression: 'MSH-18' }], {
      cause,
    })
  }
}

function markOf(bytes: Uint8Array): string | undefined {
  const [a, b, c] = bytes
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8'
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  return a === 0xfe && b === 0xff ? 'utf-16be' : undefined
}

/** UTF-16 without mark shows in the zeros beside M, F or B. */
function wideOf(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes
  if (a !== 0 && b === 0 && c !== 0 && d === 0) return 'utf-16le'
  return a === 0 && b !== 0 && c === 0 && d !== 0 ? 'utf-16be' : undefined
}

function wideBytes(text: string, littleEndian: boolean): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(text.length * 2))
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), littleEndian)
  return new Uint8Array(view.buffer)
}

const tables = new Map<string, ReadonlyMap<string, number>>()

/** Character → code of one or two bytes, found by decoding all of them once. */
function tableOf(charset: string): ReadonlyMap<string, number> {
  const known = tables.get(charset)
  if (known) return known
  const table = new Map<string, number>()
  const decoder = new TextDecoder(charset)
  const add = (code: number, bytes: number[]) => {
    const text = decoder.decode(Uint8Array.from(bytes))
    if ([...text].length === 1 && text !== '\uFFFD' && !table.has(text)) table.set(text, code)
  }
  for (let code = 0; code < 256; code++) add(code, [code])
  if (['gb18030', 'big5', 'euc-kr'].includes(charset)) {
    for (let code = 0x8100; code < 0xff00; code++)
      if ((code & 0xff) >= 0x30) add(code, [code >> 8, code & 0xff])
  }
  tables.set(charset, table)
  return table
}

import type { Binary } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Call } from '#fhir/call.ts'
import { isJsonType, mediaType } from '#fhir/negotiate.ts'
import { base64, bytesOf } from '#formats/base64.ts'

/** Bytes of one file: with base64 and its frame it is still within what the door reads and the databases keep. */
const maxBytes = 4 * 1024 * 1024

/**
 * A file sent as it is, with `X-Security-Context`: https://hl7.org/fhir/R4/binary.html#rest. Nobody looks into it, so
 * what is encrypted stays so. Throws Failure `unsupported-media` where the request does not say what it is.
 */
export function readContent({ request }: Pick<Call, 'request'>): Binary {
  const contentType = request.header('content-type')?.trim() ?? ''
  if (!isMediaType(contentType)) {
    throw new Failure('unsupported-media', 'Content-Type says what the file is; send it with the request.')
  }
  if (request.body.byteLength > maxBytes) throw tooLarge()
  const reference = request.header('x-security-context')
  return {
    resourceType: 'Binary',
    contentType,
    ...(reference === undefined ? {} : { securityContext: { reference } }),
    data: base64(request.body),
  }
}

/** Whether a request's body is the file itself and not a Binary that holds it. */
export function isContent({ type, request }: Pick<Call, 'type' | 'request'>): boolean {
  return type === 'Binary' && !isJsonType(mediaType(request.header('content-type') ?? ''))
}

/** Throws Failure `too-large`. */
export function requireSize({ data = '' }: Binary): void {
  if (data.length > Math.ceil(maxBytes / 3) * 4) throw tooLarge()
}

function tooLarge(): Failure {
  return new Failure('too-large', `A file is at most ${maxBytes} bytes; send it in parts.`)
}

/**
 * The file itself, where that is what the client would rather have than the resource; undefined where the resource is.
 * Throws Failure `not-acceptable` where it is neither. Never shown in a browser's own window: anybody may have sent it.
 */
export function contentResponse(request: DoorRequest, binary: Binary): DoorResponse | undefined {
  const type = isMediaType(binary.contentType) ? binary.contentType : 'application/octet-stream'
  if (formOf(request, mediaType(type)) === 'resource') return undefined
  const { reference } = binary.securityContext ?? {}
  return {
    status: 200,
    headers: {
      'Content-Type': type,
      'Content-Disposition': 'attachment',
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'Cache-Control': 'no-store',
      ...(reference ? { 'X-Security-Context': reference } : {}),
    },
    body: '',
    bytes: bytesOf(binary.data ?? ''),
  }
}

/** `_format` goes before Accept; of several ranges the one that is wanted most. */
function formOf(request: DoorRequest, content: string): 'resource' | 'content' {
  if (request.query.has('_format')) return 'resource'
  const accept = request.header('accept')
  if (!accept) return 'content'
  const wanted = accept
    .split(',')
    .map((range) => ({ type: mediaType(range), weight: weightOf(range) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
  for (const { type } of wanted) {
    if (type === content || type === '*/*' || type === `${content.split('/')[0]}/*`) return 'content'
    if (isJsonType(type)) return 'resource'
  }
  throw new Failure(
    'not-acceptable',
    'The file is of another type; ask for */*, or for application/fhir+json.',
  )
}

function weightOf(range: string): number {
  return Number(/;\s*q=([\d.]+)/.exec(range)?.[1] ?? 1)
}

function isMediaType(text: string): boolean {
  return /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?: ?; ?[\w!#$&^.+-]{1,127}=(?:[\w!#$&^.+-]{1,127}|"[\w !#$&^.+-]{1,127}")){0,8}$/.test(
    text,
  )
}

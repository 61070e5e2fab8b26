import * as z from 'zod'
import { httpsUrl, isObject, language, text } from './fields.ts'

/** Inline data at the most, in bytes before base64; larger ones come by URL. */
const maxInlineBytes = 1024 * 1024

const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 hash in 64 lower-case hexadecimal digits')

const base64 = z
  .string()
  .max(Math.ceil(maxInlineBytes / 3) * 4)
  .regex(
    /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    'must be base64 with padding and without line ends',
  )
  .min(1)

/** JWE compact serialization (RFC 7516): five base64url parts. It is passed on as it is; nobody here can open it. */
const jwe = z
  .string()
  .max(maxInlineBytes)
  .regex(
    /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/,
    'must be a JWE in compact serialization',
  )

const mimeType = z
  .string()
  .max(200)
  .regex(/^[\w.+-]+\/[\w.+-]+(?:; ?[\w.+-]+=[\w.+"-]+)*$/, 'must be a MIME type')

/**
 * A file that goes with a message, in one of three ways: `data` (base64, up to 1 MiB), `url` with `sha256` and `size`
 * (bytes) by which the receiver knows it unchanged, or `jwe` (end-to-end encrypted, content type `application/jose`).
 */
export const attachment = z
  .strictObject({
    contentType: mimeType,
    title: text(250).optional(),
    language: language.optional(),
    data: base64.optional(),
    url: httpsUrl.optional(),
    sha256: sha256.optional(),
    size: z.int().min(0).max(2_147_483_647).optional(),
    jwe: jwe.optional(),
  })
  .refine(({ data, url, jwe }) => [data, url, jwe].filter((way) => way !== undefined).length === 1, {
    message: 'must have exactly one of data, url and jwe',
    when: isObject,
  })
  .refine(({ url, sha256 }) => url === undefined || sha256 !== undefined, {
    message: 'must come with a url',
    path: ['sha256'],
    when: isObject,
  })
  .refine(({ url, size }) => url === undefined || size !== undefined, {
    message: 'must come with a url',
    path: ['size'],
    when: isObject,
  })
  .refine(({ jwe, contentType }) => jwe === undefined || contentType === 'application/jose', {
    message: 'must be application/jose for a JWE',
    path: ['contentType'],
    when: isObject,
  })
  .transform(({ jwe: sealed, ...rest }) => (sealed === undefined ? rest : { ...rest, data: btoa(sealed) }))

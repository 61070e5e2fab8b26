import * as z from 'zod'
import { Failure } from '#core/failure.ts'
import type { Keyring } from '#core/ports.ts'

/** A value that arrives as JSON text. */
function json<Schema extends z.ZodType>(schema: Schema) {
  return z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown
      } catch {
        context.addIssue('must be JSON')
        return z.NEVER
      }
    })
    .pipe(schema)
}

const keyBytes = z
  .base64()
  .transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
  .refine((bytes) => bytes.length === 32, 'must be 32 bytes, base64')

const keyring = z
  .strictObject({ active: z.string().min(1), keys: z.record(z.string(), keyBytes) })
  .refine(({ active, keys }) => active in keys, 'must hold its active key')
  .transform(({ active, keys }): Keyring => ({ active, keys: new Map(Object.entries(keys)) }))

const clinic = z.strictObject({
  /** Part of every seal, of the log's origin, and the name of the clinic's objects. It cannot be changed later. */
  clinic: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'letters, digits, dots and dashes'),
  /** The address by which others reach this clinic; `https://<host>` where absent. Tokens are bound to it. */
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .transform((text) => text.replace(/\/$/, ''))
    .optional(),
  timeZone: z.string().refine(isTimeZone, 'an IANA time zone, e.g. Europe/Berlin').default('UTC'),
  /** Registered when they change; each is checked by the room that keeps it. */
  clients: z.array(z.unknown()).max(100).default([]),
  destinations: z.array(z.unknown()).max(100).default([]),
})

const schema = z.object({
  /** Secret. The form of keyring.json: `{"active": "...", "keys": {"...": "<base64>"}}`. */
  POSTERN_KEYRING: json(keyring),
  /** Secret. Ed25519 private key that signs checkpoints of the audit log: PEM (PKCS #8). */
  POSTERN_CHECKPOINT_KEY: z.string().min(1),
  /** Secret, since destinations hold keys. Clinics by host name. */
  POSTERN_CLINICS: json(z.record(z.string(), clinic)),
})

export type ClinicSettings = z.output<typeof clinic> & { baseUrl: string }

export interface Settings {
  keyring: Keyring
  checkpointKey: string
  /** By host, as in a URL (with a port where it has one). */
  clinics: ReadonlyMap<string, ClinicSettings>
}

/** Reads the Worker's secrets and variables; nothing else does. Throws Failure `internal`; a value never stands in it. */
export function readSettings(env: unknown): Settings {
  const read = schema.safeParse(env)
  if (!read.success) {
    const issues = read.error.issues.map(({ path, message }) => ({ text: `${path.join('.')}: ${message}` }))
    throw new Failure('internal', issues)
  }
  const { POSTERN_KEYRING, POSTERN_CHECKPOINT_KEY, POSTERN_CLINICS } = read.data
  const named = Object.entries(POSTERN_CLINICS).map(
    ([host, each]) => [host, { ...each, baseUrl: each.baseUrl ?? `https://${host}` }] as const,
  )
  return { keyring: POSTERN_KEYRING, checkpointKey: POSTERN_CHECKPOINT_KEY, clinics: new Map(named) }
}

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}

import * as z from 'zod'
import { Failure } from '#core/failure.ts'
import { type Jurisdiction, jurisdictions } from '#core/jurisdiction.ts'

/** Where and how a clinic's gateway runs on Node. */
const settings = z.strictObject({
  /** Folder of the database, the key store and the log of checkpoints. */
  POSTERN_DATA: z.string().default('postern-data'),
  /** Folder of the keyring; `keyring` below the data folder when not given. Better on another disk. */
  POSTERN_KEYRING: z.string().optional(),
  /** The keyring itself, in the form of keyring.json, where no file shall hold it. A secret: it is never told. */
  POSTERN_KEYRING_JSON: z.string().optional(),
  /** Name of the clinic: part of every seal and of the audit log's origin. It cannot be changed later. */
  POSTERN_CLINIC: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'letters, digits, dots and dashes')
    .default('clinic'),
  POSTERN_HOST: z.string().default('127.0.0.1'),
  POSTERN_PORT: z.coerce.number().int().min(0).max(65535).default(8080),
  /** The address by which others reach this gateway; tokens are bound to it. */
  POSTERN_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Addresses of the proxies in front, separated by commas: whom they say they ask for (X-Forwarded-For) is believed. */
  POSTERN_PROXIES: z
    .string()
    .regex(/^[\da-fA-F:.]+(?:,[\da-fA-F:.]+)*$/, 'IP addresses, separated by commas')
    .optional(),
  /** Without a port there is no MLLP listener. */
  POSTERN_MLLP_PORT: z.coerce.number().int().min(0).max(65535).optional(),
  /** PEM files of the MLLP listener's certificate and key; with them it speaks TLS only. */
  POSTERN_MLLP_CERT: z.string().optional(),
  POSTERN_MLLP_KEY: z.string().optional(),
  /** PEM file of those who sign partners' certificates; with it every partner must show one (mutual TLS). */
  POSTERN_MLLP_CA: z.string().optional(),
  /** IANA zone of HL7 v2 times without offset, where the partner has no setting of its own. */
  POSTERN_TIME_ZONE: z.string().default('UTC').refine(isTimeZone, 'an IANA time zone, e.g. Europe/Berlin'),
  /** Requests a second that one client may make; the others get their turn (ACC18). */
  POSTERN_CLIENT_RATE: z.coerce.number().int().min(1).max(1_000_000).default(10_000),
  /** Whose law says how long records are kept (docs/retention.md). */
  POSTERN_RETENTION: z.enum(jurisdictions).default('us'),
  /** Where signed checkpoints of the audit log are posted to, beside the file next to the keyring: somebody else's. */
  POSTERN_ANCHOR_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Seconds between checkpoints of the audit log. */
  POSTERN_CHECKPOINT_SECONDS: z.coerce.number().int().min(1).max(60).default(60),
})

/** Half of a TLS setting would be a listener without TLS. */
const schema = settings.refine(
  (read) =>
    Boolean(read.POSTERN_MLLP_CERT) === Boolean(read.POSTERN_MLLP_KEY) &&
    (!read.POSTERN_MLLP_CA || Boolean(read.POSTERN_MLLP_CERT)),
  { path: ['POSTERN_MLLP_CERT'], error: 'MLLP over TLS needs POSTERN_MLLP_CERT and POSTERN_MLLP_KEY' },
)

export interface Config {
  data: string
  keyring: string
  /** The keyring as text; in the folder, as a file, where absent. */
  keyringJson?: string
  clinic: string
  host: string
  port: number
  baseUrl?: string
  /** In lower case. */
  proxies: string[]
  mllpPort?: number
  mllpTls?: MllpTlsFiles
  timeZone: string
  clientRate: number
  retention: Jurisdiction
  checkpointMs: number
  anchorUrl?: string
}

/** Paths of PEM files. */
export interface MllpTlsFiles {
  cert: string
  key: string
  ca?: string
}

/**
 * Reads the `POSTERN_` variables; this is the only file that does. An unknown one is an error that names its nearest
 * neighbour, because a misspelt setting is a setting that silently does not hold.
 */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const own = Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('POSTERN_')))
  const known = Object.keys(settings.shape)
  const unknown = Object.keys(own).filter((name) => !known.includes(name))
  const issues = unknown.map((name) => ({
    text: `${name} is not a setting; did you mean ${nearest(name, known)}?`,
  }))
  const read = schema.safeParse(Object.fromEntries(known.map((name) => [name, own[name]])))
  if (!read.success) {
    issues.push(...read.error.issues.map((issue) => ({ text: `${issue.path.join('.')}: ${issue.message}` })))
  }
  if (!read.success || issues.length > 0) throw new Failure('invalid', issues)
  const { data } = read
  const { POSTERN_MLLP_CERT: cert, POSTERN_MLLP_KEY: key, POSTERN_MLLP_CA: ca } = data
  return {
    data: data.POSTERN_DATA,
    keyring: data.POSTERN_KEYRING ?? `${data.POSTERN_DATA}/keyring`,
    ...(data.POSTERN_KEYRING_JSON ? { keyringJson: data.POSTERN_KEYRING_JSON } : {}),
    clinic: data.POSTERN_CLINIC,
    host: data.POSTERN_HOST,
    port: data.POSTERN_PORT,
    baseUrl: data.POSTERN_BASE_URL?.replace(/\/$/, ''),
    proxies: data.POSTERN_PROXIES?.toLowerCase().split(',') ?? [],
    mllpPort: data.POSTERN_MLLP_PORT,
    ...(cert && key ? { mllpTls: { cert, key, ...(ca ? { ca } : {}) } } : {}),
    timeZone: data.POSTERN_TIME_ZONE,
    clientRate: data.POSTERN_CLIENT_RATE,
    retention: data.POSTERN_RETENTION,
    checkpointMs: data.POSTERN_CHECKPOINT_SECONDS * 1000,
    ...(data.POSTERN_ANCHOR_URL ? { anchorUrl: data.POSTERN_ANCHOR_URL } : {}),
  }
}

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}

function nearest(name: string, known: readonly string[]): string {
  const ranked = known.map((each) => ({ each, far: distance(name, each) })).sort((a, b) => a.far - b.far)
  return ranked[0]?.each ?? ''
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

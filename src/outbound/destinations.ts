import * as z from 'zod'
import { type RefusalCode, refusals } from '#care/renewal-answers.ts'
import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import { type Destination, writtenCharsets, writtenVersions } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'

const timeoutMs = z.int().min(100).max(120_000).optional()

/** Where messages and tokens go in the clear: this machine only. */
const address = z.url({ protocol: /^https?$/ }).refine((text) => {
  const { protocol, hostname, username, password, hash } = new URL(text)
  const local = ['127.0.0.1', '[::1]', 'localhost'].includes(hostname)
  return (protocol === 'https:' || local) && !username && !password && !hash
}, 'must be https (http on this machine only), without user name or fragment')

/** Strong enough for SMART Backend Services: ES384, or RS384 of at least 2048 bits. */
const privateKey = z.record(z.string(), z.unknown()).refine((key) => {
  const text = (name: string) => (typeof key[name] === 'string' ? key[name] : '')
  const elliptic = key.kty === 'EC' && key.crv === 'P-384'
  // Base64url of 256 bytes is 342 characters.
  const rsa = key.kty === 'RSA' && text('n').length >= 342 && text('e') === 'AQAB'
  return (elliptic || rsa) && text('d') !== ''
}, 'must be a private JWK: EC P-384, or RSA of at least 2048 bits')

const fhirChannel = z.strictObject({
  kind: z.literal('fhir'),
  address: address.transform((text) => text.replace(/\/+$/, '')),
  timeoutMs,
  token: z
    .strictObject({
      url: address,
      clientId: z.string().min(1),
      scope: z.string().min(1),
      resource: z.url().optional(),
      key: privateKey,
    })
    .optional(),
})

const hierarchicDesignator = z.strictObject({
  application: z.string().min(1).max(227),
  facility: z.string().max(227),
})

const mllpChannel = z.strictObject({
  kind: z.literal('mllp'),
  host: z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, 'must be a host name or an IP address'),
  port: z.int().min(1).max(65_535),
  timeoutMs,
  tls: z
    .strictObject({
      ca: z.string().optional(),
      cert: z.string().optional(),
      key: z.string().optional(),
      servername: z.string().optional(),
    })
    .optional(),
  connections: z.int().min(1).max(16).optional(),
  pipeline: z.int().min(1).max(32).optional(),
  sending: hierarchicDesignator,
  receiving: hierarchicDesignator,
  version: z.enum(writtenVersions).optional(),
  charset: z.enum(writtenCharsets).optional(),
  timeZone: z
    .string()
    .refine((name) => isTimeZone(name), 'must be an IANA time zone')
    .optional(),
  orders: z.enum(['RDE', 'OMP']).optional(),
  attachments: z.boolean().optional(),
  rest: z.enum(['segment', 'notes']).optional(),
  acknowledgement: z.enum(['original', 'enhanced']).optional(),
  authorities: z
    .record(
      z.url(),
      z
        .string()
        .regex(
          /^[^|^~\\\r\n&]*(?:&[^|^~\\\r\n&]+&(?:ISO|UUID|DNS|GUID|URI|L))?$/,
          'must be HD, NAME or NAME&id&ISO',
        ),
    )
    .optional(),
  questionnaires: z
    .record(
      z.string().regex(/^https?:[^\s]+$/, 'must be a canonical'),
      z.string().regex(/^[^|^~\\\r\n&]+\^[^|^~\\\r\n&]*\^[^|^~\\\r\n&]+$/, 'must be CODE^text^SYSTEM'),
    )
    .optional(),
})

const hours = z.number().positive().max(8760).optional()

const renewals = z.strictObject({
  remindAfterHours: hours,
  answerWithinHours: hours,
  unanswered: z.enum(['denied', 'pending']).optional(),
  pendingIsFinal: z.boolean().optional(),
  refusals: z
    .partialRecord(
      z.enum(Object.keys(refusals) as [RefusalCode, ...RefusalCode[]]),
      z.string().regex(/^[^|^~\\\r\n&]+\^[^|^~\\\r\n&]*\^[^|^~\\\r\n&]+$/, 'must be CODE^text^SYSTEM'),
    )
    .optional(),
})

const destination = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/, 'must be letters, digits, dots and dashes'),
  name: z.string().min(1).max(200),
  role: z.enum(['ehr', 'pharmacy']),
  organization: z
    .string()
    .regex(/^Organization\/[A-Za-z0-9.-]{1,64}$/, 'must be a reference such as Organization/1')
    .transform((text) => text as Reference),
  purpose: z.string().regex(/^[A-Z]{2,20}$/, 'must be a code of v3 ActReason, such as TREAT'),
  active: z.boolean().default(true),
  renewals: renewals.optional(),
  channel: z.discriminatedUnion('kind', [fhirChannel, mllpChannel]),
})

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** A destination as given by an operator. Throws Failure `invalid`; a value never stands in it, as it may be a key. */
export function readDestination(input: unknown): Destination {
  const read = destination.safeParse(input)
  if (read.success) return read.data
  throw new Failure(
    'invalid',
    read.error.issues.map(({ path, message }) => ({ text: message, expression: path.join('.') })),
  )
}

/** Registers or replaces a destination, told in the audit log as a change of configuration. */
export async function registerDestination(
  { store, audit, clock, ids }: { store: Store; audit: Audit; clock: Clock; ids: Ids },
  input: unknown,
  by: Caller,
): Promise<Destination> {
  const registered = readDestination(input)
  await store.commit({
    audit: audit.record({
      kind: 'configuration',
      outcome: 'success',
      outcomeText: `Destination ${registered.id} registered`,
      at: clock.now(),
      requestId: ids.random(),
      caller: by,
      patients: [],
      entities: [registered.organization],
    }),
    registrations: [{ kind: 'destination', id: registered.id, json: JSON.stringify(registered) }],
  })
  return registered
}

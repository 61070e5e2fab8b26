import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { redact } from '#access/redact.ts'
import { createAudit } from '#audit/balp.ts'
import type { Caller } from '#core/caller.ts'
import { patientOf } from '#core/compartment.ts'
import type { Access, AccessRequest } from '#core/decision.ts'
import type { DoorResponse } from '#core/http.ts'
import type { Clock, Store } from '#core/ports.ts'
import { referenceTo } from '#core/resource.ts'
import { createFhir, type Fhir } from '#fhir/fhir.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import type { Driver } from '#store/driver.ts'
import { createValidator } from '#validator/validator.ts'
import { type OpenStore, openStore } from '../open-store.ts'

export const base = 'https://clinic.example/fhir'

export const ehr: Caller = {
  clientId: 'ehr',
  name: 'EHR',
  role: 'ehr',
  scopes: ['system/*.cruds'],
  actors: ['Organization/ehr'],
  purpose: 'TREAT',
  grants: [],
}

/** Answers of a policy that a test changes while it runs: the server must keep to whatever it says. */
interface Policy {
  /** `Type/id` of what this caller may not know of; a patient hides all that is about it. */
  hidden: Set<string>
  /** `kind Type` that the token does not allow. */
  closed: Set<string>
  /** Top-level elements seen of a type, beside resourceType, id and meta. */
  fields: Map<string, string[]>
}

export interface Settings {
  access?: (store: Store, clock: Clock) => Access
  /** Code tables beside those of the folder, by name. */
  conceptMaps?: Readonly<Record<string, unknown>>
  base?: string
  /** Stands between the server and its store. */
  between?: (store: Store) => Store
  /** Stands between the store and its database. */
  beneath?: (driver: Driver) => Driver
}

export interface OpenFhir extends OpenStore {
  fhir: Fhir
  policy: Policy
  clock: { now(): number; at: number }
  ask(method: string, path: string, options?: Asking): Promise<Answered>
}

interface Asking {
  body?: unknown
  headers?: Record<string, string>
  caller?: Caller
}

export interface Answered extends DoorResponse {
  // biome-ignore lint/suspicious/noExplicitAny: a test reads answers of every shape
  json: any
}

const artifacts = readArtifacts('.')

export const validator = createValidator({
  base: JSON.parse(readFileSync('profiles/base/r4.json', 'utf8')),
  profiles: [],
})

/** The FHIR server on a real store, log and validator; who may see what is a port here, set by each test. */
export async function openFhir(settings: Settings = {}): Promise<OpenFhir> {
  const opened = await openStore(undefined, settings.beneath)
  const policy: Policy = { hidden: new Set(), closed: new Set(), fields: new Map() }
  const clock = {
    at: Date.parse('2026-03-01T09:00:00Z'),
    now() {
      this.at += 1
      return this.at
    },
  }
  const ids = { random: () => randomUUID() }
  const conceptMaps = new Map([...artifacts.conceptMaps, ...Object.entries(settings.conceptMaps ?? {})])
  const inForce = { ...artifacts, conceptMaps }
  const box = await opened.vault.box('clinic')
  const fhir = createFhir({
    store: settings.between?.(opened.store) ?? opened.store,
    access: settings.access?.(opened.store, clock) ?? accessBy(policy),
    audit: createAudit({ server: { name: 'clinic.example', reference: 'Device/postern' }, ids }),
    validator,
    clock,
    ids,
    deriveId: opened.vault.deriveId,
    callerOf: async () => undefined,
    artifacts: async () => inForce,
    cursorKey: {
      seal: (text) => Buffer.from(box.seal(text, 'cursor')).toString('base64url'),
      open: (text) => box.open(new Uint8Array(Buffer.from(text, 'base64url')), 'cursor'),
    },
    base: settings.base ?? base,
  })
  return { ...opened, fhir, policy, clock, ask: (...asked) => ask(fhir, ...asked) }
}

async function ask(
  fhir: Fhir,
  method: string,
  path: string,
  { body, headers = {}, caller = ehr }: Asking = {},
) {
  const url = new URL(path, `${base}/`)
  const sent: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/fhir+json' }
  for (const [name, value] of Object.entries(headers)) sent[name.toLowerCase()] = value
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const bytes = body instanceof Uint8Array ? body : new TextEncoder().encode(text ?? '')
  const response = await fhir.handle({
    method,
    path: url.pathname.slice('/fhir/'.length),
    query: url.searchParams,
    header: (name) => sent[name.toLowerCase()],
    body: bytes,
    caller,
    requestId: randomBytes(8).toString('hex'),
  })
  return { ...response, json: response.body ? JSON.parse(response.body) : undefined }
}

function accessBy({ hidden, closed, fields }: Policy): Access {
  const decision = (permit: boolean, type: string, reason: string) => {
    const shown = fields.get(type)
    const seen = shown ? { fields: ['resourceType', 'id', 'meta', ...shown] } : {}
    return { permit, reasons: [reason], consents: [], rules: 'test', ...seen }
  }
  const isHidden = ({ stored, incoming }: AccessRequest) =>
    [stored, incoming].some(
      (resource) => resource && (hidden.has(referenceTo(resource)) || hidden.has(patientOf(resource) ?? '')),
    )
  return {
    gate: (_caller, interaction, type) => decision(!closed.has(`${interaction} ${type}`), type, 'scope'),
    decide: async (request) => decision(!isHidden(request), request.type, 'treating'),
    redact,
    recordsOf: async (patient) => [patient],
  }
}

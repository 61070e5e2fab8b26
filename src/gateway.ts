import type { Hono } from 'hono'
import type { JWK } from 'jose'
import { createAccess } from '#access/authorize.ts'
import { reviewSystem } from '#access/review.ts'
import { createAudit } from '#audit/balp.ts'
import { createLog, type Log } from '#audit/log.ts'
import { sha256 } from '#audit/merkle.ts'
import type { NoteSigner } from '#audit/note.ts'
import { createProver, type Prover } from '#audit/prover.ts'
import { watchLog } from '#audit/watch.ts'
import { createAuthorization } from '#auth/apps/authorize.ts'
import { callerOf, clientOf } from '#auth/clients.ts'
import { relyingPartyOf } from '#auth/people/passkey.ts'
import { createPeople } from '#auth/people/people.ts'
import { createSealer } from '#auth/sealer.ts'
import { type Auth, createAuth } from '#auth/smart.ts'
import { generateSigningKey } from '#auth/tokens.ts'
import { createErasures, type Erasures } from '#care/erasure.ts'
import { tellLateMessages } from '#care/late-message.ts'
import { careUpkeep } from '#care/upkeep.ts'
import type { Act, Audit } from '#core/act.ts'
import type { ClientRegistration } from '#core/caller.ts'
import type { Access } from '#core/decision.ts'
import type { Jurisdiction } from '#core/jurisdiction.ts'
import type { Artifacts, Clock, Ids, Store, Vault } from '#core/ports.ts'
import type { Exporter } from '#fhir/export/exporter.ts'
import { createFhir } from '#fhir/fhir.ts'
import { servedTypes } from '#fhir/routes.ts'
import type { Gatherer } from '#fhir/subscription/gatherer.ts'
import { flows } from '#flows/index.ts'
import { parseJson } from '#formats/json.ts'
import { accessRoutes } from '#inbound/access-routes.ts'
import { auditRoutes } from '#inbound/audit-routes.ts'
import { authRoutes } from '#inbound/auth-routes.ts'
import { erasureRoutes } from '#inbound/erasure-routes.ts'
import { fhirRoutes } from '#inbound/fhir-routes.ts'
import { healthRoutes } from '#inbound/health-routes.ts'
import { createHl7v2Door, type Hl7v2Door, type Hl7v2Options } from '#inbound/hl7v2.ts'
import { createAnswers } from '#inbound/hl7v2-answers.ts'
import { createHl7v2Preview } from '#inbound/hl7v2-preview.ts'
import { createHttp, type HttpBindings } from '#inbound/http.ts'
import { ingestRoutes } from '#inbound/ingest-routes.ts'
import { launchRoutes } from '#inbound/launch-routes.ts'
import { mappingRoutes } from '#inbound/mapping-routes.ts'
import { openapiRoute } from '#inbound/openapi.ts'
import { peopleRoutes } from '#inbound/people-routes.ts'
import { processMessageOperation, processMessageRoute } from '#inbound/process-message.ts'
import { createLockout, createRateLimit } from '#inbound/rate-limit.ts'
import { signerRoutes } from '#inbound/signer-routes.ts'
import { unknownPatientRoutes } from '#inbound/unknown-patient-routes.ts'
import { createShelf, type Shelf } from '#intake/artifact-shelf.ts'
import { type CodeAnswers, createCodeAnswers } from '#intake/code-answers.ts'
import { createIntake, type Intake } from '#intake/ingest.ts'
import { createResumption, type Resumption } from '#intake/resume.ts'
import { createSentMessages, type SentMessages } from '#intake/sent-message.ts'
import { createTransformer, type TransformPorts } from '#intake/transform.ts'
import { createUnknownPatients, type UnknownPatients } from '#intake/unknown-patients.ts'
import { createWorkshop, type Workshop } from '#intake/workshop.ts'
import type { Channels } from '#outbound/channels.ts'
import { createDeliverer, type Deliverer } from '#outbound/deliver.ts'
import base from '#profiles/base/r4.json' with { type: 'json' }
import { createValidator, type Validator } from '#validator/validator.ts'

export interface GatewayPorts {
  store: Store
  vault: Vault
  artifacts: Artifacts
  clock: Clock
  ids: Ids
  /** Signs checkpoints of the audit log, with a key that is not in the store. */
  signer: NoteSigner
  /** Takes a checkpoint to where the database's owner cannot change it. */
  anchor?: (note: string) => Promise<void>
  /** Ways out that this platform has. */
  channels: Channels
  onFault(fault: unknown, requestId: string): void
}

export interface GatewaySettings {
  clinic: string
  /** The address by which others reach this gateway, without slash at the end. */
  baseUrl: string
  /** IANA zone of HL7 v2 times without offset, where a client has none of its own. */
  timeZone: string
  /** Whose law says how long records are kept; that of the United States where absent. */
  retention?: Jurisdiction
  /** Requests a second of one client. */
  clientRate?: number
}

/** Far above what an honest client needs, and below what one may take from the others. */
const defaultClientRate = 10_000
/** Failures of one client and address at the token endpoint, and of one address with tokens (ACC18). */
const minute = 60_000
const assertionLockout = { failures: 20, windowMs: minute, lockMs: 30_000, maxMs: 15 * minute }
const signInLockout = { failures: 20, windowMs: 15 * minute, lockMs: minute, maxMs: 60 * minute }
/** Requests without a token that one address may make in a second. */
const openRate = 100
const tokenLockout = { failures: 200, windowMs: minute, lockMs: 30_000, maxMs: 15 * minute }

/** One clinic: everything the entries share. */
export interface Gateway {
  http: Hono<{ Bindings: HttpBindings }>
  hl7v2: Hl7v2Door
  deliverer: Deliverer
  exporter: Exporter
  gatherer: Gatherer
  log: Log
  /** Proofs from the log, and its tiles. */
  prover: Prover
  intake: Intake
  sentMessages: SentMessages
  /** Mappings and code tables, and where they are changed. */
  shelf: Shelf
  workshop: Workshop
  /** Codes that no table knows, and what waits for them. */
  codeAnswers: CodeAnswers
  resumption: Resumption
  /** Patients whom nobody knows, and what waits for them. */
  unknownPatients: UnknownPatients
  /** The right to be forgotten, and the duty to keep. */
  erasures: Erasures
  access: Access
  audit: Audit
  auth: Auth
  validator: Validator
  /** What time does to orders and Tasks, and what waits for codes that are known by now: run it every `careUpkeepMs`. Resolves with how many it changed. */
  upkeep(): Promise<number>
  /** Tells prescribers what came in after they signed: run it every `lateMessageMs`. Resolves with how many were told. */
  lateMessages(): Promise<number>
  /** Looks at what came into the log and raises alerts: run it about once a minute. Resolves with how many it raised. */
  watch(): Promise<number>
  /** Tells the log of an act that happened at an entry's own door. */
  tell(act: Omit<Act, 'at'>): Promise<void>
}

/** How often the time that passes is looked at: orders that expire, cancellations that nobody answers. */
export const careUpkeepMs = 15 * 60_000

/** Builds a clinic from its ports. Nothing listens and nothing is sent until an entry says so. */
export async function createGateway(ports: GatewayPorts, settings: GatewaySettings): Promise<Gateway> {
  const { store, vault, artifacts, clock, ids } = ports
  const validator = createValidator({ base, profiles: artifacts.profiles })
  const access = createAccess({ store, clock })
  const audit = createAudit({
    server: { name: `Postern ${settings.clinic}`, reference: 'Device/postern', address: settings.baseUrl },
    ids,
  })
  const log = createLog({ store, signer: ports.signer, origin: ports.signer.name, anchor: ports.anchor })
  const prover = createProver({ store, log })
  const signingKey = await signingKeyOf(store, audit, ports)
  const clinicBox = await vault.box('clinic')
  const sealer = createSealer(clinicBox, vault, clock)
  const people = { store, audit, clock, sealer }
  const auth = await createAuth({ store, audit, clock, ids, issuer: settings.baseUrl, signingKey, sealer })
  const shelf = createShelf({ store, shipped: artifacts, digest })
  const workshop = createWorkshop({ store, shelf, audit, clock, flows, validator, digest })
  const mapsBy = (current: TransformPorts['artifacts']) =>
    createTransformer({
      artifacts: current,
      deriveId: vault.deriveId,
      digest,
      restoreDecimals: validator.restoreDecimals,
    })
  const transformer = mapsBy(shelf.current)
  const intake = createIntake({
    store,
    access,
    audit,
    vault,
    clock,
    transformer,
    validator,
    ignored: artifacts.ignored,
  })
  const resumption = createResumption({
    store,
    access,
    audit,
    vault,
    clock,
    ids,
    transformer,
    validator,
    flows,
    report: (fault) => ports.onFault(fault, 'held message'),
  })
  const codeAnswers = createCodeAnswers({
    store,
    shelf,
    workshop,
    resumption,
    audit,
    clock,
    flows,
    validator,
    transformerOf: (candidate) => mapsBy(() => candidate),
  })
  const unknownPatients = createUnknownPatients({
    ...{ store, access, audit, vault, clock, ids, intake, flows, validator },
    report: (fault) => ports.onFault(fault, 'held message'),
  })
  const erasures = createErasures({
    ...{ store, access, audit, clock, ids, sign: ports.signer.sign },
    jurisdiction: settings.retention ?? 'us',
  })
  const fhir = createFhir({
    store,
    access,
    audit,
    validator,
    clock,
    ids,
    deriveId: vault.deriveId,
    callerOf: async (id) => {
      const client = await clientOf(store, id)
      return client?.active ? callerOf(client, {}) : undefined
    },
    artifacts: shelf.current,
    report: (fault) => ports.onFault(fault, 'background'),
    base: `${settings.baseUrl}/fhir`,
    systemOperations: [processMessageOperation],
    timeZone: settings.timeZone,
    cursorKey: {
      seal: (text) => base64url(clinicBox.seal(text, 'search/cursor')),
      open: (text) => clinicBox.open(Buffer.from(text, 'base64url'), 'search/cursor'),
    },
    profiles: Object.fromEntries(servedTypes.map((type) => [type, validator.profilesOf(type)])),
  })
  const tell = (act: Omit<Act, 'at'>) =>
    store.commit({ audit: audit.record({ ...act, at: clock.now() }) }).then(() => {})
  const hl7v2Options: Hl7v2Options = {
    flows,
    intake,
    deriveId: vault.deriveId,
    own: { controlId: () => ids.random().replaceAll('-', '').slice(0, 20), now: clock.now },
    refused: (failure, { caller, requestId }) =>
      tell({
        kind: 'transmission',
        outcome: failure.kind === 'forbidden' ? 'denied' : 'failed',
        outcomeText: `HL7 v2: ${failure.kind}`,
        caller,
        requestId,
        patients: [],
        entities: [],
      }),
  }
  const hl7v2 = createHl7v2Door(hl7v2Options)
  const hl7v2Preview = createHl7v2Preview(hl7v2Options)
  const timeZoneOf = async (clientId: string) => {
    const json = await store.findRegistration('client', clientId)
    return (json && (JSON.parse(json) as ClientRegistration).hl7v2?.timeZone) || settings.timeZone
  }
  const routes = [
    ...authRoutes(auth, tell, createLockout({ now: clock.now, ...assertionLockout })),
    ...peopleRoutes({
      people: createPeople({ ...people, party: relyingPartyOf(settings.baseUrl) }),
      authorization: createAuthorization({ ...people, issuer: settings.baseUrl }),
      origin: new URL(settings.baseUrl).origin,
      lockout: createLockout({ now: clock.now, ...signInLockout }),
      audit: tell,
    }),
    ...launchRoutes({ store, access, sealer, random: ids.random, tell }),
    ...accessRoutes({ store, access, audit: tell }),
    ...auditRoutes({ store, vault, access, prover, vkey: ports.signer.vkey, audit: tell }),
    ...healthRoutes(store),
    ...mappingRoutes({ access, shelf, workshop, codeAnswers, audit: tell }),
    ...ingestRoutes({ flows, intake, hl7v2, hl7v2Preview, timeZoneOf, audit: tell }),
    ...unknownPatientRoutes({ access, unknownPatients, audit: tell }),
    ...signerRoutes({ store, audit, clock, tell }),
    ...erasureRoutes({ store, audit, clock, ids, erasures, tell }),
    processMessageRoute({
      flows,
      intake,
      validator,
      deriveId: vault.deriveId,
      base: `${settings.baseUrl}/fhir`,
      audit: tell,
    }),
    ...fhirRoutes(fhir),
  ]
  const http = createHttp({
    routes: [...routes, openapiRoute(routes, settings.baseUrl)],
    authenticate: auth.authenticate,
    rate: createRateLimit({ now: clock.now, perSecond: settings.clientRate ?? defaultClientRate }),
    openRate: createRateLimit({ now: clock.now, perSecond: openRate }),
    lockout: createLockout({ now: clock.now, ...tokenLockout }),
    audit: tell,
    randomId: ids.random,
    onFault: ports.onFault,
  })
  const deliverer = createDeliverer({
    store,
    access,
    audit,
    clock,
    ids,
    channels: ports.channels,
    takeAnswer: createAnswers({ flows, intake, timeZone: settings.timeZone }),
    base: `${settings.baseUrl}/fhir`,
    report: (fault) => ports.onFault(fault, 'delivery'),
  })
  /** One kind of work that fails keeps none of the others from being done; the first fault is thrown at the end. */
  const upkeep = async () => {
    const { timeZone } = settings
    const rounds = [
      () => careUpkeep({ store, audit, clock, ids, parse: parseJson, timeZone }),
      unknownPatients.run,
      resumption.run,
      erasures.upkeep,
    ]
    let done = 0
    const faults: unknown[] = []
    for (const round of rounds) {
      await round().then(
        (count) => {
          done += count
        },
        (fault: unknown) => faults.push(fault),
      )
    }
    if (faults.length > 0) throw faults[0]
    return done
  }
  const watch = () =>
    watchLog({ store, vault, audit, clock, timeZone: settings.timeZone, taskSystem: reviewSystem })
  const { exporter, gatherer } = fhir
  return {
    http,
    hl7v2,
    deliverer,
    exporter,
    gatherer,
    log,
    prover,
    intake,
    sentMessages: createSentMessages({ store, vault, audit, clock }),
    shelf,
    workshop,
    codeAnswers,
    resumption,
    unknownPatients,
    erasures,
    access,
    audit,
    auth,
    validator,
    upkeep,
    lateMessages: () => tellLateMessages({ store, audit, clock, ids, parse: parseJson }),
    watch,
    tell,
  }
}

/** The key that signs access tokens: made once, sealed with the clinic's own key, told to the log. */
async function signingKeyOf(store: Store, audit: Audit, { clock, ids }: Pick<GatewayPorts, 'clock' | 'ids'>) {
  const known = await store.findRegistration('signing-key', 'token')
  if (known) return JSON.parse(known) as JWK
  const key = await generateSigningKey()
  const act = { kind: 'configuration', outcome: 'success', outcomeText: 'token signing key made' } as const
  const entries = audit.record({
    ...act,
    at: clock.now(),
    requestId: ids.random(),
    patients: [],
    entities: [],
  })
  await store.commit({
    audit: entries,
    registrations: [{ kind: 'signing-key', id: 'token', json: JSON.stringify(key) }],
  })
  return key
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

/** SHA-256, hexadecimal. */
function digest(content: string | Uint8Array): string {
  return hex(sha256(typeof content === 'string' ? new TextEncoder().encode(content) : content))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

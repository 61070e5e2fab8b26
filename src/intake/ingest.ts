import type { Act, Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import { patientOf } from '#core/compartment.ts'
import type { Access } from '#core/decision.ts'
import { Failure, type FailureKind, type Issue } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Artifacts, Clock, Store, Vault } from '#core/ports.ts'
import { type Reference, type Resource, referenceTo, versionReferenceTo } from '#core/resource.ts'
import { type FieldCoverage, type IgnoreTable, watchReads } from '#formats/hl7v2/coverage.ts'
import type { SourceTree } from '#formats/hl7v2/source.ts'
import { createDestinations } from './destinations.ts'
import { resolveEarlier } from './earlier.ts'
import { coverageOf, ignoreTable } from './field-coverage.ts'
import { withFollowUps } from './follow-up.ts'
import { heldWrites } from './hold.ts'
import type { Made } from './made.ts'
import { messageIdOf } from './message-id.ts'
import { newDelivery } from './new-delivery.ts'
import { resolveOrders } from './orders.ts'
import { createParties } from './parties.ts'
import { place, requireAllowed, unchangedWarnings } from './place.ts'
import { type Preview, shownTo } from './preview.ts'
import { requireProfiles } from './profile-gate.ts'
import type { Answered, KeptReceipt, Receipt } from './receipt.ts'
import { receiversOf } from './receivers.ts'
import { sentMessageWrite } from './sent-message.ts'
import type { Transformer } from './transform.ts'
import { turnKeysOf } from './turn-keys.ts'
import { createTurns } from './turns.ts'
import { unmatchedWarning, waiting } from './unmatched.ts'

/** How often a message is tried again when another one made the same stub at the same moment. */
const tries = 8

export interface IntakePorts {
  store: Store
  access: Access
  audit: Audit
  vault: Vault
  clock: Clock
  transformer: Transformer
  /** Why fields of HL7 v2 are left out, by mapping. */
  ignored: Artifacts['ignored']
  validator: { check(resource: Resource, profile?: string): Issue[] }
}

export interface Message {
  flow: Flow
  body: Uint8Array
  /** What tells it from another message of its id, where that is less than all of its bytes. */
  content?: Uint8Array
  caller: Caller
  /** IANA zone for HL7 v2 times without offset. */
  timeZone: string
  requestId: string
}

export interface Intake {
  /** Takes a message in, once: the same message again gets its first receipt. */
  ingest(message: Message): Promise<Answered>
  preview(message: Message): Promise<Preview>
  /** The receipt of a message this caller sent before; asking for it is on record either way. */
  receipt(asked: { caller: Caller; messageId: string; requestId: string }): Promise<Answered | undefined>
}

interface Understood {
  source: unknown
  /** What became of each field, by what has been read until then. */
  coverage?: (ignored: IgnoreTable) => FieldCoverage[]
  messageId: string
  parties: Party[]
  warnings: Issue[]
  /** Counter of a screening that is not kept. */
  purge?: string
}

/**
 * The one write path of the doors: read → authorize → rules of care → transform → profile gate → commit → receipt.
 * https://hl7.org/fhir/R4/http.html#rules for what is stored; DESIGN.md, "a flow is a value", for the shape.
 */
export function createIntake(ports: IntakePorts): Intake {
  const { store, access, audit, vault, clock, transformer, validator } = ports
  const parties = createParties({ store, vault })
  const turns = createTurns()
  const destinations = createDestinations(store)

  function understand({ flow, body, caller, timeZone }: Message): Understood {
    const gate = access.gate(caller, 'create', flow.primary)
    if (!gate.permit) throw new Failure('forbidden', `Your token does not allow you to send ${flow.title}`)
    const source = flow.read(body, { timeZone })
    const warnings: Issue[] = []
    const messageId = messageIdOf(flow, source)
    for (const rule of flow.rules) {
      const verdict = rule(source, caller)
      if (!verdict.keep) return { source, messageId, parties: [], warnings, purge: verdict.counter }
      warnings.push(...(verdict.warnings ?? []))
    }
    // The rules of care read too, but nothing is made of what they read.
    const watched = flow.door.kind === 'hl7v2' ? watchReads(source as SourceTree) : { source }
    return { ...watched, messageId, parties: flow.parties(watched.source), warnings }
  }

  async function make({ flow, caller, body }: Message, understood: Understood, at: number): Promise<Made> {
    const { references, stubs } = await parties.resolve(understood.parties, at)
    const links = flow.orders?.(understood.source) ?? []
    let orders: Record<string, Reference>
    try {
      orders = await resolveOrders({ store, access }, links, { caller, patient: references.subject })
    } catch (cause) {
      const warning = flow.unmatched && unmatchedWarning(cause)
      if (!warning) throw cause
      const isStub = stubs.some((stub) => referenceTo(stub) === references.subject)
      const patient = isStub ? undefined : references.subject
      const id = vault.deriveId('unmatched', caller.clientId, understood.messageId)
      return waiting({ id, body, caller, patient, at }, [...understood.warnings, warning])
    }
    const earlier = await resolveEarlier({ store, vault, access }, flow.earlier?.(understood.source) ?? [], {
      flow: flow.name,
      caller,
      parties: references,
    })
    const known = { ...references, ...orders, ...earlier.references }
    const { resources, mapping, warnings, unmapped } = await transformer.transform(flow, understood.source, {
      caller,
      body,
      messageId: understood.messageId,
      received: at,
      references: known,
    })
    const { revisions } = flow
    const placed = await place(store, resources, { revisions, source: understood.source, at })
    const told = new Set(resources.map(referenceTo))
    const strangers = stubs.filter((stub) => !told.has(referenceTo(stub)))
    requireProfiles(validator, flow, [...strangers, ...placed.writes.map(({ resource }) => resource)])
    const allowed = await requireAllowed(access, caller, placed, earlier.retold)
    const following = { caller, messageId: understood.messageId, at }
    const followed = await withFollowUps({ store, access, vault }, placed.writes, following)
    const mapped = followed.results.map(({ resource }) => resource)
    return {
      parties: references,
      stubs: strangers.map((resource) => ({ resource, version: 1, updated: at })),
      followed,
      mapped,
      unchanged: placed.unchanged,
      mapping,
      warnings: [...understood.warnings, ...warnings, ...unchangedWarnings(placed)],
      unmapped,
      references: known,
      drafts: resources.filter(({ resourceType }) => resourceType !== 'Provenance'),
      allowed,
      fields: understood.coverage?.(ignoreTable(ports.ignored, flow.mapping)),
      deliveries: receiversOf(await destinations(), flow.receivers, mapped),
    }
  }

  async function keep(message: Message, understood: Understood): Promise<Answered> {
    const at = clock.now()
    const made = await make(message, understood, at)
    const idOf = (...parts: string[]) =>
      vault.deriveId(...parts, message.caller.clientId, understood.messageId)
    const isHeld = made.unmapped.length > 0
    const deliveries = made.deliveries.map(({ destination, resources }) =>
      newDelivery({
        id: idOf('delivery', destination.id),
        destination,
        resources,
        due: at,
        held: isHeld,
      }),
    )
    const resources = [...made.followed.places, ...made.mapped.map(versionReferenceTo)]
    const sent = [...deliveries, ...made.followed.deliveries]
    const concerned = [...made.mapped, ...made.unchanged].map(patientOf)
    const patients = [...new Set(concerned.filter((each) => each !== undefined))]
    const entries = audit.record({ ...actOf(message, at), outcome: 'success', patients, entities: resources })
    const receipt: KeptReceipt = {
      outcome: 'accepted',
      flow: message.flow.name,
      messageId: understood.messageId,
      at,
      resources,
      parties: made.parties,
      ...(made.mapping ? { mapping: made.mapping } : {}),
      warnings: made.warnings,
      ...(made.fields ? { coverage: coverageOf(made.fields) } : {}),
      deliveries: sent.map((each) => each.id),
      auditEvent: entries[0]?.id ?? '',
    }
    const { flow, caller, timeZone, body } = message
    const held = isHeld
      ? heldWrites(idOf('hold'), body, {
          flow: flow.name,
          caller,
          timeZone,
          messageId: understood.messageId,
          at,
          auditEvent: receipt.auditEvent,
          references: made.references,
          codes: made.unmapped,
          drafts: made.drafts,
          written: made.mapped.map(referenceTo),
          deliveries: deliveries.map(({ id }) => id),
        })
      : []
    const sentMessage = { sender: caller.clientId, messageId: understood.messageId }
    const kept =
      flow.door.kind === 'hl7v2'
        ? [sentMessageWrite(vault, sentMessage, { body, patient: patients[0], at })]
        : []
    const { leaves } = await store.commit({
      audit: entries,
      writes: [...made.stubs, ...made.followed.results, ...held, ...kept, ...made.followed.writes],
      nonces: made.followed.nonces,
      deliveries: sent,
      receipt: { ...receiptKeyOf(message, understood), answer: JSON.stringify(receipt), at },
    })
    return { receipt: { ...receipt, leaf: leaves[0] }, replayed: false }
  }

  async function purge(message: Message, understood: Understood, counter: string): Promise<Answered> {
    const at = clock.now()
    await store.commit({
      audit: audit.record({ ...actOf(message, at), outcome: 'success', patients: [], entities: [] }),
      counters: [counter],
      receipt: { ...receiptKeyOf(message, understood), at },
    })
    return { receipt: { outcome: 'purged' }, replayed: false }
  }

  async function findReceipt(
    caller: Caller,
    messageId: string,
    body?: Uint8Array,
  ): Promise<Answered | undefined> {
    const found = await store.findReceipt(caller.clientId, messageId, body)
    if (!found) return undefined
    if (found.outcome === 'purged') return { receipt: { outcome: 'purged' }, replayed: true }
    if (found.outcome === 'differs') throw otherMessage()
    const answer = JSON.parse(found.answer) as KeptReceipt
    return { receipt: { ...answer, leaf: await store.logPosition(answer.auditEvent) }, replayed: true }
  }

  /** Messages about one patient are taken in one after the other, in the order they came (I17). */
  async function ingestInTurn(message: Message): Promise<Answered> {
    const understood = understand(message)
    // Of a screening that is not kept only a number grows.
    const keys =
      understood.purge === undefined ? turnKeysOf({ store, parties }, { ...message, ...understood }) : []
    return turns.take(keys, () => ingestOnce(message, understood))
  }

  async function ingestOnce(message: Message, understood: Understood): Promise<Answered> {
    for (let attempt = 1; ; attempt++) {
      const before = await findReceipt(message.caller, understood.messageId, message.content ?? message.body)
      if (before) {
        // Of what was purged no hash of the body is kept: only another failed screening may pass for it.
        if (before.receipt.outcome === 'purged' && understood.purge === undefined) throw otherMessage()
        const patients = patientsIn(before.receipt)
        const act = {
          ...actOf(message, clock.now()),
          outcomeText: 'came before',
          outcome: 'success',
        } as const
        await store.commit({ audit: audit.record({ ...act, patients, entities: [] }) })
        return before
      }
      try {
        if (understood.purge) return await purge(message, understood, understood.purge)
        return await keep(message, understood)
      } catch (cause) {
        // Another copy of this message, or another message with the same stub, was faster: look again.
        const raced = cause instanceof Failure && ['conflict', 'precondition-failed'].includes(cause.kind)
        if (!raced || cause.cause === undefined || attempt === tries) throw cause
      }
    }
  }

  async function preview(message: Message): Promise<Preview> {
    const understood = understand(message)
    const at = clock.now()
    const made = understood.purge === undefined ? await make(message, understood, at) : undefined
    const act = { ...actOf(message, at), outcomeText: 'preview', outcome: 'success' } as const
    const shown = made && (await shownTo(access, message.caller, made))
    const patients = [...new Set(shown?.standing.map(patientOf).filter((each) => each !== undefined))]
    await store.commit({ audit: audit.record({ ...act, patients, entities: [] }) })
    if (!made || !shown) {
      const nothing = { resources: [], deliveries: [], access: [] }
      return { outcome: 'purged', ...nothing, issues: understood.warnings, purged: true }
    }
    return {
      outcome: made.unmapped.length > 0 ? 'held' : 'accepted',
      resources: [...shown.told, ...shown.standing],
      issues: made.warnings,
      ...(made.mapping ? { mapping: made.mapping } : {}),
      deliveries: made.deliveries.map(({ destination, resources }) => ({
        destination: destination.name,
        resources: resources.map(referenceTo),
      })),
      access: made.allowed,
      ...(made.fields ? { coverage: { ...coverageOf(made.fields), fields: made.fields } } : {}),
    }
  }

  /** What is refused, and what went wrong here, is told before it is answered (AUD2). */
  async function onRecord<T>(message: Message, answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (cause) {
      const kind = cause instanceof Failure ? cause.kind : 'internal'
      await store.commit({ audit: audit.record(refusedAct(message, kind, clock.now())) })
      throw cause
    }
  }

  return {
    ingest: (message) => onRecord(message, ingestInTurn(message)),
    preview: (message) => onRecord(message, preview(message)),
    async receipt({ caller, messageId, requestId }) {
      const found = await findReceipt(caller, messageId)
      const act = {
        kind: 'read',
        caller,
        requestId,
        at: clock.now(),
        outcomeText: 'receipt',
        entities: [],
      } as const
      const patients = found ? patientsIn(found.receipt) : []
      await store.commit({ audit: audit.record({ ...act, patients, outcome: found ? 'success' : 'failed' }) })
      return found
    },
  }
}

function otherMessage(): Failure {
  return new Failure(
    'conflict',
    'A different message with this id was taken in before: give this one an id of its own',
  )
}

/** Whom a receipt names. */
function patientsIn(receipt: Receipt): Reference[] {
  if (receipt.outcome === 'purged') return []
  return [...new Set(Object.values(receipt.parties))].filter((each) => each.startsWith('Patient/'))
}

function actOf({ caller, requestId }: Message, at: number) {
  return { kind: 'ingest', caller, requestId, at } as const
}

/** Refused messages are told too, without a word of what they held. */
function refusedAct(message: Message, kind: FailureKind, at: number): Act {
  const denied = kind === 'forbidden' || kind === 'unauthenticated'
  return {
    ...actOf(message, at),
    outcome: denied ? 'denied' : 'failed',
    outcomeText: `${message.flow.name}: ${kind}`,
    patients: [],
    entities: [],
  }
}

function receiptKeyOf({ caller, body, content = body }: Message, { messageId }: Understood) {
  return { sender: caller.clientId, messageId, body: content }
}

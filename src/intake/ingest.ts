import type { Act, Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure, type FailureKind } from '#core/failure.ts'
import type { Clock } from '#core/ports.ts'
import { type Reference, referenceTo } from '#core/resource.ts'
import { coverageOf } from './field-coverage.ts'
import { createMaker, type MakerPorts } from './make.ts'
import { createParties } from './parties.ts'
import { type Preview, shownTo } from './preview.ts'
import { isRaced } from './raced.ts'
import type { Answered, KeptReceipt, Receipt } from './receipt.ts'
import { takenIn } from './taken-in.ts'
import { turnKeysOf } from './turn-keys.ts'
import { createTurns } from './turns.ts'
import { type Message, type Understood, understand } from './understand.ts'

/** How often a message is tried again when another one made the same stub at the same moment. */
const tries = 8

export interface IntakePorts extends Omit<MakerPorts, 'parties'> {
  audit: Audit
  clock: Clock
}

export interface Intake {
  /** Takes a message in, once: the same message again gets its first receipt. */
  ingest(message: Message): Promise<Answered>
  preview(message: Message): Promise<Preview>
  /** The receipt of a message this caller sent before; asking for it is on record either way. */
  receipt(asked: { caller: Caller; messageId: string; requestId: string }): Promise<Answered | undefined>
  /** Runs `act` while no message is taken in about whoever goes by one of these keys. */
  inTurn<T>(keys: readonly string[], act: () => Promise<T>): Promise<T>
  /**
   * Takes a message in that waited for its patient, and has its receipt, with what ends its waiting: one commit. False
   * where its patient is not known yet. Only within `inTurn` of what it waited for. Rejects as `ingest`.
   */
  takeUp(message: Message, ending: Ending): Promise<boolean>
}

type Ending = (at: number) => ResourceWrite[]

/**
 * The one write path of the doors: read → authorize → rules of care → transform → profile gate → commit → receipt.
 * https://hl7.org/fhir/R4/http.html#rules for what is stored; DESIGN.md, "a flow is a value", for the shape.
 */
export function createIntake(ports: IntakePorts): Intake {
  const { store, access, audit, vault, clock } = ports
  const parties = createParties({ store, vault })
  const turns = createTurns()
  const make = createMaker({ ...ports, parties })

  async function keep(message: Message, understood: Understood): Promise<Answered> {
    const at = clock.now()
    const made = await make(message, understood, at)
    const { unit, receipt } = takenIn(ports, { message, understood, made, at })
    const answer = JSON.stringify(receipt)
    const { leaves } = await store.commit({
      ...unit,
      receipt: { ...receiptKeyOf(message, understood), answer, at, patient: patientsIn(receipt)[0] },
    })
    return { receipt: { ...receipt, leaf: leaves[0] }, replayed: false }
  }

  async function takeUp(message: Message, ending: Ending): Promise<boolean> {
    const understood = understand(ports, message)
    if (understood.purge !== undefined) return false
    for (let attempt = 1; ; attempt++) {
      try {
        const at = clock.now()
        const made = await make(message, understood, at)
        if (made.unknown) return false
        const outcomeText = 'patient known: message taken up again'
        const { unit } = takenIn(ports, { message, understood, made, at, outcomeText })
        await store.commit({ ...unit, writes: [...(unit.writes ?? []), ...ending(at)] })
        return true
      } catch (cause) {
        if (!isRaced(cause) || attempt === tries) throw cause
      }
    }
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
    again?: Message,
  ): Promise<Answered | undefined> {
    const found = await store.findReceipt(caller.clientId, messageId, again?.content ?? again?.body)
    if (!found) return undefined
    if (found.outcome === 'purged' || found.outcome === 'erased')
      return { receipt: { outcome: found.outcome }, replayed: true }
    if (found.outcome === 'differs') throw otherMessage(again)
    const answer = JSON.parse(found.answer) as KeptReceipt
    return { receipt: { ...answer, leaf: await store.logPosition(answer.auditEvent) }, replayed: true }
  }

  /** Messages about one patient are taken in one after the other, in the order they came (I17). */
  async function ingestInTurn(message: Message): Promise<Answered> {
    const understood = understand(ports, message)
    // Of a screening that is not kept only a number grows.
    const keys =
      understood.purge === undefined ? turnKeysOf({ store, parties }, { ...message, ...understood }) : []
    return turns.take(keys, () => ingestOnce(message, understood))
  }

  async function ingestOnce(message: Message, understood: Understood): Promise<Answered> {
    for (let attempt = 1; ; attempt++) {
      const before = await findReceipt(message.caller, understood.messageId, message)
      if (before) {
        // Of what was purged no hash of the body is kept: only another failed screening may pass for it.
        if (before.receipt.outcome === 'purged' && understood.purge === undefined) throw otherMessage(message)
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
        if (!isRaced(cause) || attempt === tries) throw cause
      }
    }
  }

  async function preview(message: Message): Promise<Preview> {
    const understood = understand(ports, message)
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
      outcome: made.unmapped.length > 0 || made.unknown ? 'held' : 'accepted',
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
    inTurn: (keys, act) => turns.take([keys], act),
    takeUp,
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

function otherMessage(message: Message | undefined): Failure {
  const text = 'A different message with this id was taken in before: give this one an id of its own'
  const place = message?.flow.door.kind === 'hl7v2' ? { expression: 'MSH-10' } : {}
  return new Failure('conflict', [{ text, ...place }])
}

/** Whom a receipt names. */
function patientsIn(receipt: Receipt): Reference[] {
  if (receipt.outcome !== 'accepted') return []
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

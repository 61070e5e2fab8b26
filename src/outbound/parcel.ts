import type { MedicationRequest } from 'fhir/r4'
import { signatureFaultOf } from '#care/signature-record.ts'
import type { Caller } from '#core/caller.ts'
import type { Access, Decision } from '#core/decision.ts'
import type { Destination } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Store, Stored, StoredDelivery } from '#core/ports.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import type { Content, Parcel } from './channel.ts'

/** What was read for a parcel, and why it could be: told in the audit event of the attempt. */
export interface Opened {
  /** Versions, `Type/id/_history/1`. */
  entities: Set<string>
  consents: Set<Reference>
  reasons: Set<string>
}

const MAX_VERSIONS = 100

/**
 * Reads what a delivery is to send, as its destination may see it now: a consent that was taken back in the meantime
 * stops it. Throws Failure `invalid` for an order that is not as it was signed, `forbidden` (text `consent`, or `access` where no consent
 * was asked) or `gone`.
 */
export async function packParcel(
  { store, access }: { store: Store; access: Access },
  { delivery, destination, opened, timeoutMs }: ToPack,
): Promise<Parcel> {
  store.changedElsewhere?.()
  const caller = callerOf(destination)
  const loaded = new Map<Reference, Promise<Identified | undefined>>()

  /** The resource as the destination may see it; undefined when it may not. */
  async function show({ type, id, version, json }: Stored): Promise<Identified | undefined> {
    const stored = parseJson(json) as Identified
    const decision = await access.decide({ caller, interaction: 'read', type, stored })
    note(decision, opened)
    if (!decision.permit) return undefined
    opened.entities.add(`${type}/${id}/_history/${version}`)
    return access.redact(decision, stored)
  }

  /** As it stood when the delivery was made: a later version would change the bytes of a repetition. */
  async function load(reference: Reference): Promise<Identified | undefined> {
    const [type = '', id = ''] = reference.split('/')
    const versions = await store.history(type, id, MAX_VERSIONS)
    const stored = versions.find((each) => each.updated <= delivery.created) ?? versions.at(-1)
    return stored && !stored.deleted ? show(stored) : undefined
  }

  const contents: Content[] = []
  for (const { type, id, version } of delivery.resources) {
    const stored = await store.readVersion(type, id, version)
    const current = await store.read(type, id)
    if (!stored || stored.deleted || !current || current.deleted) throw new Failure('gone', 'gone')
    await requireSigned(store, stored, { delivery, destination })
    const resource = await show(stored)
    if (!resource) throw new Failure('forbidden', opened.consents.size > 0 ? 'consent' : 'access')
    contents.push({ resource, version })
  }
  return {
    id: delivery.id,
    created: delivery.created,
    destination,
    contents,
    timeoutMs,
    signal: AbortSignal.timeout(timeoutMs),
    load: (reference) => {
      const found = loaded.get(reference) ?? load(reference)
      loaded.set(reference, found)
      return found
    },
  }
}

/**
 * R19: an order leaves only as it was signed. Who is to know of a draft (an EHR, a subscriber) may be told of it; a
 * pharmacy is not sent one. Throws Failure `invalid`, its text the code of the fault.
 */
async function requireSigned(
  store: Store,
  { type, json }: Stored,
  { delivery, destination }: Pick<ToPack, 'delivery' | 'destination'>,
): Promise<void> {
  if (type !== 'MedicationRequest') return
  const order = parseJson(json) as Identified<MedicationRequest>
  const isTold = delivery.notification !== undefined || destination.role !== 'pharmacy'
  if (order.status === 'draft' && isTold) return
  const fault = await signatureFaultOf({ store, parse: parseJson }, order)
  if (fault) throw new Failure('invalid', fault)
}

interface ToPack {
  delivery: StoredDelivery
  destination: Destination
  opened: Opened
  timeoutMs: number
}

/** A destination as one who reads: deliveries are decided by the same rules as its own requests would be. */
export function callerOf({ id, name, role, organization, purpose, scopes }: Destination): Caller {
  const granted = scopes ?? ['system/*.rs']
  return { clientId: id, name, role, scopes: granted, actors: [organization], purpose, grants: [] }
}

/** A destination as one who answers: it tells of the Tasks that it has, as it may over FHIR. */
export function answeringCaller(destination: Destination): Caller {
  return { ...callerOf(destination), scopes: ['system/Task.crus'] }
}

function note({ consents, reasons }: Decision, opened: Opened): void {
  for (const consent of consents) opened.consents.add(consent as Reference)
  for (const reason of reasons) opened.reasons.add(reason)
}

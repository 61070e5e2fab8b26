import type { Access } from '#core/decision.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Artifacts, Store, Vault } from '#core/ports.ts'
import { type Reference, type Resource, referenceTo } from '#core/resource.ts'
import { createDestinations } from './destinations.ts'
import { resolveEarlier } from './earlier.ts'
import { ignoreTable } from './field-coverage.ts'
import { withFollowUps } from './follow-up.ts'
import type { Made } from './made.ts'
import { claimNewOrders, resolveOrders } from './orders.ts'
import type { Parties } from './parties.ts'
import { checkPatients } from './patient-identity.ts'
import { place, requireAllowed, unchangedWarnings } from './place.ts'
import { placeInMessage } from './place-in-message.ts'
import { requireProfiles } from './profile-gate.ts'
import { receiversOf } from './receivers.ts'
import type { Transformer } from './transform.ts'
import type { Message, Understood } from './understand.ts'
import { queuesUnknown, unknownNumbers, unknownPatientMade } from './unknown-patient.ts'
import { unmatchedWarning, waiting } from './unmatched.ts'

export interface MakerPorts {
  store: Store
  access: Access
  vault: Vault
  parties: Parties
  transformer: Transformer
  /** Why fields of HL7 v2 are left out, by mapping. */
  ignored: Artifacts['ignored']
  validator: { check(resource: Resource, profile?: string): Issue[] }
}

/** What a message comes to, before it is told and stored. Rejects with the Failure that refuses it. */
export type Maker = (message: Message, understood: Understood, at: number) => Promise<Made>

export function createMaker(ports: MakerPorts): Maker {
  const { store, access, vault, parties, transformer, validator } = ports
  const destinations = createDestinations(store)

  async function make(message: Message, understood: Understood, at: number): Promise<Made> {
    const { flow, caller, body, confirmed = [] } = message
    const inMessage = placeInMessage(flow, understood.source)
    const { references, stubs } = await inMessage.party(understood.parties, () =>
      parties.resolve(understood.parties, at),
    )
    const numbers = unknownNumbers(understood.parties, references, stubs)
    const named = { flow, parties: understood.parties, references, confirmed }
    const { doubts, warnings: differences } = await checkPatients(store, named)
    const isUnclear = numbers.length + doubts.length > 0
    if (isUnclear && (await queuesUnknown(store, caller.clientId))) {
      const id = vault.deriveId('unknown-patient', caller.clientId, understood.messageId)
      return unknownPatientMade({ flow, caller }, understood, { id, numbers, doubts, at })
    }
    if (doubts.length > 0)
      throw new Failure(
        'not-found',
        doubts.flatMap(({ issues }) => issues),
      )
    const naming = { caller, patient: references.subject }
    const claims = await claimNewOrders(store, flow.placed?.(understood.source) ?? [], naming)
    const links = flow.orders?.(understood.source) ?? []
    let orders: Record<string, Reference>
    try {
      orders = await resolveOrders({ store, access }, links, naming)
    } catch (cause) {
      const warning = flow.unmatched && unmatchedWarning(cause)
      if (!warning) throw cause
      const isStub = stubs.some((stub) => referenceTo(stub) === references.subject)
      const patient = isStub ? undefined : references.subject
      const id = vault.deriveId('unmatched', caller.clientId, understood.messageId)
      return waiting({ id, body, caller, patient, at }, [...understood.warnings, ...differences, warning])
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
    const written = placed.writes.map(({ resource }) => resource)
    inMessage.element([...strangers, ...written], () =>
      requireProfiles(validator, flow, [...strangers, ...written]),
    )
    const allowed = await inMessage.resource([...written, ...placed.unchanged], () =>
      requireAllowed(access, caller, placed, earlier.retold),
    )
    const following = { caller, messageId: understood.messageId, at }
    const followed = await withFollowUps({ store, access, vault }, placed.writes, following)
    const mapped = followed.results.map(({ resource }) => resource)
    return {
      parties: references,
      stubs: strangers.map((resource) => ({ resource, version: 1, updated: at })),
      followed,
      claims,
      mapped,
      unchanged: placed.unchanged,
      mapping,
      warnings: [...understood.warnings, ...differences, ...warnings, ...unchangedWarnings(placed)],
      unmapped,
      references: known,
      drafts: resources.filter(({ resourceType }) => resourceType !== 'Provenance'),
      allowed,
      fields: understood.coverage?.(ignoreTable(ports.ignored, flow.mapping)),
      deliveries: receiversOf(await destinations(), flow.receivers, mapped),
    }
  }

  return make
}

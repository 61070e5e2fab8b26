import type { Caller, Role } from '#core/caller.ts'
import type { Issue } from '#core/failure.ts'
import type { Identified, Reference, Resource, ResourceType } from '#core/resource.ts'

/**
 * One kind of message, as a value: where it comes in, its schema, which mapping turns it into FHIR, which profiles the
 * result must meet, which rules of care apply, who receives it. intake/ingest moves every flow the same way.
 */
export interface Flow<Source = unknown> {
  name: string
  title: string
  door: JsonDoor | Hl7v2Door | MessageDoor
  /** Bytes → typed source. Throws Failure `malformed` (cannot be read) or `invalid` (read, but breaks the schema). */
  read(body: Uint8Array, context: ReadContext): Source
  /** The sender's own id of this message: with the sender, the key of idempotency. */
  messageId(source: Source): string
  /** Type whose `create` the caller's role and scopes must allow. */
  primary: ResourceType
  /** Persons and organizations the message names; resolved by identifier, created as stubs when unknown. */
  parties(source: Source): Party[]
  /** Orders that must be here already, because the message tells what became of them. */
  orders?(source: Source): OrderLink[]
  /** Orders that must not be here yet, because the message places them. */
  placed?(source: Source): OrderLink[]
  /** A message whose orders are not found waits for a person to match it (intake/unmatched); refused where absent. */
  unmatched?: 'queued'
  /** Asked in order before anything is mapped. */
  rules: readonly CareRule<Source>[]
  /** For orders: the evidence that somebody authorised them elsewhere. Without it they enter as drafts (ACC15). */
  attestation?(source: Source): Attestation | undefined
  /** What its sender is told of a message that is not kept (HL7 v2: an ERR of severity I); nothing where absent. */
  notKept?: string
  /** `mappings/<name>.jsonata` */
  mapping: string
  /**
   * Further mappings, for what may stand in messages of several flows (`consent-directive`). Each is asked after the
   * first, may make nothing, and gives the same `$keyed` ids in every flow.
   */
  parts?: readonly string[]
  /** Profile canonical that each mapped resource type must meet. */
  profiles: Partial<Record<ResourceType, string>>
  receivers: readonly Receiver[]
  /**
   * What a message may change of what is here already, by type. Where the mapping gives a resource the id of one that
   * stands (`$idFor('subject')` for a party or order, `$keyed('SCH-1', number)` for what this sender names again in
   * later messages), this rule makes its next version, and intake does the rest (intake/place). A type without rule is
   * only ever made.
   */
  revisions?: Partial<Record<ResourceType, Revision<Source>>>
  /** What was told of before and is spoken of again; the mapping finds those that are here by their slots. */
  earlier?(source: Source): EarlierLink[]
}

/**
 * The next version of a resource, of the one that stands and of what the mapping made of this message; the standing one
 * itself where the message changes nothing, say because it came late. Numbers keep their digits in both. Id and version
 * are intake's to set. Throws a Failure to refuse the message.
 */
export type Revision<Source = unknown> = (
  standing: Identified,
  incoming: Identified,
  source: Source,
) => Resource

export interface JsonDoor {
  kind: 'json'
  /** e.g. `/ingest/messages` */
  path: string
  /** What it takes, as JSON Schema 2020-12. */
  schema(): object
}

export interface Hl7v2Door {
  kind: 'hl7v2'
  /** MSH-9.1 and 9.2, e.g. `RDE^O11`. All come in through `/ingest/hl7v2` and MLLP. */
  messageTypes: readonly string[]
  /** ORC-1 of the messages of these types that are meant, where other flows take the rest. */
  orderControls?: readonly string[]
}

/** FHIR messages, by the code of `MessageHeader.eventCoding`. All come in through `$process-message`. */
export interface MessageDoor {
  kind: 'message'
  event: string
}

export interface ReadContext {
  /** IANA zone for times that carry no offset (HL7 v2 partner setting). */
  timeZone: string
}

/** Somebody the message names. `slot` is the name by which the mapping refers to the resolved reference. */
export interface Party {
  slot: string
  type: 'Patient' | 'Practitioner' | 'Organization' | 'RelatedPerson' | 'Device'
  identifier: { system: string; value: string }
  /** What is stored when nobody with this identifier is known; without id, with the identifier in it. */
  stub: Resource
  /**
   * For a message that merges records: who is named is a record of its own, and what is `replaced` is taken as it
   * stands, where everybody else is followed to the record that took the place of theirs.
   */
  merge?: 'survivor' | 'replaced'
}

/**
 * An order that the message speaks of. The mapping finds it as `slot`, the pharmacy that it names as
 * `<slot>-pharmacy`, and whose it is as `<slot>-patient`.
 */
export interface OrderLink {
  slot: string
  /** Its numbers with their systems, asked first. */
  identifiers: readonly { system: string; value: string }[]
  /** Its numbers alone: partners lose the systems of others. Asked for the orders of the message's patient only. */
  values: readonly string[]
  /** Where the message names it, for a refusal. */
  place: string
  /** The message asks for something: who may not know of the order finds none. Facts are taken of any party of it. */
  asks?: true
}

/**
 * Something told of in an earlier message of the flow: by this sender, by the number that `$keyed` gave it its id of, or
 * by another one where it is `shared`.
 */
export interface EarlierLink {
  slot: string
  type: ResourceType
  key: { name: string; number: string }
  /** Where the message names it, for a refusal. */
  place: string
  /** The message makes no sense without it. */
  required?: boolean
  /**
   * Where it may have come from another sender: the number that both sides know it by, asked for this patient only and
   * where the caller is a party of it (intake/shared-earlier), and which of those that carry the number is meant.
   */
  shared?: {
    number: string
    isMeant(candidate: Resource, known: Readonly<Record<string, Reference>>): boolean
  }
}

/** Who authorised an order elsewhere, and how that can be shown; kept in the Provenance of what it became. */
export interface Attestation {
  /** Slot of the party who authorised. */
  by: string
  /** Slots of who else authorised, entered or checked, where the source says so. */
  others?: readonly { slot: string; role: 'attester' | 'enterer' | 'verifier' }[]
  /** FHIR dateTime of the authorisation, as the source gave it. */
  at?: string
  /** How it was given, a word of the source's own, e.g. `electronic-signature`. */
  method: string
  /** The authorisation's identifier in the system that holds it. */
  reference?: { system: string; value: string }
  /** A signature over the order, JWS compact serialization (RFC 7515), kept as it came. */
  signature?: string
}

/** A rule of care looks at the source before it is mapped. It throws Failure `invalid` to refuse. */
export type CareRule<Source> = (source: Source, caller: Caller) => CareVerdict

export type CareVerdict =
  | { keep: true; warnings?: Issue[] }
  /** Nothing identifiable survives; what remains is this counter. */
  | { keep: false; counter: string }

/** Who gets what the flow made. For `pharmacy`, the organization that the order names as its performer only. */
export interface Receiver {
  role: Extract<Role, 'ehr' | 'pharmacy'>
  /** Resource types sent; other resources go along only where these refer to them. */
  types: readonly ResourceType[]
}

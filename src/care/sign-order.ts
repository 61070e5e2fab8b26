import type { MedicationRequest, Task } from 'fhir/r4'
import type { Caller, SignIn } from '#core/caller.ts'
import type { CommitUnit, Nonce, ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { requireFreshSignIn } from '#core/step-up.ts'
import { isOpenAbort, openCancel } from './cancel.ts'
import { type CarePorts, type Consequences, changed, made } from './change.ts'
import { type DetachedHeader, isSignedBy, readDetached } from './detached-signature.ts'
import type { EvidencePorts } from './evidence.ts'
import { type Evidence, evidenceUnit, type Override, requireEvidence } from './evidence-gate.ts'
import { holderTask } from './holder-task.ts'
import { moverOf } from './mover.ts'
import { findOrder, seenNonce, tasksOf } from './order-file.ts'
import { signedText } from './order-signature.ts'
import { requireOrderMove } from './order-states.ts'
import { approvedRenewal } from './renewal-approval.ts'
import { requireSignable, type SigningMoment } from './signable-order.ts'
import { signatureRecord } from './signature-record.ts'
import { findSigner, keyInForce } from './signer.ts'
import { deliveriesOf } from './task-delivery.ts'

type Order = Identified<MedicationRequest>

export interface Signing extends SigningMoment {
  caller: Caller
  /** The draft as it stands, with its digits. */
  order: Order
  /** Detached JWS over care/order-signature `signedText`. */
  signature: string
  /** A repeat is signed although something was not seen (R28). */
  override?: Override | undefined
}

/** All that a signature comes to, and what it rests on. */
export interface Signed extends Consequences, Pick<CommitUnit, 'ledger' | 'expects'> {
  evidence: Evidence
}

/**
 * A prescriber's signature puts an order in force (R18): the order itself, unchanged but for its status, the record of
 * the signature and of what its signer had seen, the Task for the pharmacy that it names and what goes out to it, and the
 * end of the order that it replaces (R20), and the answer to who asked for its renewal (R37), all of it one commit (R25). Throws Failure `forbidden`, `unauthenticated` where
 * the person has to sign in anew, `invalid`, or `conflict` where a repeat was not seen whole (care/evidence-gate).
 */
export async function signedConsequences(
  ports: CarePorts & EvidencePorts,
  signing: Signing,
): Promise<Signed> {
  const { caller, order, at, override } = signing
  const { person } = requireSigner(caller, order, at)
  await requireSignable(ports, order, signing)
  const { text, seenThrough } = await requireSignature(ports, signing, person)
  const evidence = await requireEvidence(ports, { caller, person, order, seenThrough, override })
  const facts = {
    reason: false,
    proposal: false,
    dispensed: false,
    'not-dispensed': true,
    'cancel-asked': true,
  }
  requireOrderMove('draft', 'active', { mover: moverOf(caller), signing: true }, facts)
  const result = changed<Order>(order, { status: 'active' }, at)
  const [organization] = caller.actors.filter((actor) => actor.startsWith('Organization/'))
  const record = signatureRecord({
    id: ports.ids.random(),
    order: result.resource as Order,
    prescriber: person,
    organization,
    signature: signing.signature,
    text,
    evidence,
    at,
  })
  const recorded = made(record, at)
  const holder = order.dispenseRequest?.performer?.reference as Reference
  const task = holderTask(ports, { code: 'fulfill', order, holder, requester: person, at })
  const prior = await endOfPrior(ports, order, person, at)
  const answered = await approvedRenewal(ports, result.resource as Order, at)
  const writes = [result, recorded, task, ...prior.writes, ...answered]
  const signed = { person, order: result.resource, record: recorded.resource, at }
  return {
    result,
    writes,
    deliveries: await deliveriesOf(ports, writes),
    nonces: prior.nonces,
    evidence,
    ...(await evidenceUnit(evidence, signed)),
  }
}

function requireSigner({ role, signIn, breakGlass }: Caller, order: Order, at: number): SignIn {
  if (role !== 'prescriber' || !signIn || breakGlass)
    throw refused('forbidden', 'not-a-prescriber', 'An order is signed by a prescriber who signed in.')
  if (signIn.person !== order.requester?.reference)
    throw refused('forbidden', 'not-the-requester', 'An order is signed by the person who orders it.')
  requireFreshSignIn({ signIn }, at)
  return signIn
}

/** What was signed: the text, and what the header says. Each way in which a signature is none has a code of its own (R21). */
async function requireSignature(
  ports: CarePorts,
  { order, signature, at }: Signing,
  person: Reference,
): Promise<DetachedHeader & { text: string }> {
  const text = signedText(order)
  const header = readDetached(signature)
  const key = keyInForce(await findSigner(ports.store, person), header.kid, at)
  if (!key)
    throw refused(
      'invalid',
      'signer-unknown',
      'This person has no key of this kid that is approved and in force.',
    )
  if (!(await isSignedBy(signature, text, key)))
    throw refused(
      'invalid',
      'signature-invalid',
      'The signature is not one of this key over the bytes of $signable.',
    )
  return { ...header, text }
}

const replaced = {
  coding: [
    {
      system: 'https://postern.health/fhir/CodeSystem/order-end-reason',
      code: 'replaced',
      display: 'Replaced',
    },
  ],
  text: 'replaced',
}

/**
 * The order that this one replaces is never edited: who has it is asked to end it, and until that is answered both show
 * as they are (R20). One that ended by itself, or whose end is asked for already, needs nothing.
 */
async function endOfPrior(
  ports: CarePorts,
  order: Order,
  person: Reference,
  at: number,
): Promise<{ writes: ResourceWrite[]; nonces: Nonce[] }> {
  const prior = await findOrder(ports, order.priorPrescription?.reference)
  if (!prior || patientOf(prior) !== patientOf(order)) return { writes: [], nonces: [] }
  requireNewNumber(order, prior)
  if (!['active', 'on-hold', 'unknown'].includes(prior.status)) return { writes: [], nonces: [] }
  const others = await tasksOf(ports, prior, 'cancel')
  if (others.some(isOpenAbort)) return { writes: [], nonces: [] }
  const { resource } = holderTask(ports, {
    code: 'abort',
    order: { ...prior, statusReason: replaced },
    requester: person,
    at,
  })
  const { task, more } = await openCancel(ports, {
    task: resource as Identified<Task>,
    order: prior,
    others,
    at,
  })
  const nonces = [seenNonce('cancel Tasks', prior, others, at)]
  return { writes: [made(task, at), ...more], nonces }
}

/** Whoever has only the number must not take one for the other. */
function requireNewNumber(order: Order, prior: Order): void {
  const had = new Set((prior.identifier ?? []).map(({ system, value }) => `${system}|${value}`))
  if (!order.identifier?.some(({ system, value }) => had.has(`${system}|${value}`))) return
  throw new Failure('invalid', [
    {
      code: 'business-rule',
      detail: 'number-reused',
      text: 'The order that this one replaces has this identifier already.',
      expression: 'MedicationRequest.identifier',
    },
  ])
}

function refused(kind: 'forbidden' | 'unauthenticated' | 'invalid', detail: string, text: string): Failure {
  return new Failure(kind, [{ detail, text }])
}

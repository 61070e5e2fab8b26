import type {
  Communication,
  MedicationDispense,
  MedicationRequest,
  Patient,
  Practitioner,
  Questionnaire,
  QuestionnaireResponse,
} from 'fhir/r4'
import type { MllpChannelSettings } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Identified, Reference, Resource } from '#core/resource.ts'
import { writeAnswersMessage } from '#formats/hl7v2/answers-message.ts'
import { writeCommunicationMessage } from '#formats/hl7v2/communication-message.ts'
import { charsetLabel, type Envelope } from '#formats/hl7v2/dialect.ts'
import { writeDispenseMessage } from '#formats/hl7v2/dispense-message.ts'
import { findSegment, readMessage } from '#formats/hl7v2/message.ts'
import { writeOrderMessage } from '#formats/hl7v2/order-message.ts'
import type { Answer, Channel, Parcel } from './channel.ts'
import type { MllpClient } from './mllp-client.ts'
import { orderSaidBy, toldByItself } from './order-said.ts'

export type SendMllp = MllpClient['send']

export interface MllpPorts {
  sendMllp?: SendMllp
  /** Where questionnaires are found that answers answer. */
  profiles?: readonly Resource[]
}

/** Orders in one parcel: the last two digits of their control ids. */
const MAX_ORDERS = 100

/** So many patients' messages go out beside each other. */
const DEFAULT_CONNECTIONS = 4

/**
 * Sends each order (RDE^O11 or OMP^O09), dispense (RDS^O13), message (MDM^T02) and set of answers (ORU^R01) of a parcel
 * and waits for its acknowledgement, one after the other. A repetition has the control ids (MSH-10) and bytes of the first
 * try, by which a receiver knows it.
 */
export function createMllpChannel({ sendMllp, profiles = [] }: MllpPorts): Channel<MllpChannelSettings> {
  return async (parcel, settings) => {
    if (!sendMllp) throw new Failure('unsupported', 'no-mllp-here')
    if (parcel.contents.length > MAX_ORDERS) throw new Failure('too-costly', 'too-many-orders')
    const messages = await Promise.all(
      toldByItself(parcel.contents).map(({ resource }, index) => {
        const envelope = {
          dialect: settings,
          controlId: parcel.id.replaceAll('-', '').slice(0, 18) + String(index).padStart(2, '0'),
          at: parcel.created,
        }
        if (resource.resourceType !== 'QuestionnaireResponse') return messageOf(resource, envelope, parcel)
        return answersOf(resource, questionnaireOf(resource, profiles), envelope, parcel)
      }),
    )
    const { host, port, tls, connections = DEFAULT_CONNECTIONS, pipeline } = settings
    const charset = charsetLabel(settings)
    const texts: string[] = []
    for (const [index, message] of messages.entries()) {
      if (parcel.signal.aborted) throw new Failure('unavailable', 'timeout')
      const answered = await sendMllp(
        {
          host,
          port,
          timeoutMs: parcel.timeoutMs,
          connections,
          charset,
          ...(pipeline ? { pipeline } : {}),
          ...(tls ? { tls } : {}),
        },
        message,
      )
      const spoken = speaksOfOrders(answered.message)
      if (spoken) texts.push(answered.message)
      const answer = answers[answered.code] ?? { state: 'retry', reason: 'ack-unknown' }
      const settles = spoken && index === messages.length - 1
      if (answer.state !== 'delivered') return { ...answer, said: { texts, settles } }
    }
    return { state: 'delivered', said: { texts, settles: true } }
  }
}

/** An acknowledgement that says more than whether the message was taken: RRE^O12, ORP^O10, ORR^O02. */
function speaksOfOrders(text: string): boolean {
  return findSegment(readMessage(text), 'ORC') !== undefined
}

/** Table 0008. CA says only that the message was stored, not that the order was taken. */
const answers: Record<string, Answer> = {
  AA: { state: 'delivered' },
  AE: { state: 'retry', reason: 'ack-AE' },
  AR: { state: 'refused', reason: 'ack-AR' },
  CA: { state: 'retry', reason: 'ack-CA' },
  CE: { state: 'retry', reason: 'ack-CE' },
  CR: { state: 'refused', reason: 'ack-CR' },
}

async function messageOf(content: Identified, envelope: Envelope, parcel: Parcel): Promise<string> {
  if (content.resourceType === 'MedicationDispense') return dispenseOf(content, envelope, parcel)
  if (content.resourceType === 'Communication') return communicationOf(content, envelope, parcel)
  const { order: stored, ...why } = await orderSaidBy(content, parcel)
  const order = await withMedication(stored, parcel)
  const pharmacy = await find(parcel, order.dispenseRequest?.performer?.reference)
  return writeOrderMessage({
    ...envelope,
    order,
    ...why,
    patient: await patientFor(order, parcel),
    requester: await findPractitioner(parcel, order.requester?.reference),
    recorder: await findPractitioner(parcel, order.recorder?.reference),
    ...(pharmacy?.resourceType === 'Organization' ? { pharmacy } : {}),
    // No other role is sent to over MLLP.
    audience: parcel.destination.role === 'pharmacy' ? 'pharmacy' : 'ehr',
  })
}

async function dispenseOf(stored: MedicationDispense, envelope: Envelope, parcel: Parcel): Promise<string> {
  const dispense = await withMedication(stored, parcel)
  const order = await find(parcel, dispense.authorizingPrescription?.[0]?.reference)
  const people = await practitioners(parcel, dispense.performer?.map(({ actor }) => actor.reference) ?? [])
  const [dispenser] = people
  return writeDispenseMessage({
    ...envelope,
    dispense,
    patient: await patientFor(dispense, parcel),
    ...(order?.resourceType === 'MedicationRequest' ? { order } : {}),
    ...(dispenser ? { dispenser } : {}),
  })
}

async function communicationOf(
  communication: Communication,
  envelope: Envelope,
  parcel: Parcel,
): Promise<string> {
  const sender = await findPractitioner(parcel, communication.sender?.reference)
  return writeCommunicationMessage({
    ...envelope,
    communication,
    patient: await patientFor(communication, parcel),
    ...(sender ? { sender } : {}),
    recipients: await practitioners(parcel, communication.recipient?.map(({ reference }) => reference) ?? []),
  })
}

function questionnaireOf(
  { questionnaire: canonical }: QuestionnaireResponse,
  profiles: readonly Resource[],
): Questionnaire | undefined {
  return profiles.find(
    (each): each is Questionnaire =>
      each.resourceType === 'Questionnaire' && [each.url, `${each.url}|${each.version}`].includes(canonical),
  )
}

async function answersOf(
  response: QuestionnaireResponse,
  questionnaire: Questionnaire | undefined,
  envelope: Envelope,
  parcel: Parcel,
): Promise<string> {
  const author = await findPractitioner(parcel, response.author?.reference)
  return writeAnswersMessage({
    ...envelope,
    response,
    patient: await patientFor(response, parcel),
    ...(questionnaire ? { questionnaire } : {}),
    ...(author ? { author } : {}),
  })
}

/** Who it is about is not to be left out: without a patient that may be shown there is nothing to send. */
async function patientFor(content: { subject?: { reference?: string } }, parcel: Parcel): Promise<Patient> {
  const patient = await find(parcel, content.subject?.reference)
  if (patient?.resourceType !== 'Patient') throw new Failure('forbidden', 'patient')
  return patient
}

async function practitioners(
  parcel: Parcel,
  references: readonly (string | undefined)[],
): Promise<Practitioner[]> {
  const found = await Promise.all(references.map((reference) => findPractitioner(parcel, reference)))
  return found.filter((each) => each !== undefined)
}

/** A Medication that stands on its own is taken in, as v2 has no other place for it. */
async function withMedication<R extends MedicationRequest | MedicationDispense>(
  order: R,
  parcel: Parcel,
): Promise<R> {
  const reference = order.medicationReference?.reference
  if (reference === undefined || reference.startsWith('#')) return order
  const medication = await find(parcel, reference)
  if (medication?.resourceType !== 'Medication') throw new Failure('forbidden', 'medication')
  return {
    ...order,
    contained: [...(order.contained ?? []), { ...medication, id: 'medication' }],
    medicationReference: { ...order.medicationReference, reference: '#medication' },
  }
}

/** The person, also where the order names a role of theirs. */
async function findPractitioner(
  parcel: Parcel,
  reference: string | undefined,
): Promise<Practitioner | undefined> {
  const found = await find(parcel, reference)
  if (found?.resourceType === 'PractitionerRole')
    return findPractitioner(parcel, found.practitioner?.reference)
  return found?.resourceType === 'Practitioner' ? found : undefined
}

async function find(parcel: Parcel, reference: string | undefined): Promise<Identified | undefined> {
  const target = /^[A-Z][A-Za-z]*\/[A-Za-z0-9.-]{1,64}/.exec(reference ?? '')?.[0]
  return target === undefined ? undefined : parcel.load(target as Reference)
}

import type { Communication, MedicationRequest, Patient, QuestionnaireResponse } from 'fhir/r4'
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import type { SignerJwk } from '#care/detached-signature.ts'
import type { SignerRegistration } from '#care/signer.ts'
import type { Caller } from '#core/caller.ts'
import type { Store } from '#core/ports.ts'
import { type Reference, type Resource, versioned } from '#core/resource.ts'
import type { Answered, OpenFhir } from './open-fhir.ts'

const doctorId = 'Practitioner/doctor'

/** A prescriber before the FHIR server itself: what happens between two steps is up to the test. */
export interface SigningDesk {
  doctor: Caller
  /** A patient with a message, an order in force and a draft that repeats it, all with ids of this name. */
  patient(name: string): Promise<Reference>
  write(resource: Resource, id: string, version?: number): Promise<void>
  /** Reads the message, says that it was seen, asks what to sign, and signs. The last answer, or the first refusal. */
  look(name: string): Promise<Answered>
  sign(name: string, override?: object): Promise<Answered>
}

export async function openSigningDesk(
  open: Pick<OpenFhir, 'ask' | 'clock'>,
  store: Store,
): Promise<SigningDesk> {
  const { ask, clock } = open
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = (await exportJWK(publicKey)) as SignerJwk
  const kid = await calculateJwkThumbprint(jwk)
  const step = (at: number) => ({ by: 'Practitioner/operator' as const, at })
  const start = clock.now()
  const signer: SignerRegistration = {
    person: doctorId,
    revision: 1,
    keys: [{ thumbprint: kid, jwk, proposed: step(start - 2), approved: step(start - 1) }],
  }
  await store.commit({
    audit: [],
    registrations: [{ kind: 'signer', id: doctorId, json: JSON.stringify(signer) }],
  })
  const doctor: Caller = {
    clientId: `messenger ${doctorId}`,
    name: 'Doctor',
    role: 'prescriber',
    scopes: ['user/*.cruds'],
    actors: ['Organization/clinic', doctorId],
    purpose: 'TREAT',
    grants: ['sign-unseen'],
    signIn: { person: doctorId, at: start, factors: 2 },
  }
  const askAs: OpenFhir['ask'] = (method, path, options = {}) =>
    ask(method, path, {
      ...options,
      caller: { ...doctor, signIn: { person: doctorId, at: start, factors: 2 } },
    })

  const write: SigningDesk['write'] = async (resource, id, version = 1) => {
    const at = clock.now()
    const before = version > 1 ? await store.readVersion(resource.resourceType, id, version - 1) : undefined
    await store.commit({
      audit: [],
      writes: [
        {
          resource: versioned(resource, id, version, at),
          version,
          updated: at,
          ...(before ? { previous: JSON.parse(before.json) } : {}),
        },
      ],
    })
  }
  await write({ resourceType: 'Practitioner', active: true }, 'doctor')

  return {
    doctor,
    write,
    async patient(name) {
      const patient: Patient = { resourceType: 'Patient', active: true }
      await write(patient, name)
      await write(messageOf(name), `message-${name}`)
      await write({ ...orderOf(name, 'first'), status: 'active' }, `first-${name}`)
      const prior = { priorPrescription: { reference: `MedicationRequest/first-${name}` } }
      await write({ ...orderOf(name, 'again'), ...prior }, `again-${name}`)
      return `Patient/${name}`
    },
    async look(name) {
      const read = await askAs('GET', `Communication/message-${name}`)
      if (read.status !== 200) return read
      const what = `Communication/message-${name}/_history/${read.json.meta.versionId}`
      const parameter = [{ name: 'seen', valueReference: { reference: what } }]
      return askAs('POST', 'Communication/$viewed', { body: { resourceType: 'Parameters', parameter } })
    },
    async sign(name, override) {
      const order = `MedicationRequest/again-${name}`
      const asked = await askAs('GET', `${order}/$signable`)
      if (asked.status !== 200) return asked
      const said = (which: string) =>
        asked.json.parameter.find((each: { name: string }) => each.name === which)
      const bytes = new Uint8Array(Buffer.from(said('bytes').valueBase64Binary, 'base64'))
      const seenThrough = said('seenThrough').valueString
      const jws = await new CompactSign(bytes)
        .setProtectedHeader({ alg: 'ES256', kid, seenThrough })
        .sign(privateKey)
      const parameter = [
        { name: 'signature', valueString: jws.replace(/\..*\./, '..') },
        ...(override ? [{ name: 'override', valueCodeableConcept: override }] : []),
      ]
      return askAs('POST', `${order}/$sign`, {
        body: { resourceType: 'Parameters', parameter },
        headers: { 'if-match': 'W/"1"' },
      })
    },
  }
}

export function messageOf(name: string, text = 'It still hurts'): Communication {
  return {
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: `Patient/${name}` },
    sender: { reference: `Patient/${name}` },
    payload: [{ contentString: text }],
  }
}

export function answersOf(name: string): QuestionnaireResponse {
  return {
    resourceType: 'QuestionnaireResponse',
    status: 'completed',
    subject: { reference: `Patient/${name}` },
  }
}

function orderOf(name: string, number: string): MedicationRequest {
  return {
    resourceType: 'MedicationRequest',
    identifier: [{ system: 'urn:example:orders', value: `${number}-${name}` }],
    groupIdentifier: { system: 'urn:example:groups', value: `${number}-${name}` },
    status: 'draft',
    intent: 'order',
    medicationCodeableConcept: { text: 'Amlodipine 5 mg' },
    subject: { reference: `Patient/${name}` },
    requester: { reference: doctorId },
    authoredOn: '2026-03-01',
    dosageInstruction: [{ text: 'one daily' }],
    dispenseRequest: { performer: { reference: 'Organization/pharmacy' } },
    substitution: { allowedBoolean: false },
  }
}

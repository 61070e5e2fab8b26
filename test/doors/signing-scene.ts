import { createHash } from 'node:crypto'
import { CompactSign, exportJWK, generateKeyPair } from 'jose'
import { expect } from 'vitest'
import type { Reference } from '#core/resource.ts'
import type { Answer } from '../open-clinic.ts'
import { openIdentityProvider, type TestPerson } from '../people.ts'
import { message, openScene, placesIn, type Scene } from './scene.ts'

/** A prescriber with a granted key, and the people around them. */
export interface SigningScene {
  scene: Scene
  /** The prescriber of the fixtures' orders, signed in now. */
  doctor: TestPerson
  brandt: Reference
  /** The same person by another sign-in, or in another role. */
  doctorAt(claims: Record<string, unknown>): Promise<TestPerson>
  nurse: TestPerson
  operators: [TestPerson, TestPerson]
  /** A draft, handed in as the platform does; its place, and the receipt. */
  draft(
    id: string,
    changes?: object,
  ): Promise<{ order: string; receipt: { parties: Record<string, Reference> } }>
  /** Reads what is to be signed, signs it, and hands the signature in. */
  sign(order: string, options?: SigningOf): Promise<Answer>
  signable(order: string): Promise<Signable>
  signatureOf(asked: Signable, options?: SigningOf): Promise<string>
  handIn(order: string, signature: string, options?: SigningOf): Promise<Answer>
}

export interface Signable {
  bytes: Uint8Array
  /** Only of a repeat. */
  seenThrough?: string
  unseen: string[]
}

export interface SigningOf {
  by?: TestPerson
  privateKey?: CryptoKey
  kid?: string
  version?: string
  /** Instead of what $signable says. */
  seenThrough?: string
  override?: object
  alter?(bytes: Uint8Array): Uint8Array
}

/** `grants` are those of the clinic's login. */
export async function openSigningScene(grants: string[] = []): Promise<SigningScene> {
  const scene = await openScene()
  const login = await openIdentityProvider(scene.clinic, {
    organization: scene.organizations.northside,
    grants,
    role: {
      claim: 'roles',
      values: [
        ['physician', 'prescriber'],
        ['nurse', 'clinician'],
        ['operator', 'operator'],
      ],
    },
  })
  const practitioner = (family: string) =>
    scene.platform
      .request('POST', '/fhir/Practitioner', {
        resourceType: 'Practitioner',
        active: true,
        name: [{ family }],
      })
      .then(({ body }): Reference => `Practitioner/${body.id}`)

  const draft: SigningScene['draft'] = async (id, changes = {}) => {
    const body = JSON.stringify(
      message('prescription/active-attested.in.json', {
        id,
        group: `group-${id}`,
        attestation: undefined,
        priorPrescription: undefined,
        validity: undefined,
        ...changes,
      }),
    ).replace('"dose":{"value":0.5,', '"dose":{"value":0.50,')
    const answer = await scene.platform.request('POST', '/ingest/prescriptions', body)
    expect(answer.status, answer.text).toBe(201)
    const [order = ''] = placesIn(answer.body, 'MedicationRequest')
    return { order, receipt: answer.body }
  }

  const { parties } = (await draft('first')).receipt
  const brandt = parties.requester ?? parties.prescriber ?? 'Practitioner/nobody'
  const doctorAt: SigningScene['doctorAt'] = (claims) => login.person(brandt, 'physician', claims)
  const doctor = await doctorAt({})
  const nurse = await login.person(await practitioner('Nurse'), 'nurse')
  const operators = [
    await login.person(await practitioner('First'), 'operator'),
    await login.person(await practitioner('Second'), 'operator'),
  ] as [TestPerson, TestPerson]
  const pair = await generateKeyPair('ES256', { extractable: true })
  const thumbprint = await grant(operators, brandt, pair.publicKey)

  const signable: SigningScene['signable'] = async (order) => {
    const asked = await doctor.request('GET', `/fhir/${order}/$signable`)
    expect(asked.status, asked.text).toBe(200)
    const bytes = new Uint8Array(Buffer.from(named(asked, 'bytes').valueBase64Binary, 'base64'))
    expect(named(asked, 'sha256').valueString).toBe(createHash('sha256').update(bytes).digest('hex'))
    const seenThrough = named(asked, 'seenThrough')?.valueString
    return { bytes, unseen: unseenIn(asked), ...(seenThrough ? { seenThrough } : {}) }
  }

  const signatureOf: SigningScene['signatureOf'] = async (asked, options = {}) => {
    const { privateKey = pair.privateKey, kid = thumbprint, seenThrough = asked.seenThrough } = options
    const header = { alg: 'ES256', kid, ...(seenThrough === undefined ? {} : { seenThrough }) }
    const jws = await new CompactSign(options.alter?.(asked.bytes) ?? asked.bytes)
      .setProtectedHeader(header)
      .sign(privateKey)
    return jws.replace(/\..*\./, '..')
  }

  const handIn: SigningScene['handIn'] = (order, signature, options = {}) => {
    const { by = doctor, version = 'W/"1"', override } = options
    const parameter = [
      { name: 'signature', valueString: signature },
      ...(override ? [{ name: 'override', valueCodeableConcept: override }] : []),
    ]
    return by.request(
      'POST',
      `/fhir/${order}/$sign`,
      { resourceType: 'Parameters', parameter },
      {
        ...(version ? { 'if-match': version } : {}),
        prefer: 'return=representation',
      },
    )
  }

  return {
    scene,
    doctor,
    brandt,
    doctorAt,
    nurse,
    operators,
    draft,
    signable,
    signatureOf,
    handIn,
    sign: async (order, options = {}) =>
      handIn(order, await signatureOf(await signable(order), options), options),
  }
}

export async function jwkOf(publicKey: CryptoKey) {
  const { kty, crv, x, y } = await exportJWK(publicKey)
  return { kty, crv, x, y }
}

/** Two operators grant a key; resolves with its thumbprint. */
async function grant(
  [first, second]: [TestPerson, TestPerson],
  person: string,
  publicKey: CryptoKey,
): Promise<string> {
  const proposed = await first.request('POST', '/signers', { person, jwk: await jwkOf(publicKey) })
  expect(proposed.status, proposed.text).toBe(201)
  const print = proposed.body.keys.at(-1).thumbprint
  const approved = await second.request('POST', `/signers/${person.split('/')[1]}/keys/${print}/$approve`)
  expect(approved.status, approved.text).toBe(200)
  return print
}

const named = (answer: Answer, name: string) =>
  answer.body.parameter.find((each: { name: string }) => each.name === name)

/** Versions that an answer says are left to be seen. */
export function unseenIn(answer: Answer): string[] {
  return answer.body.parameter.flatMap((each: { name: string; valueReference?: { reference: string } }) =>
    each.name === 'unseen' ? [each.valueReference?.reference] : [],
  )
}

/** The codes of a refusal. */
export const codesOf = (answer: Answer): string[] =>
  answer.body.issue.map(
    (issue: { details?: { coding: { code: string }[] } }) => issue.details?.coding[0]?.code,
  )

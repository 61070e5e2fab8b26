import type { MedicationRequest } from 'fhir/r4'
import { CompactSign, exportJWK, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { findGrant } from '#access/roles.ts'
import { canonicalJson } from '#care/canonical-json.ts'
import { isControlled } from '#care/controlled-substances.ts'
import { isSignedBy, readDetached, type SignerJwk, textOf } from '#care/detached-signature.ts'
import { signedElements, signedText } from '#care/order-signature.ts'
import { Failure } from '#core/failure.ts'
import { decimalText, isDecimal, parseJson, stringifyJson } from '#formats/json.ts'
import { fixture } from '../doors/scene.ts'

type Json = Record<string, unknown>

const golden = parseJson(fixture('prescription/active-attested.out.json')) as { resources: Json[] }
const order = {
  ...golden.resources.find(({ resourceType }) => resourceType === 'MedicationRequest'),
  language: 'en',
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Amlodipine</div>' },
  _authoredOn: { extension: [{ url: 'urn:example:precision', valueCode: 'second' }] },
  note: [{ text: 'for the clinic only' }],
  performer: { reference: '#nurse' },
  contained: [
    { resourceType: 'Practitioner', id: 'nurse', name: [{ family: 'Kern' }] },
    { resourceType: 'Practitioner', id: 'nobody', name: [{ family: 'Unnamed' }] },
  ],
} as unknown as MedicationRequest

let key: SignerJwk
let signature: string
let privateKey: CryptoKey

/** As RFC 7515 appendix F says: a compact serialization without its middle. */
async function detached(text: string, header: Json = {}, by = privateKey): Promise<string> {
  const jws = await new CompactSign(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'ES256', kid: 'key-1', ...header })
    .sign(by)
  return jws.replace(/\..*\./, '..')
}

beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  privateKey = pair.privateKey
  key = (await exportJWK(pair.publicKey)) as SignerJwk
  signature = await detached(signedText(order))
})

const base64url = (text: string) => btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

/** Every way to change one leaf of a value, or to leave one out. */
function* flips(value: unknown, path: (string | number)[] = []): Generator<[(string | number)[], unknown]> {
  if (value !== null && typeof value === 'object' && !isDecimal(value)) {
    for (const [name, item] of Object.entries(value))
      for (const [at, changed] of flips(item, [...path, Array.isArray(value) ? Number(name) : name])) {
        const copy = (Array.isArray(value) ? [...value] : { ...value }) as Json
        if (changed === undefined) delete copy[name]
        else copy[name] = changed
        yield [at, Array.isArray(copy) ? copy.filter(() => true) : copy]
      }
    return
  }
  yield [path, undefined]
  if (typeof value === 'string') yield [path, `${value}x`]
  else if (typeof value === 'boolean') yield [path, !value]
  else yield [path, JSON.rawJSON(`${decimalText(value)}${decimalText(value)?.includes('.') ? '0' : '.0'}`)]
}

const isSigned = ([top = '', index]: (string | number)[]) =>
  top === 'contained'
    ? index === 0
    : (signedElements as readonly string[]).includes(String(top).replace(/^_/, ''))

describe('a signature over an order', () => {
  it('is void once anything signed is changed, left out or written with other digits, and stands for all else', async () => {
    const counts = { signed: 0, other: 0 }
    for (const [path, changed] of flips(order)) {
      const holds = await isSignedBy(signature, signedText(changed as MedicationRequest), key)
      expect(holds, path.join('.')).toBe(!isSigned(path))
      counts[isSigned(path) ? 'signed' : 'other']++
    }
    expect(counts.signed).toBeGreaterThan(100)
    expect(counts.other).toBeGreaterThan(20)
  })

  it('is void once something signed is added, and stands when the store writes the order anew', async () => {
    const again = parseJson(stringifyJson(order)) as MedicationRequest
    expect(await isSignedBy(signature, signedText(again), key)).toBe(true)
    const reordered = Object.fromEntries(Object.entries(again).reverse()) as unknown as MedicationRequest
    expect(await isSignedBy(signature, signedText(reordered), key)).toBe(true)
    for (const name of signedElements.filter((each) => !(each in order))) {
      const more = { ...order, [name]: { text: 'added' } } as unknown as MedicationRequest
      expect(await isSignedBy(signature, signedText(more), key), name).toBe(false)
    }
  })

  it('covers everything that a pharmacy sees of an order, but for what this list leaves out', () => {
    const seen = findGrant('pharmacy', 'MedicationRequest', 'r')?.fields ?? []
    const left = seen.filter((name) => !(signedElements as readonly string[]).includes(name))
    // contained is covered as far as what is signed refers to it.
    const out = [
      'meta',
      'language',
      'contained',
      'status',
      'statusReason',
      'reportedBoolean',
      'reportedReference',
    ]
    expect(left.sort()).toEqual(out.sort())
    expect(signedElements.filter((name) => !seen.includes(name))).toEqual([])
  })

  it('is void with any bit of it flipped, with another key, and with another algorithm', async () => {
    const text = signedText(order)
    const [header = '', , mark = ''] = signature.split('.')
    for (let at = 0; at < mark.length - 1; at++) {
      const other = mark[at] === 'A' ? 'B' : 'A'
      const flipped = `${header}..${mark.slice(0, at)}${other}${mark.slice(at + 1)}`
      expect(await isSignedBy(flipped, text, key), String(at)).toBe(false)
    }
    const stranger = await generateKeyPair('ES256')
    expect(await isSignedBy(await detached(text, {}, stranger.privateKey), text, key)).toBe(false)
    const none = `${btoa('{"alg":"none","kid":"key-1"}').replace(/=+$/, '')}..`
    expect(await isSignedBy(none, text, key)).toBe(false)
  })

  it.each([
    ['that is not detached', () => signature.replace('..', '.e30.')],
    ['without a mark', () => signature.replace(/\.[^.]*$/, '.')],
    ['with a part too many', () => `${signature}.e30`],
    ['with a header that is no JSON', () => `AAAA..${signature.split('.')[2]}`],
    [
      'with a payload that is not encoded (RFC 7797)',
      () => `${base64url('{"alg":"ES256","kid":"k","b64":false,"crit":["b64"]}')}..AAAA`,
    ],
    ['that brings its own key', () => detached('x', { jwk: key })],
    ['without kid', () => detached('x', { kid: undefined })],
    ['of any length', () => `${signature}${'A'.repeat(3000)}`],
  ])('%s is refused as no signature', async (_, make) => {
    const text = await make()
    const refusal = (() => {
      try {
        readDetached(text)
      } catch (cause) {
        return cause
      }
    })()
    expect(refusal).toBeInstanceOf(Failure)
    expect((refusal as Failure).issues[0]?.detail).toBe('signature-format')
  })
})

describe('the canonical form', () => {
  it('writes members by UTF-16 code units and text as RFC 8785 does', () => {
    // RFC 8785 §3.2.3
    const names = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6']
    const text = canonicalJson(Object.fromEntries(names.map((name) => [name, true])))
    const sorted = ['\\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']
    expect(text).toBe(`{${sorted.map((name) => `"${name}":true`).join(',')}}`)
    // §3.2.2
    expect(canonicalJson('€$\u000f\nA\'B"\\\\"/')).toBe('"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"')
  })

  it('keeps the digits that were shown', () => {
    expect(canonicalJson(parseJson('{"b":1.50,"a":[10,1.5e1,null,true]}'))).toBe(
      '{"a":["10","1.5e1",null,true],"b":"1.50"}',
    )
    expect(signedText(order)).toContain('"value":"0.50"')
  })

  it('has no half characters, and is bytes that read back the same', () => {
    expect(() => canonicalJson('\ud800')).toThrow(Failure)
    expect(textOf(btoa('\u00ef\u00bb\u00bfA'))).toBe('\ufeffA')
  })
})

describe('a controlled substance', () => {
  const named = (text: string) => ({ ...order, medicationCodeableConcept: { text } })

  it.each([
    'Oxycodone 5 mg tablet',
    'MORPHINE sulfate',
    'diazepam',
    'co-codeine',
    'Temazepam 10mg',
    'testosterone gel',
  ])('is known by its name: %s', (text) => expect(isControlled(named(text))).toBe(true))

  it.each(['Amlodipine 5 mg', 'Apomorphine 10 mg/ml', 'Benzocaine lozenge', 'Naloxone', 'Ketoconazole'])(
    'is not taken for one: %s',
    (text) => expect(isControlled(named(text))).toBe(false),
  )

  it.each([
    ['http://www.whocc.no/atc', 'N02AA05'],
    ['urn:oid:2.16.840.1.113883.3.26.1.1', 'C48675'],
    ['http://terminology.hl7.org/CodeSystem/v2-0477', 'II'],
    ['https://fhir.nhs.uk/CodeSystem/medicationrequest-controlled-drug', 'CD2'],
  ])('is known by a code of %s, wherever it stands', (system, code) => {
    const extension = [
      { url: 'urn:example', extension: [{ url: 'schedule', valueCoding: { system, code } }] },
    ]
    expect(isControlled({ ...order, extension })).toBe(true)
    expect(isControlled({ ...order, category: [{ coding: [{ system, code }] }] })).toBe(true)
  })

  it('is known inside of a contained Medication', () => {
    const ingredient = [{ itemCodeableConcept: { text: 'fentanyl' } }]
    const contained = [{ resourceType: 'Medication' as const, id: 'm', ingredient }]
    expect(isControlled({ ...order, contained })).toBe(true)
  })
})

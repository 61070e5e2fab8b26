import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collectEvidence, type EvidenceBundle } from '#care/evidence-export.ts'
import { verifyEvidence } from '#care/evidence-verify.ts'
import { parseJson } from '#formats/json.ts'
import { type OpenFhir, openFhir } from '../fhir/open-fhir.ts'
import { answersOf, messageOf, openSigningDesk } from '../fhir/signing-desk.ts'

/** Evidence that was given out comes to the same verdict elsewhere, and to none once it was touched (R27). */
let open: OpenFhir
let seen: EvidenceBundle
let overridden: EvidenceBundle

beforeAll(async () => {
  open = await openFhir()
  const desk = await openSigningDesk(open, open.store)
  await desk.patient('seen')
  await desk.write(messageOf('seen', 'And another word'), 'message-seen', 2)
  expect((await desk.look('seen')).status).toBe(200)
  expect((await desk.sign('seen')).status).toBe(200)
  await desk.patient('urgent')
  await desk.write(answersOf('urgent'), 'answers-urgent')
  const coding = [{ system: 'https://postern.health/fhir/CodeSystem/unseen-override', code: 'not-readable' }]
  expect((await desk.sign('urgent', { coding, text: 'The portal shows a blank page' })).status).toBe(200)
  const decide = async () => ({ permit: true, reasons: [], consents: [], rules: 'test' })
  const ports = { store: open.store, access: { decide }, parse: parseJson }
  seen = await collectEvidence(ports, 'again-seen')
  overridden = await collectEvidence(ports, 'again-urgent')
})
afterAll(() => open.close())

const verify = (bundle: unknown) => verifyEvidence(bundle as EvidenceBundle, parseJson)
/** What is wrong with it; a bundle that cannot even be read is found too. */
const findingsOf = (bundle: unknown) =>
  verify(bundle).then(
    ({ findings }) => findings,
    (cause: Error) => [cause.message],
  )

describe('an export', () => {
  it('comes to the verdict anew', async () => {
    expect((await verify(seen)).findings).toEqual([])
    expect(await verify(seen)).toMatchObject({
      ok: true,
      verdict: 'seen',
      order: 'MedicationRequest/again-seen/_history/2',
      person: 'Practitioner/doctor',
      unseen: [],
    })
    expect(await verify(overridden)).toMatchObject({
      ok: true,
      verdict: 'overridden',
      unseen: ['Communication/message-urgent/_history/1', 'QuestionnaireResponse/answers-urgent/_history/1'],
    })
  })

  it('shows every record that is missing, doubled or in another place', async () => {
    for (const bundle of [seen, overridden]) {
      const [ledger] = bundle.ledgers
      const entries = ledger?.entries ?? []
      expect(entries.length).toBeGreaterThan(2)
      const lists: [unknown[], (list: unknown[]) => unknown][] = [
        [entries, (list) => ({ ...bundle, ledgers: [{ ...ledger, entries: list }] })],
        [bundle.contents, (contents) => ({ ...bundle, contents })],
      ]
      for (const [list, within] of lists)
        for (const [at, each] of list.entries()) {
          expect(await findingsOf(within(list.toSpliced(at, 1))), `without ${at}`).not.toEqual([])
          expect(await findingsOf(within(list.toSpliced(at, 0, each))), `${at} twice`).not.toEqual([])
          if (list === entries && at > 0) {
            const moved = list.with(at, list[at - 1]).with(at - 1, each)
            expect(await findingsOf(within(moved)), `${at} moved`).not.toEqual([])
          }
        }
      expect(await findingsOf({ ...bundle, ledgers: [] })).not.toEqual([])
      expect(await findingsOf({ ...bundle, prior: undefined })).not.toEqual([])
    }
  })

  it('shows every character that was changed in a record', async () => {
    for (const [text, within] of textsOf(seen)) {
      const step = Math.max(1, Math.floor(text.length / 60))
      for (let at = 0; at < text.length; at += step) {
        const other = text[at] === 'x' ? 'y' : 'x'
        const changed = `${text.slice(0, at)}${other}${text.slice(at + 1)}`
        expect(await findingsOf(within(changed)), `${text.slice(0, at)}<${text[at]}>`).not.toEqual([])
      }
    }
  })

  it('is not mended by making the hashes anew: the signature is over what came in last', async () => {
    const [ledger] = seen.ledgers
    const entries = (ledger?.entries ?? []).map((text) => text.replace('message-seen', 'message-sean'))
    const contents = seen.contents.map(({ what, text }) => ({ what: what.replace('seen', 'sean'), text }))
    const findings = await findingsOf({ ...seen, ledgers: [{ ...ledger, entries }], contents })
    expect(findings).toContain('what came in last is not what was signed on')
  })

  it('does not pass for signed with a key that was not the signer’s then', async () => {
    const [key] = seen.signer.keys
    for (const changes of [
      { approved: undefined },
      { revoked: { by: 'Practitioner/x', at: 1 } },
      { thumbprint: 'z' },
    ])
      expect(
        await findingsOf({ ...seen, signer: { ...seen.signer, keys: [{ ...key, ...changes }] } }),
      ).toEqual(['the key of the signature was not granted to the signer then'])
  })
})

type Within = (text: string) => unknown

/** Each text of an export, and the export with another one in its place. */
function textsOf(bundle: EvidenceBundle): [string, Within][] {
  const { order, record, prior = '', ledgers, contents } = bundle
  return [
    [order, (text) => ({ ...bundle, order: text })],
    [record, (text) => ({ ...bundle, record: text })],
    [prior, (text) => ({ ...bundle, prior: text })],
    ...ledgers.flatMap(({ patient, entries }, index) =>
      entries.map((entry, at): [string, Within] => [
        entry,
        (text) => ({ ...bundle, ledgers: ledgers.with(index, { patient, entries: entries.with(at, text) }) }),
      ]),
    ),
    ...contents.map(({ what, text: content }, at): [string, Within] => [
      content,
      (text) => ({ ...bundle, contents: contents.with(at, { what, text }) }),
    ]),
  ]
}

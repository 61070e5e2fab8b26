import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { AuditEvent, Bundle, Communication, MedicationRequest } from 'fhir/r4'
import { sendMllp } from '#outbound/mllp-client.ts'
import type { Answer, TestClient } from '../open-clinic.ts'
import { organizations, type Stage, setStage } from './stage.ts'
import { arrow, good, line, note, refused, require, segments, step } from './tell.ts'

/*
 * The product, shown: what comes in, what it becomes, who receives it, who may read it, and the proof of it all.
 * `npm run demo` leaves it running; `-- --exit` ends it.
 */

const started = performance.now()
const folder = mkdtempSync(join(tmpdir(), 'postern-demo-'))
const fixtures = join(import.meta.dirname, '..', '..', 'fixtures')
const fixture = (name: string) => readFileSync(join(fixtures, name), 'utf8')

line('Postern: a FHIR R4 gateway for confidential patient messaging')
note(`database, key store and generated keyring in ${folder}`)

const stage = await setStage(folder)
await play(stage)

const { baseUrl, mllpPort } = stage.clinic
line(
  `\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s. Everything above happened over real sockets.`,
)
if (process.argv.includes('--exit')) {
  await stage.close()
} else {
  line(`\n   FHIR      ${baseUrl}/fhir        (metadata: ${baseUrl}/fhir/metadata)`)
  line(`   ingest    ${baseUrl}/ingest/messages, /ingest/eligibility, /ingest/prescriptions, /ingest/hl7v2`)
  line(`   MLLP      127.0.0.1:${mllpPort}`)
  line(
    `   EHR       ${stage.ehrServer.base}     pharmacy (MLLP) ${stage.pharmacy.host}:${stage.pharmacy.port}`,
  )
  line('\n   Read the messages as the EHR does:\n')
  line(
    `   curl -H "Authorization: Bearer $(npm run -s postern -- token northside-ehr --key ${folder}/northside-ehr.jwk.json --url ${baseUrl})" \\`,
  )
  line(`     '${baseUrl}/fhir/Communication?_sort=-sent&_count=5&_pretty=true'`)
  line('\n   Ctrl-C ends it.')
  process.once('SIGINT', () => void stage.close().then(() => process.exit(0)))
}

async function play(stage: Stage): Promise<void> {
  const patient = await messages(stage)
  await screenings(stage)
  const order = await prescriptions(stage)
  await refusals(stage)
  await deliveries(stage)
  await reading(stage, patient, order)
  await proof(stage, patient)
}

async function messages({ platform }: Stage): Promise<string> {
  step('A patient writes, a clinician answers')
  const first = await ingest(platform, '/ingest/messages', 'secure-message/patient-to-clinician.in.json')
  const patient = first.body.parties.subject as string
  const again = await platform.request(
    'POST',
    '/ingest/messages',
    fixture('secure-message/patient-to-clinician.in.json'),
  )
  require(again.status === 200 &&
    again.headers.get('idempotent-replay') === 'true', 'a message sent twice is taken in once')
  note('the platform sends it again, as platforms do: 200, the first receipt, nothing new')
  await ingest(platform, '/ingest/messages', 'secure-message/clinician-reply-with-attachments.in.json')
  await ingest(platform, '/ingest/messages', 'secure-message/end-to-end-encrypted.in.json')
  note('the last one is end-to-end encrypted (JWE): kept and passed on byte for byte, opened by nobody here')
  return patient
}

async function screenings({ platform, clinic }: Stage): Promise<void> {
  step('Two screenings: one eligible, one not')
  await ingest(platform, '/ingest/eligibility', 'eligibility-result/eligible.in.json')
  const purged = await platform.request(
    'POST',
    '/ingest/eligibility',
    fixture('eligibility-result/ineligible.in.json'),
  )
  require(purged.status === 200 && purged.body.outcome === 'purged', 'an ineligible screening is not kept')
  arrow('platform', 'postern', 'eligibility-result/ineligible.in.json')
  good(
    `purged: no resource, no search row, no delivery; what remains is a counter ${JSON.stringify(await clinic.store.counters())}`,
  )
}

async function prescriptions({ platform, clinic }: Stage): Promise<string> {
  step('Two prescriptions: one as JSON, one as HL7 v2 over MLLP')
  const json = await ingest(platform, '/ingest/prescriptions', 'prescription/active-attested.in.json')
  const message = fixture('prescription-order/us-simple.in.hl7').replaceAll('\n', '\r')
  arrow('prescribing system', `MLLP :${clinic.mllpPort}`, 'prescription-order/us-simple.in.hl7 (RDE^O11)')
  segments(message)
  const { message: ack } = await sendMllp(
    { host: '127.0.0.1', port: clinic.mllpPort ?? 0, timeoutMs: 10_000 },
    message,
  )
  segments(ack)
  require(/\rMSA\|(AA|CA)\|/.test(ack), 'the RDE^O11 is accepted')
  good('accepted only after it was durable')
  return (json.body.resources as string[]).find((each) => each.startsWith('MedicationRequest/')) ?? ''
}

async function refusals({ platform, northside, clinic }: Stage): Promise<void> {
  step('What is refused, and why')
  const bad = await platform.request(
    'POST',
    '/ingest/messages',
    fixture('secure-message/bad-many-problems.in.json'),
  )
  require(bad.status === 422, 'a bad message is refused')
  refused(`422 a message with ${bad.body.issue.length} problems, each by path, no value echoed:`)
  for (const issue of bad.body.issue.slice(0, 3)) note(`  ${issue.expression?.[0]}: ${issue.diagnostics}`)
  const price = await platform.request(
    'POST',
    '/ingest/eligibility',
    fixture('eligibility-result/bad-no-price.in.json'),
  )
  refused(
    `${price.status} sensitive questions before the price was shown: ${price.body.issue[0].diagnostics}`,
  )
  const dose = await platform.request(
    'POST',
    '/ingest/prescriptions',
    fixture('prescription/bad-text-contradicts-dose.in.json'),
  )
  refused(`${dose.status} a prescription whose text and dose disagree: ${dose.body.issue[0].diagnostics}`)
  const scope = await northside.request(
    'POST',
    '/ingest/messages',
    fixture('secure-message/patient-to-clinician.in.json'),
  )
  refused(
    `${scope.status} an EHR client that tries to send as the platform: ${scope.body.issue[0].diagnostics}`,
  )
  const nobody = await fetch(`${clinic.baseUrl}/fhir/Communication`)
  refused(`${nobody.status} nobody in particular`)
  const unknown = fixture('prescription-order/us-simple.in.hl7')
    .replaceAll('\n', '\r')
    .replaceAll('RDE^O11^RDE_O11', 'BAR^P01^BAR_P01')
  const { message: ack } = await sendMllp(
    { host: '127.0.0.1', port: clinic.mllpPort ?? 0, timeoutMs: 10_000 },
    unknown,
  )
  refused(`HL7 v2 message that is not understood: ${ack.split('\r').find((each) => each.startsWith('MSA'))}`)
}

async function deliveries({ ehrServer, pharmacy, clinic, ehrTokens }: Stage): Promise<void> {
  step('What the EHR and the pharmacy received')
  const waiting = async () =>
    (await clinic.store.deliveries(100)).filter((each) => ['queued', 'claimed'].includes(each.state))
  for (let i = 0; i < 200 && (await waiting()).length > 0; i++) await pause(50)
  const all = await clinic.store.deliveries(100)
  for (const each of all.toReversed()) {
    const what = each.resources.map(({ type }) => type).join(', ')
    if (each.state === 'delivered') good(`${each.destination}: ${what} delivered at attempt ${each.attempt}`)
    else refused(`${each.destination}: ${what} ${each.state} (${each.reason})`)
  }
  require(all.every((each) => each.state === 'delivered'), 'everything that was queued arrived')
  for (const type of ['Patient', 'Communication', 'QuestionnaireResponse', 'MedicationRequest']) {
    note(
      `the EHR (not ours, token from its own OIDC server, ${ehrTokens.issued()} issued) now holds ${(await ehrServer.all(type)).length} ${type}`,
    )
  }
  require(pharmacy.messages.length > 0, 'the pharmacy received an order')
  note('the pharmacy (not ours) received over MLLP, and acknowledged:')
  segments(pharmacy.messages[0] ?? '')
}

async function reading(stage: Stage, patient: string, order: string): Promise<void> {
  const { northside, lakeside, pharmacyClient, platform } = stage
  const search = `/fhir/Communication?patient=${patient}&_sort=-sent&_include=Communication:patient`
  step('Who may read what')
  const own = matches<Communication>(await northside.request('GET', search))
  require(own.length >= 2, 'the treating clinic reads its messages')
  good(`Northside's EHR, a treating party, finds ${own.length} messages, newest first:`)
  for (const each of own)
    note(`  ${each.sent}  ${each.payload?.[0]?.contentString?.slice(0, 60) ?? '(encrypted or attachment)'}`)
  const other = matches(await lakeside.request('GET', search))
  require(other.length === 0, 'another clinic sees nothing')
  refused(`Lakeside's EHR, not treating her, finds ${other.length}: as if she did not exist`)

  const consent = {
    resourceType: 'Consent',
    status: 'active',
    scope: code('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
    category: [code('http://loinc.org', '59284-0')],
    patient: { reference: patient },
    dateTime: new Date().toISOString(),
    performer: [{ reference: patient }],
    organization: [{ reference: `Organization/${organizations.northside}` }],
    sourceAttachment: { title: 'Second opinion at Lakeside' },
    policy: [{ uri: 'https://profiles.ihe.net/ITI/PCF/Policy-basic-normal' }],
    provision: {
      type: 'permit',
      period: { end: '2099-12-31' },
      actor: [
        {
          role: code('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP'),
          reference: { reference: `Organization/${organizations.lakeside}` },
        },
      ],
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }],
    },
  }
  const permitted = await platform.request('POST', '/fhir/Consent', consent)
  require(permitted.status === 201, `the consent is taken: ${permitted.text}`)
  const opened = matches(await lakeside.request('GET', search))
  require(opened.length === own.length, 'a permit opens')
  good(`she permits Lakeside for treatment: it finds ${opened.length} with its next request`)
  const revoked = { ...permitted.body, status: 'inactive' }
  const etag = permitted.headers.get('etag') ?? ''
  await platform.request('PUT', `/fhir/Consent/${permitted.body.id}`, revoked, { 'if-match': etag })
  require(matches(await lakeside.request('GET', search)).length === 0, 'a revoked permit closes')
  refused('she withdraws it: Lakeside finds 0 with its next request')

  const [orderPath = ''] = order.split('/_history/')
  const projected = await pharmacyClient.request('GET', `/fhir/${orderPath}`)
  const whole = await northside.request('GET', `/fhir/${orderPath}`)
  require(projected.status === 200 &&
    !projected.body.reasonCode, 'the pharmacy sees the order without its reason')
  const hidden = Object.keys(whole.body).filter((name) => !(name in projected.body))
  good(`the pharmacy reads its order; dose ${doseOf(projected)}; hidden from it: ${hidden.join(', ')}`)
  const transcript = await pharmacyClient.request('GET', search)
  refused(
    `${transcript.status} the pharmacy and the conversation: ${transcript.body.issue?.[0]?.diagnostics ?? ''}`,
  )
}

async function proof({ auditor, clinic }: Stage, patient: string): Promise<void> {
  step('The proof')
  const events = matches<AuditEvent>(
    await auditor.request('GET', `/fhir/AuditEvent?patient=${patient}&_sort=-date&_count=100`),
  )
  require(events.length > 10, 'the acts are on record')
  good(`${events.length} AuditEvents (IHE BALP) about her; the latest:`)
  for (const { recorded, action, outcome, agent, subtype } of events.slice(0, 6)) {
    const who = agent.find((each) => each.requestor)?.who
    const name = who?.display ?? who?.identifier?.value ?? who?.reference
    note(`  ${recorded}  ${action ?? ' '}  outcome ${outcome}  ${subtype?.[0]?.code ?? ''}  by ${name}`)
  }
  await clinic.gateway.log.checkpoint()
  const verdict = await clinic.gateway.log.verify(clinic.anchored())
  require(verdict.ok, 'the log is whole')
  good(`audit verify: the log is whole; ${verdict.size} leaves, Merkle root ${verdict.root}`)
}

async function ingest(client: TestClient, door: string, name: string): Promise<Answer> {
  const answer = await client.request('POST', door, fixture(name))
  require(answer.status === 201, `${name} is taken in: ${answer.text}`)
  arrow('platform', `POST ${door}`, name)
  const { resources, leaf, deliveries, mapping, warnings } = answer.body
  good(`201 ${(resources as string[]).map((each) => each.replace(/\/_history.*$/, '')).join(', ')}`)
  note(
    `  mapping ${mapping.name} ${mapping.sha256.slice(0, 12)}…, audit leaf ${leaf}, ${deliveries.length} deliveries queued`,
  )
  for (const warning of warnings) note(`  warning: ${warning.text}`)
  return answer
}

function matches<R = unknown>(answer: Answer): R[] {
  require(answer.status === 200, `a search is answered: ${answer.text}`)
  return ((answer.body as Bundle).entry ?? [])
    .filter((each) => each.search?.mode !== 'include')
    .map((each) => each.resource as R)
}

function code(system: string, value: string) {
  return { coding: [{ system, code: value }] }
}

/** The exact digits, from the text as it was served. */
function doseOf({ text, body }: Answer): string {
  const quantity = (body as MedicationRequest).dosageInstruction?.[0]?.doseAndRate?.[0]?.doseQuantity
  const digits = /"doseQuantity":\{"value":([0-9.]+)/.exec(text)?.[1]
  return `${digits ?? quantity?.value} ${quantity?.unit}`
}

import fc from 'fast-check'
import type {
  Attachment,
  Extension,
  Questionnaire,
  QuestionnaireItem,
  QuestionnaireResponse,
  QuestionnaireResponseItem,
  QuestionnaireResponseItemAnswer,
} from 'fhir/r4'

/** Answers to a questionnaire as it allows them: what is asked may be answered, remarked on, left out for a reason, or not spoken of. */

type Item = QuestionnaireResponseItem
type Answer = QuestionnaireResponseItemAnswer

const rarely = fc.nat(9).map((each) => each === 0)

const ucum = 'http://unitsofmeasure.org'
const detailsUrl = 'https://postern.health/fhir/StructureDefinition/observation-details'
const absentUrl = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason'

const exact = fc
  .constantFrom('1E3', '2.50e-1', '12345678901234567', '0.000000000001')
  .map((text) => JSON.rawJSON(text) as unknown as number)
const plainDecimal = fc
  .tuple(fc.boolean(), fc.nat(9_999), fc.integer({ min: 0, max: 3 }), fc.nat(999))
  .map(([minus, whole, places, rest]) => {
    const fraction = places > 0 ? `.${String(rest).padStart(3, '0').slice(0, places)}` : ''
    return JSON.rawJSON(`${minus ? '-' : ''}${whole}${fraction}`) as unknown as number
  })

const decimal = fc.oneof({ weight: 5, arbitrary: plainDecimal }, { weight: 1, arbitrary: exact })

const words = fc
  .array(fc.constantFrom('fine', 'since', '|', '^x', '~', '\\', '&', '\n', 'é', 'Ж', '日', '""', '\\F\\'), {
    minLength: 1,
    maxLength: 6,
  })
  .map((all) => all.join(' ').trim() || '""')

const unit = fc.constantFrom(
  { unit: 'mmHg', code: 'mm[Hg]' },
  { unit: 'kg', code: 'kg' },
  { unit: 'cm', code: 'cm' },
  { code: 'kg' },
  { unit: 'pounds' },
)
const quantity = fc
  .tuple(decimal, unit, fc.constantFrom(undefined, undefined, '<', '<=', '>=', '>'))
  .map(([value, named, comparator]) => ({
    value,
    ...(comparator ? { comparator: comparator as '<' } : {}),
    ...named,
    ...('code' in named ? { system: ucum } : {}),
  }))

function answersTo(question: QuestionnaireItem): fc.Arbitrary<Answer[]> {
  const one = <V>(name: keyof Answer, value: fc.Arbitrary<V>) =>
    value.map((each) => [{ [name]: each }] as Answer[])
  const offered = (question.answerOption ?? []).flatMap(({ valueCoding }) => valueCoding ?? [])
  const coded = offered.map((valueCoding): Answer => ({ valueCoding }))
  const some = () =>
    question.repeats
      ? fc.subarray(coded, { minLength: 1 })
      : fc.constantFrom(...coded).map((answer) => [answer])
  const free = fc
    .array(words, { maxLength: 2 })
    .map((all) => all.map((valueString): Answer => ({ valueString })))
  const types: Partial<Record<QuestionnaireItem['type'], () => fc.Arbitrary<Answer[]>>> = {
    boolean: () => one('valueBoolean', fc.boolean()),
    integer: () => one('valueInteger', fc.integer({ min: -9_999, max: 9_999 })),
    decimal: () => one('valueDecimal', decimal),
    quantity: () => one('valueQuantity', quantity),
    date: () => one('valueDate', fc.constantFrom('2026', '2026-01', '2026-01-12')),
    dateTime: () =>
      one(
        'valueDateTime',
        fc.constantFrom('2026-01', '2026-01-11T07:45:00-06:00', '2026-01-11T07:45:12.250+05:30'),
      ),
    time: () => one('valueTime', fc.constantFrom('07:30:00', '23:59:59', '07:30:15.25')),
    string: () => one('valueString', words),
    text: () => one('valueString', words),
    url: () =>
      one('valueUri', fc.constantFrom('https://diary.example/a?b=1&c=2|3', 'https://diary.example/')),
    choice: some,
    'open-choice': () =>
      fc.tuple(some(), free, fc.boolean()).map(([a, b, turn]) => (turn ? [...b, ...a] : [...a, ...b])),
    attachment: () =>
      one(
        'valueAttachment',
        fc
          .tuple(
            fc.constantFrom('image/jpeg', 'application/pdf', 'text/plain', 'application/jose'),
            fc.constantFrom<Attachment>({ data: '/9j/4AAQ' }, { url: 'https://files.example/7' }),
            fc.record(
              {
                title: fc.constantFrom(question.text, 'my arm'),
                language: fc.constant('de'),
                size: fc.constant(6),
              },
              { requiredKeys: [] },
            ),
          )
          .map(([contentType, where, { title, ...more }]) => ({
            contentType,
            ...where,
            ...more,
            ...(title === undefined ? {} : { title }),
          })),
      ),
  }
  const found = types[question.type]
  if (!found) throw new Error(`no answers are generated for ${question.type}`)
  return found()
}

const flag = fc
  .constantFrom(['H', 'High', 'High'], ['N', 'Normal', 'Normal'], ['N', 'Normal', 'as always'])
  .map(([code, display, text]) => ({
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code, display }],
    text,
  }))
const foreign: Extension = { url: 'https://elsewhere.example/mood', valueString: 'worried' }

function details(type: QuestionnaireItem['type']): fc.Arbitrary<Extension[]> {
  const parts = fc.record(
    {
      ...(type === 'integer' || type === 'decimal'
        ? { unit: fc.constant({ valueString: 'beats & more' }) }
        : {}),
      interpretation: flag.map((valueCodeableConcept) => ({ valueCodeableConcept })),
      referenceRange: fc.constant({ valueString: '0-27' }),
      observed: fc.constant({ valueDateTime: '2026-01-12T08:01:00-06:00' }),
      note: words.map((valueString) => ({ valueString })),
    },
    { requiredKeys: [] },
  )
  return parts.map((all) => {
    const extension = Object.entries(all).map(([url, value]) => ({ url, ...(value as object) }))
    return extension.length > 0 ? [{ url: detailsUrl, extension }] : []
  })
}

function itemFor(question: QuestionnaireItem): fc.Arbitrary<Item[]> {
  if (question.type === 'display') return fc.constant([])
  if (question.type === 'group') {
    const occasion = itemsFor(question.item ?? []).map((item) =>
      item.length > 0 ? [{ linkId: question.linkId, text: question.text, item } as Item] : [],
    )
    return question.repeats ? fc.array(occasion, { maxLength: 3 }).map((all) => all.flat()) : occasion
  }
  const shown = { linkId: question.linkId, text: question.text } as Item
  const answered = fc
    .tuple(answersTo(question), details(question.type), rarely, rarely)
    .map(([answer, detail, remarked, marked]) => {
      const extension = remarked ? [...detail, foreign] : detail
      const said = marked ? answer.map((each) => ({ ...each, extension: [foreign] })) : answer
      return [{ ...shown, ...(extension.length > 0 ? { extension } : {}), answer: said }]
    })
  const reason = fc
    .tuple(
      details('display'),
      fc.constantFrom('not-performed', 'not-asked', 'temp-unknown', 'asked-declined'),
    )
    .map(([extension, valueCode]) => [{ ...shown, extension: [...extension, { url: absentUrl, valueCode }] }])
  const unspoken = fc.constant<Item[]>([])
  return fc.oneof(
    { weight: 4, arbitrary: answered as fc.Arbitrary<Item[]> },
    { weight: 1, arbitrary: reason },
    { weight: 1, arbitrary: unspoken },
  )
}

function itemsFor(questions: readonly QuestionnaireItem[]): fc.Arbitrary<Item[]> {
  return fc.tuple(...questions.map(itemFor)).map((all) => all.flat())
}

export function answersOf(questionnaire: Questionnaire): fc.Arbitrary<QuestionnaireResponse> {
  return fc
    .tuple(
      itemsFor(questionnaire.item ?? []).filter((item) => item.length > 0),
      fc.constantFrom('completed' as const, 'amended' as const, 'in-progress' as const, 'stopped' as const),
      fc.constantFrom('urn:oid:1.2.3', 'https://clinic.example/answers'),
      fc.option(words),
      rarely,
    )
    .map(([item, status, system, note, marked]) => ({
      resourceType: 'QuestionnaireResponse',
      id: 'qr1',
      extension: [
        ...(note === null ? [] : [{ url: detailsUrl, extension: [{ url: 'note', valueString: note }] }]),
        ...(marked ? [foreign] : []),
      ],
      identifier: { ...(marked ? { use: 'secondary' } : {}), system, value: 'Q|1' },
      questionnaire: `${questionnaire.url}|${questionnaire.version}`,
      status,
      subject: { reference: 'Patient/p' },
      authored: '2026-01-12T08:00:00-06:00',
      author: { reference: 'Practitioner/d' },
      item,
    }))
}

import type {
  QuestionnaireResponse,
  QuestionnaireResponseItem,
  QuestionnaireResponseItemAnswer,
} from 'fhir/r4'
import { isDecimal } from '#core/decimal.ts'
import { writeAnswersMessage } from './answers-message.ts'
import { isAnswersElement } from './answers-rest.ts'
import type { PlacedCopy } from './copy.ts'
import {
  copyRefused,
  dialectOfCopy,
  type Field,
  fields,
  requireSameFields,
  type Segments,
} from './copy-fields.ts'
import { readMessage } from './message.ts'
import { ours } from './rest.ts'
import { detailsUrl } from './said.ts'
import { type SourceOrder, type SourceRepetition, type SourceSegment, sourceTree } from './source.ts'

/**
 * The copy with the data of its files, which stand in OBX alone. Throws Failure `invalid` for a copy (ZFH) that says anything
 * else of the answers than their fields do (formats/hl7v2/copy-fields). Codes of questions and the groups that repeat are
 * the questionnaire's: questions are compared by linkId, and the mapping compares what stands within what.
 */
export function requireSameAnswers(copy: PlacedCopy, order: SourceOrder, version: string): PlacedCopy {
  if (copy.resourceType !== 'QuestionnaireResponse' || !Object.keys(copy.elements).every(isAnswersElement))
    throw copyRefused(copy, 'holds what is not copied of answers')
  if (holdsOurs(copy.elements.item))
    throw copyRefused(copy, 'holds an extension that only this system may give')
  const received = under(order, 'OBX')
  const whole = withFiles(copy, received)
  let told: SourceOrder = {}
  requireSameFields(whole, {
    received: segmentsOf(order),
    told: () => {
      told = written(whole, order, version)
      return segmentsOf(told)
    },
    shownIn: (name) => shownIn[name] ?? [],
  })
  requireSameQuestions(copy, received, under(told, 'OBX'))
  return whole
}

/** The fields that an element is written in, and nothing else is. */
const shownIn: Record<string, readonly Field[]> = {
  authored: fields('OBR', 7),
  item: [...fields('OBX', 2, 3, 5, 6, 7, 8, 11, 14), ['NTE']],
}

function holdsOurs(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || isDecimal(value)) return false
  const { url } = value as { url?: unknown }
  if (typeof url === 'string' && url.startsWith(ours) && url !== detailsUrl) return true
  return Object.values(value).some(holdsOurs)
}

/** In the order in which files are written: those of a question before those of what is asked below it. */
function withFiles(copy: PlacedCopy, OBX: readonly SourceSegment[]): PlacedCopy {
  const { item } = copy.elements as { item?: QuestionnaireResponseItem[] }
  if (item === undefined) return copy
  const files = OBX.filter((obx) => ['ED', 'RP'].includes(first(obx, 2) ?? ''))
  let next = 0
  const answered = (answer: QuestionnaireResponseItemAnswer) => {
    if (!answer?.valueAttachment) return answer
    const obx = files[next++]
    const { data: _data, ...file } = answer.valueAttachment
    const isHere = obx && first(obx, 2) === 'ED'
    return { ...answer, valueAttachment: isHere ? { ...file, data: first(obx, 5, '_5') ?? '' } : file }
  }
  const filled = (each: QuestionnaireResponseItem): QuestionnaireResponseItem => {
    const { answer, item: group } = each
    const answers = Array.isArray(answer) ? answer.map(answered) : undefined
    return {
      ...each,
      ...(answers
        ? { answer: answers.map((own) => (own?.item ? { ...own, item: own.item.map(filled) } : own)) }
        : {}),
      ...(Array.isArray(group) ? { item: group.map(filled) } : {}),
    }
  }
  try {
    return { ...copy, elements: { ...copy.elements, item: item.map(filled) } }
  } catch (cause) {
    throw copyRefused(copy, 'holds answers of another form', cause)
  }
}

/** The copied elements as answers of their own; what they need beside them is compared with nothing. */
function written({ elements, ...copy }: PlacedCopy, order: SourceOrder, version: string): SourceOrder {
  const statuses = under(order, 'OBX').map((obx) => first(obx, 11))
  const response = {
    resourceType: 'QuestionnaireResponse',
    id: 'x',
    status: statuses.includes('C') ? 'amended' : statuses.includes('P') ? 'in-progress' : 'completed',
    item: [{ linkId: 'x', answer: [{ valueString: 'x' }] }],
    ...elements,
    questionnaire: 'x',
  } as QuestionnaireResponse
  const dialect = dialectOfCopy({ ...copy, elements }, version)
  const patient = { resourceType: 'Patient', id: 'x' } as const
  const text = writeAnswersMessage({ response, patient, dialect, controlId: 'x', at: 0 })
  const [only] = sourceTree(readMessage(text)).orders
  return only ?? {}
}

/** OBX by linkId; and their notes, each with the place of its OBX. */
function segmentsOf(order: SourceOrder): Segments {
  const OBX = under(order, 'OBX')
  const notes = OBX.flatMap((obx, index) =>
    ((obx.NTE as SourceSegment[] | undefined) ?? []).map((nte): SourceSegment => {
      const place = String(index + 1)
      return { _: 'NTE', at: nte.at, NTE_1: [{ _: place, _1: place }], NTE_3: nte.NTE_3 }
    }),
  )
  return { OBR: order.OBR ? [order.OBR] : [], OBX: OBX.map(byLinkId), NTE: notes }
}

/** OBX-3 holds the code of a question and its linkId beside it, or the linkId alone (formats/hl7v2/answer-segments). */
function byLinkId(obx: SourceSegment): SourceSegment {
  const linkId = first(obx, 3, '_4') ?? first(obx, 3) ?? ''
  return { ...obx, OBX_3: [{ _: linkId, _1: linkId }] }
}

/**
 * What OBX says of its question, as far as who knows no questionnaire can tell: the words, where the copy has any, and the
 * occasions. That a group which came once may repeat is not known, so that ones may stand in OBX-4 beside what is told.
 */
function requireSameQuestions(
  copy: PlacedCopy,
  received: readonly SourceSegment[],
  told: readonly SourceSegment[],
): void {
  if (!('item' in copy.elements)) return
  for (const [index, obx] of received.entries()) {
    const own = told[index]
    const words = own && first(own, 3, '_2')
    if (words !== undefined && words !== first(obx, 3, '_2'))
      throw copyRefused(copy, 'contradicts OBX-3: send one or both alike')
    const wanted = own ? partsOf(own) : []
    const left = partsOf(obx).filter((part) => {
      if (part !== wanted[0]) return true
      wanted.shift()
      return false
    })
    if (wanted.length > 0 || left.some((part) => part !== '1'))
      throw copyRefused(copy, 'contradicts OBX-4: send one or both alike')
  }
}

function partsOf(obx: SourceSegment): string[] {
  return (first(obx, 4) ?? '').split('.').filter((part) => part !== '')
}

function first(segment: SourceSegment, field: number, component = '_1'): string | undefined {
  const [value] = (segment[`${segment._}_${field}`] ?? []) as SourceRepetition[]
  return value?.[component]
}

function under({ OBR }: SourceOrder, name: string): SourceSegment[] {
  return (OBR?.[name] as SourceSegment[] | undefined) ?? []
}

import type {
  Attachment,
  Extension,
  QuestionnaireResponse,
  QuestionnaireResponseItem,
  QuestionnaireResponseItemAnswer,
} from 'fhir/r4'
import { decimalText, isDecimal } from '#core/decimal.ts'
import type { AnswersValues } from './answers-message.ts'
import { extensionIdeas } from './note-ideas.ts'
import { type Idea, ours, presentElements, type Rest, restOf } from './rest.ts'
import { detailsUrl, restNotes, type Said, sourceTimeUrl } from './said.ts'
import { conceptWords, prefixed } from './words.ts'

/** The notes of a set of answers, and everything of it that has no field (formats/hl7v2/rest). */
export function answersRest(values: AnswersValues, said: Said): Rest {
  const { response, dialect } = values
  const own = [...ownNotes(response, said), ...extensionNotes(response.extension ?? [], said)]
  sayHere(response.item ?? [], 'item', said)
  // What was said in error is not said again.
  const isError = response.status === 'entered-in-error'
  const rest = restOf({
    resource: response,
    dialect,
    said,
    texts: [],
    ideas: ideasOf(response),
    isHere: (path) => stays.test(path),
    isCopied: (name) => isAnswersElement(name) && !(isError && /^_?item$/.test(name)),
    elementsOf: (names) => elementsOf(response, names),
  })
  return { ...rest, notes: [...[...own, ...peopleNotes(values)].map((text) => ({ text })), ...rest.notes] }
}

/** What is not for another system, by rule: references to what stays here. Labels (meta.security) are told. */
const stays =
  /^(?:(?:resourceType|id|language|text|status|subject|encounter|basedOn|partOf|author|source|contained)(?:[.[]|$)|meta\.(?:versionId|lastUpdated|source|profile|tag)|meta\.security\[\d+\]\.system)|\.reference$/

const copied = ['authored', 'extension', 'identifier', 'item', 'questionnaire']

/** Elements that a copy may hold. */
export function isAnswersElement(name: string): boolean {
  return copied.includes(name.replace(/^_/, ''))
}

/** What a sender once said of the whole in NTEs goes on as it came. */
function ownNotes({ extension = [] }: QuestionnaireResponse, said: Said): string[] {
  return extension.flatMap(({ url, extension: parts = [] }, index) =>
    url !== detailsUrl
      ? []
      : parts.flatMap((part, at) => {
          if (part.url !== 'note' || part.valueString === undefined) return []
          said.say(`extension[${index}].url`, `extension[${index}].extension[${at}]`)
          return [part.valueString]
        }),
  )
}

/** Extensions of ours by their names, `FHIR eligibility-outcome.result: eligible`; of others the sentences speak. */
function extensionNotes(extensions: readonly Extension[], said: Said): string[] {
  return extensions.flatMap((extension, index) => {
    const name = /^https:\/\/postern\.health\/fhir\/StructureDefinition\/([a-z-]+)$/.exec(extension.url)?.[1]
    if (name === undefined || extension.url === detailsUrl) return []
    said.say(`extension[${index}]`)
    if (extension.url === sourceTimeUrl) return []
    return restNotes([...namedLeaves(extension, name)])
  })
}

function* namedLeaves(value: object, path: string): Generator<{ path: string; text: string }> {
  for (const [name, each] of Object.entries(value)) {
    if (name === 'url') continue
    const place = /^value[A-Z]/.test(name) ? path : `${path}.${name}`
    const text = decimalText(each) ?? (typeof each === 'object' ? undefined : String(each))
    if (text !== undefined) yield { path: place, text }
    else if (name === 'extension')
      for (const part of each as Extension[]) yield* namedLeaves(part, `${path}.${part.url}`)
    else if (Array.isArray(each))
      for (const [index, item] of each.entries()) yield* namedLeaves(item, `${place}[${index}]`)
    else yield* namedLeaves(each as object, place)
  }
}

/** XCN names persons of a staff only: that the patient or a relative said it must be told all the same. */
function peopleNotes({ response, author }: AnswersValues): string[] {
  const typeOf = (reference: string | undefined) => reference?.split('/')[0] ?? ''
  return [
    author ? '' : prefixed('Written by: ', typeOf(response.author?.reference)),
    prefixed('Answered by: ', typeOf(response.source?.reference)),
  ].filter((text) => text !== '')
}

/** Extensions of ours below an item say what was made of it here; but for what an OBX said beside its value. */
function isOfHere({ url }: { url?: unknown }): boolean {
  return typeof url === 'string' && url.startsWith(ours) && url !== detailsUrl
}

function sayHere(value: unknown, path: string, said: Said): void {
  if (typeof value !== 'object' || value === null || isDecimal(value)) return
  if (!Array.isArray(value) && isOfHere(value)) said.say(path)
  for (const [name, each] of Object.entries(value))
    sayHere(each, Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, said)
}

function ideasOf(response: QuestionnaireResponse): Idea[] {
  const { meta, questionnaire = '', authored = '', extension = [], item = [] } = response
  return [
    ...(meta?.security ?? []).map(({ display, code = '' }, index) => ({
      path: `meta.security[${index}]`,
      text: `Label: ${display ?? code}`,
    })),
    { path: 'questionnaire', text: prefixed('Questionnaire: ', questionnaire) },
    { path: 'authored', text: prefixed('Answered: ', authored) },
    ...extensionIdeas(extension),
    ...item.flatMap((each, index) => itemIdeas(each, `item[${index}]`)),
  ]
}

const absentUrl = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason'

/** Each sentence begins with what was asked. */
function itemIdeas(item: QuestionnaireResponseItem, path: string): Idea[] {
  const asked = `${item.text ?? item.linkId}: `
  const { extension = [], answer = [], item: below = [] } = item
  const under = (ideas: readonly Idea[], at: string) =>
    ideas.map((idea) => ({ path: `${at}.${idea.path}`, text: prefixed(asked, idea.text) }))
  const reasons = extension.map(({ url, valueCode = '' }, index) => ({
    path: `${path}.extension[${index}]`,
    text: url === absentUrl ? prefixed(`${asked}no answer, `, valueCode) : '',
  }))
  const flags = extension.flatMap(({ extension: parts = [] }, index) =>
    parts.map(({ valueCodeableConcept }, at) => ({
      path: `${path}.extension[${index}].extension[${at}].valueCodeableConcept`,
      text: prefixed(asked, conceptWords(valueCodeableConcept)),
    })),
  )
  const foreign = extensionIdeas(extension).filter((_, index) => {
    const url = extension[index]?.url
    return url !== absentUrl && url !== detailsUrl
  })
  return [
    ...reasons,
    ...flags,
    ...under(foreign, path),
    ...answer.flatMap((each, index) => answerIdeas(each, `${path}.answer[${index}]`, asked)),
    ...below.flatMap((each, index) => itemIdeas(each, `${path}.item[${index}]`)),
  ]
}

function answerIdeas(answer: QuestionnaireResponseItemAnswer, path: string, asked: string): Idea[] {
  const { valueAttachment, extension = [], item: below = [] } = answer
  return [
    { path: `${path}.valueAttachment`, text: prefixed(`${asked}file `, fileWords(valueAttachment)) },
    ...extensionIdeas(extension).map((idea) => ({
      path: `${path}.${idea.path}`,
      text: prefixed(asked, idea.text),
    })),
    ...below.flatMap((each, index) => itemIdeas(each, `${path}.item[${index}]`)),
  ]
}

function fileWords({ title, contentType, language, creation, size, url }: Attachment = {}): string {
  return [
    title,
    contentType,
    language && `in ${language}`,
    creation && `of ${creation}`,
    size === undefined ? undefined : `${size} bytes`,
    url,
  ]
    .filter(Boolean)
    .join(', ')
}

/** Whole elements, but for the data of files: an OBX has them, and who reads the copy takes them from there. */
function elementsOf(response: QuestionnaireResponse, names: readonly string[]): Record<string, unknown> {
  const whole = {
    ...response,
    extension: response.extension?.filter(({ url }) => !url.startsWith(ours)),
    item: light(response.item),
  }
  return presentElements(whole, names)
}

function light(value: unknown, name = ''): unknown {
  if (Array.isArray(value))
    return value.filter((each) => !isOfHere(each ?? {})).map((each) => light(each, name))
  if (typeof value !== 'object' || value === null || isDecimal(value)) return value
  const entries = Object.entries(value).filter(([key]) => !(name === 'valueAttachment' && key === 'data'))
  return Object.fromEntries(entries.map(([key, each]) => [key, light(each, key)]))
}

import type { Extension, QuestionnaireResponse, QuestionnaireResponseItem } from 'fhir/r4'
import { sameValue } from '#care/same-value.ts'
import { Failure } from '#core/failure.ts'
import type { Identified, Resource } from '#core/resource.ts'
import { sourceTimeUrl } from '#formats/hl7v2/said.ts'
import { extensionsOf, isOlder, sourceTimeOf } from './source-time.ts'

type Item = QuestionnaireResponseItem

/**
 * The next version of answers whose sender tells of them again (HL7 v2.5.1 §7.4.2.11): of each item what was written last
 * stands, whichever message came first, and what is not spoken of stays. Answers that were final are amended; where none is
 * left the response is entered-in-error. Throws Failure `conflict` for answers to another questionnaire.
 */
export function reviseAnswers(standing: Identified, incoming: Identified): Resource {
  if (standing.resourceType !== 'QuestionnaireResponse' || incoming.resourceType !== 'QuestionnaireResponse')
    return standing
  if (standing.questionnaire !== incoming.questionnaire)
    throw new Failure('conflict', 'What came with this number before answers another questionnaire')
  const isLate = isOlder(incoming, standing)
  const [older, newer] = isLate ? [incoming, standing] : [standing, incoming]
  const told = latestItems(dated(standing), dated(incoming))
  const item = told.map((each) => undated(each, sourceTimeOf(newer)))
  if (isLate && sameValue(item, standing.item ?? [])) return standing
  const status = item.some(isAnswered) ? statusOf(standing, newer) : 'entered-in-error'
  const { subject } = standing
  return {
    ...older,
    ...newer,
    ...extensionsOf(older, newer),
    status,
    // Its record's, though that was merged into another one since: nothing is moved (flows/patient-merge).
    ...(subject ? { subject } : {}),
    ...(item.length > 0 ? { item } : {}),
  }
}

const final: readonly QuestionnaireResponse['status'][] = ['completed', 'amended', 'entered-in-error']

/** To withdraw one answer of several is to amend; so is to call final what was final before. */
function statusOf(
  standing: QuestionnaireResponse,
  incoming: QuestionnaireResponse,
): QuestionnaireResponse['status'] {
  const isAmended = final.includes(standing.status) && final.includes(incoming.status)
  return isAmended || incoming.status === 'entered-in-error' ? 'amended' : incoming.status
}

/** Each item says for itself when it was written, while two messages are compared. */
function dated({ item = [], extension }: { item?: Item[]; extension?: Extension[] }): Item[] {
  const time = extension?.filter(({ url }) => url === sourceTimeUrl) ?? []
  return item.map((each) => {
    const own = Number.isNaN(sourceTimeOf(each)) ? extensionsOf(each, { extension: time }) : {}
    const next: Item = { ...each, ...own }
    return each.item ? { ...next, item: dated({ ...next, item: each.item }) } : next
  })
}

/** Said of an item only where it differs from the time of the whole. */
function undated(item: Item, time: number): Item {
  const { extension = [], ...rest } = item
  const kept = sourceTimeOf(item) === time ? extension.filter(({ url }) => url !== sourceTimeUrl) : extension
  const below = item.item ? { item: item.item.map((each) => undated(each, time)) } : {}
  return { ...rest, ...(kept.length > 0 ? { extension: kept } : {}), ...below }
}

/** Groups that came once are merged, occasions of a repeating one are told together. */
function latestItems(standing: readonly Item[], incoming: readonly Item[]): Item[] {
  const linkIds = new Set([...standing, ...incoming].map(({ linkId }) => linkId))
  return [...linkIds].flatMap((linkId) => {
    const before = standing.filter((each) => each.linkId === linkId)
    const now = incoming.filter((each) => each.linkId === linkId)
    const [was, is] = [before[0], now[0]]
    if (!was || !is) return [...before, ...now]
    const [older, newer] = sourceTimeOf(is) < sourceTimeOf(was) ? [now, before] : [before, now]
    if (before.length > 1 || now.length > 1 || !was.item || !is.item) return newer
    return [{ ...older[0], ...newer[0], linkId, item: latestItems(was.item, is.item) }]
  })
}

function isAnswered({ answer, item }: Item): boolean {
  return (answer ?? []).length > 0 || (item ?? []).some(isAnswered)
}

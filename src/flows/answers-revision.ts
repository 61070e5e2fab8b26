import type { QuestionnaireResponse, QuestionnaireResponseItem } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Identified, Resource } from '#core/resource.ts'

type Item = QuestionnaireResponseItem

/**
 * The next version of answers whose sender tells of them again (HL7 v2.5.1 §7.4.2.11): what is told now takes the place
 * of what was told of the same item, and what is not spoken of stays. Answers that were final are amended; where none is
 * left the response is entered-in-error. Throws Failure `conflict` for answers to another questionnaire.
 */
export function reviseAnswers(standing: Identified, incoming: Identified): Resource {
  if (standing.resourceType !== 'QuestionnaireResponse' || incoming.resourceType !== 'QuestionnaireResponse')
    return standing
  if (standing.questionnaire !== incoming.questionnaire)
    throw new Failure('conflict', 'What came with this number before answers another questionnaire')
  const item = mergedItems(standing.item ?? [], incoming.item ?? [])
  const status = item.some(isAnswered) ? statusOf(standing, incoming) : 'entered-in-error'
  return { ...standing, ...incoming, status, ...(item.length > 0 ? { item } : {}) }
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

/** Groups that came once are merged, occasions of a repeating one are told together. */
function mergedItems(standing: readonly Item[], incoming: readonly Item[]): Item[] {
  const linkIds = new Set([...standing, ...incoming].map(({ linkId }) => linkId))
  return [...linkIds].flatMap((linkId) => {
    const before = standing.filter((each) => each.linkId === linkId)
    const now = incoming.filter((each) => each.linkId === linkId)
    if (now.length === 0) return before
    const [was, is] = [before[0], now[0]]
    if (before.length === 1 && now.length === 1 && was?.item && is?.item)
      return [{ ...was, ...is, item: mergedItems(was.item, is.item) }]
    return now
  })
}

function isAnswered({ answer, item }: Item): boolean {
  return (answer ?? []).length > 0 || (item ?? []).some(isAnswered)
}

import type { Act } from '#core/act.ts'
import type { Reference } from '#core/resource.ts'
import { coding, type Shape, systems } from './codes.ts'
import { describeQuery, encodeQuery, withoutSecrets } from './query-text.ts'

const person = `"type":${JSON.stringify(coding('entityType', '1'))},"role":${JSON.stringify(coding('objectRole', '1'))}`
const systemObject = `"type":${JSON.stringify(coding('entityType', '2'))}`
const domainResource = `"role":${JSON.stringify(coding('objectRole', '4'))}`
const query = `"type":${JSON.stringify(coding('entityType', '2'))},"role":${JSON.stringify(coding('objectRole', '24'))}`
const transaction = `"type":${JSON.stringify(coding('balpEntityType', 'XrequestId'))}`
const consent = `"type":${JSON.stringify(coding('resourceType', 'Consent'))}`

/** The patient whose event this is. */
export function patientEntity(patient: Reference): string {
  return `{"what":{"reference":${JSON.stringify(patient)}},${person}}`
}

/** What was touched or asked, the consents that decided, and the request's id with the rules applied, each as JSON. */
export function entitiesOf(act: Act, shape: Shape): string[] {
  // ITI-71 is closed: its one entity is the token request.
  if (act.kind === 'token') return [queryEntity(act, details(act, true))]
  const entities = shape.entity === 'query' ? [queryEntity(act, '')] : act.entities.map(dataEntity)
  for (const reference of act.consents ?? []) {
    entities.push(`{"what":{"reference":${JSON.stringify(reference)}},${consent}}`)
  }
  entities.push(
    `{"what":{"identifier":{"value":${JSON.stringify(act.requestId)}}},${transaction}${details(act)}}`,
  )
  return entities
}

/**
 * BALP has room for one entity of type "system object". Further ones carry their resource type instead (a code of the
 * same R4 value set), so that one event can name all that a message became.
 */
function dataEntity(reference: string, index: number): string {
  const type =
    index === 0
      ? systemObject
      : `"type":{"system":"${systems.resourceType}","code":${JSON.stringify(reference.slice(0, reference.indexOf('/')))}}`
  return `{"what":{"reference":${JSON.stringify(reference)}},${type},${domainResource}}`
}

/** Characters of a request that are kept: the log cannot forget, and must not grow by what anybody cares to send. */
const maxKept = 8192

/** The request as it was sent, base64; readable only as far as it names no values. Results are not told (BALP). */
function queryEntity({ kind, query: text }: Act, detail: string): string {
  if (text === undefined) return `{${query}${detail}}`
  const kept = text.length > maxKept ? `${text.slice(0, maxKept)}…` : text
  const clean = withoutSecrets(kept, kind === 'token')
  return `{${query},"description":${JSON.stringify(describeQuery(clean))},"query":"${encodeQuery(clean)}"${detail}}`
}

function details({ reasons = [], requestId }: Act, withRequestId = false): string {
  const all = reasons.map((reason) => `{"type":"rule","valueString":${JSON.stringify(reason)}}`)
  if (withRequestId) all.push(`{"type":"X-Request-Id","valueString":${JSON.stringify(requestId)}}`)
  return all.length > 0 ? `,"detail":[${all.join()}]` : ''
}

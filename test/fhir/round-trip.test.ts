import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { carriedTypes, definitionTypes } from '#core/unstored.ts'
import { servedTypes } from '#fhir/routes.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import { type OpenFhir, openFhir } from './open-fhir.ts'

type Record_ = Record<string, unknown>

const folder = new URL('../../fixtures/third-party/hl7-r4-examples/', import.meta.url)
/** Their types have rules of care beside FHIR's, or are not written by clients. */
const ruled = [
  'AuditEvent',
  'MedicationDispense',
  'Subscription',
  'Task',
  ...definitionTypes,
  ...carriedTypes,
]
const examples = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => ({ file, text: asNew(readFileSync(new URL(file, folder), 'utf8')) }))
  .filter(({ text }) => {
    const { resourceType } = JSON.parse(text)
    return servedTypes.includes(resourceType) && !ruled.includes(resourceType)
  })

/** An order that is new enters as a draft (care), whatever it became. */
function asNew(text: string): string {
  const resource = parseJson(text) as Record_
  return resource.resourceType === 'MedicationRequest'
    ? stringifyJson({ ...resource, status: 'draft' })
    : text
}

let open: OpenFhir
beforeAll(async () => {
  open = await openFhir()
})
afterAll(() => open.close())

/** As sent, with every digit: members in order, without what the server gives. */
function canonical(text: string): string {
  const { id: _id, meta, ...rest } = parseJson(text) as Record_
  const { versionId: _version, lastUpdated: _time, ...kept } = (meta ?? {}) as Record_
  return stringifyJson(ordered({ ...rest, ...(Object.keys(kept).length > 0 ? { meta: kept } : {}) }))
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, ordered(item)]),
  )
}

describe("the standard's examples", () => {
  it('are stored and read back with every digit, extension and contained resource', async () => {
    const refused: string[] = []
    let stored = 0
    for (const { file, text } of examples) {
      const { resourceType } = JSON.parse(text)
      const made = await open.ask('POST', resourceType, { body: text })
      if (made.status !== 201) {
        refused.push(`${file}: ${made.status}`)
        continue
      }
      const { body } = await open.ask('GET', `${resourceType}/${made.json.id}`)
      expect(canonical(body), file).toBe(canonical(text))
      stored++
    }
    // Truly wrong: items without linkId.
    expect(refused).toEqual(['Questionnaire-qs1.json: 422'])
    expect(stored).toBeGreaterThan(80)
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import type { AuditEvent } from 'fhir/r4'
import type { Store } from '#core/ports.ts'
import type { Resource } from '#core/resource.ts'
import { createValidator, type Validator } from '#validator/validator.ts'

const root = new URL('../', import.meta.url)
let validator: Validator | undefined

/** FHIR R4 with the definitions of IHE BALP, compiled once in a process. */
function balpValidator(): Validator {
  const folder = 'fixtures/third-party/balp/definitions'
  const read = (path: string) => JSON.parse(readFileSync(new URL(path, root), 'utf8'))
  validator ??= createValidator({
    base: read('profiles/base/r4.json'),
    profiles: readdirSync(new URL(folder, root)).map((file) => read(`${folder}/${file}`) as Resource),
  })
  return validator
}

/** What is wrong with any AuditEvent of a store, by FHIR and by the BALP profiles that it claims. */
export async function auditFaults(store: Store): Promise<string[]> {
  const faults: string[] = []
  let after: { key: number; id: string } | undefined
  do {
    const page = await store.search({
      type: 'AuditEvent',
      criteria: [],
      limit: 500,
      ...(after ? { after } : {}),
    })
    for (const { stored } of page) faults.push(...faultsIn(JSON.parse(stored.json)))
    after = page.length < 500 ? undefined : page.at(-1)?.cursor
  } while (after)
  return faults
}

function faultsIn(event: AuditEvent): string[] {
  const unknown = (event.meta?.profile ?? []).filter(
    (each) => !balpValidator().profilesOf('AuditEvent').includes(each),
  )
  const issues = balpValidator()
    .check(event)
    .filter((issue) => (issue.severity ?? 'error') === 'error')
  const kind = `${event.subtype?.[0]?.code} ${event.outcome}`
  return [
    ...unknown.map((each) => `${kind}: claims ${each}`),
    ...issues.map((issue) => `${kind}: ${issue.expression}: ${issue.text}`),
  ]
}

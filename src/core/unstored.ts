import type { ResourceType } from '#core/resource.ts'

/** What the gateway works by, told as FHIR: made of profiles/, of the code tables in force and of its own tables. */
export const definitionTypes: readonly ResourceType[] = [
  'StructureDefinition',
  'SearchParameter',
  'ValueSet',
  'CodeSystem',
  'ConceptMap',
  'CapabilityStatement',
]

/** What stands around other resources on their way: it can be checked, and is kept nowhere by itself. */
export const carriedTypes: readonly ResourceType[] = ['Bundle', 'MessageHeader', 'OperationOutcome']

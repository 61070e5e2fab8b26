/**
 * Writes profiles/base/r4.json from folders of FHIR packages. Run by hand when the definitions change:
 *
 *     node src/validator/generate.ts <folder of hl7.fhir.r4.examples@4.0.1> [further folders] > profiles/base/r4.json
 *
 * (Node only: reads files. Nothing of the gateway imports this.)
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CodeSystem, ElementDefinition, StructureDefinition, ValueSet } from 'fhir/r4'
import { type BaseTable, type ElementEntries, type SystemCodes, writeLine } from './table.ts'
import { expandValueSet } from './value-set.ts'

/** The types that the gateway serves (spec: FHIR API, first paragraph), and Parameters for operations. */
const served =
  `Patient Practitioner PractitionerRole Organization RelatedPerson Group CareTeam Endpoint Device
  Communication CommunicationRequest Questionnaire QuestionnaireResponse Medication MedicationRequest
  MedicationDispense Task Flag DetectedIssue Encounter EpisodeOfCare Coverage Consent Provenance AuditEvent
  DocumentReference Binary Subscription OperationOutcome Bundle MessageHeader ConceptMap CodeSystem ValueSet
  StructureDefinition SearchParameter CapabilityStatement Parameters Location`.split(/\s+/)

const specification = 'http://hl7.org/fhir/StructureDefinition/'
const folders = process.argv.slice(2)

/** Bound elements whose value set is checked by form instead: no list of them is small. */
const byForm = new Set(['http://hl7.org/fhir/ValueSet/mimetypes', 'http://hl7.org/fhir/ValueSet/currencies'])

let byUrl: Map<string, ValueSet | CodeSystem> | undefined

process.stdout.write(`${print(table())}\n`)

function table(): BaseTable {
  const codes: Record<string, SystemCodes> = {}
  const types: BaseTable['types'] & Record<string, { kind: string; elements: ElementEntries }> = {}
  const wanted = [...served, 'Extension', 'Meta', 'Narrative', 'Element', 'BackboneElement']
  for (let name = wanted.shift(); name; name = wanted.shift()) {
    if (types[name]) continue
    const definition = load<StructureDefinition>('StructureDefinition', name)
    if (definition.kind === 'primitive-type') continue
    const elements = (definition.snapshot?.element ?? []).slice(1)
    for (const element of elements) {
      for (const type of element.type ?? []) wanted.push(typeName(type, element))
      const valueSet = requiredValueSet(element)
      if (valueSet && !codes[valueSet]) codes[valueSet] = expansion(valueSet)
    }
    types[name] = { kind: definition.kind, elements: nest(elements, name) }
  }
  const ordered = Object.fromEntries(Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { fhirVersion: '4.0.1', resourceTypes: resourceTypes(), types: ordered, codes }
}

function nest(elements: readonly ElementDefinition[], parent: string): ElementEntries {
  const entries: Record<string, string | ElementEntries> = {}
  for (const element of elements) {
    const name = element.path.slice(parent.length + 1)
    if (!element.path.startsWith(`${parent}.`) || name.includes('.')) continue
    const line = lineOf(element)
    const children = nest(elements, element.path)
    entries[name] = Object.keys(children).length ? { '': line, ...children } : line
  }
  return entries
}

function lineOf(element: ElementDefinition): string {
  return writeLine({
    min: element.min ?? 0,
    max: element.max === '*' ? Number.POSITIVE_INFINITY : Number(element.max),
    types: (element.type ?? []).map((type) => ({ code: typeName(type, element), targets: targets(type) })),
    contentOf: element.contentReference?.split('#')[1],
    codes: requiredValueSet(element),
  })
}

function typeName(type: { code: string }, element: ElementDefinition): string {
  if (!type.code.startsWith('http://hl7.org/fhirpath/')) return type.code
  // Ids are System.String in the definitions; a resource's own id has the form of `id`, an element's is any string.
  if (element.base?.path === 'Resource.id') return 'id'
  return element.base?.path === 'Extension.url' ? 'uri' : 'string'
}

function targets(type: { code: string; targetProfile?: string[] }): string[] | undefined {
  if (type.code !== 'Reference' || !type.targetProfile) return undefined
  const names = type.targetProfile.map((url) => url.slice(specification.length))
  return names.includes('Resource') ? undefined : names
}

function requiredValueSet(element: ElementDefinition): string | undefined {
  if (element.binding?.strength !== 'required') return undefined
  const valueSet = element.binding.valueSet?.split('|')[0]
  return valueSet && !byForm.has(valueSet) ? valueSet : undefined
}

function expansion(valueSet: string): SystemCodes {
  const codes = expandValueSet(valueSet, (kind, url) => find(kind, url))
  if (!codes) throw new Error(`${valueSet} cannot be enumerated`)
  return codes
}

function resourceTypes(): string[] {
  const system = load<CodeSystem>('CodeSystem', 'resource-types')
  const abstract = ['Resource', 'DomainResource']
  return (system.concept ?? []).map((concept) => concept.code).filter((code) => !abstract.includes(code))
}

function load<R>(kind: string, name: string): R {
  for (const folder of folders) {
    const file = join(folder, `${kind}-${name}.json`)
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
  }
  throw new Error(`${kind} ${name} is in none of the folders`)
}

function find(kind: string, url: string): ValueSet | CodeSystem | undefined {
  byUrl ??= new Map(
    folders.flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => /^(?:ValueSet|CodeSystem)-.*\.json$/.test(file))
        .map((file): ValueSet | CodeSystem => JSON.parse(readFileSync(join(folder, file), 'utf8')))
        .map((resource) => [`${resource.resourceType} ${resource.url}`, resource] as const),
    ),
  )
  return byUrl.get(`${kind} ${url}`)
}

/** One type and one value set a line, so that a change of the definitions shows as one. */
function print(value: BaseTable): string {
  const rows = (record: object) =>
    Object.entries(record).map(([key, row]) => `    ${JSON.stringify(key)}: ${JSON.stringify(row)}`)
  return [
    '{',
    `  "fhirVersion": ${JSON.stringify(value.fhirVersion)},`,
    `  "resourceTypes": ${JSON.stringify(value.resourceTypes)},`,
    `  "types": {\n${rows(value.types).join(',\n')}\n  },`,
    `  "codes": {\n${rows(value.codes).join(',\n')}\n  }`,
    '}',
  ].join('\n')
}

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
import { formBindings } from './coded-form.ts'
import {
  type BaseTable,
  type ConstraintEntry,
  type ElementEntries,
  type SystemCodes,
  writeLine,
} from './table.ts'
import { expandValueSet } from './value-set.ts'

/**
 * The types that the gateway serves (spec: FHIR API, first paragraph), Parameters for operations, and what travels inside
 * of an order (AllergyIntolerance, Condition, Observation).
 */
const served =
  `Patient Practitioner PractitionerRole Organization RelatedPerson Group CareTeam Endpoint Device
  Communication CommunicationRequest Questionnaire QuestionnaireResponse Medication MedicationRequest
  MedicationDispense MedicationAdministration Task Flag DetectedIssue Encounter EpisodeOfCare Coverage Consent Provenance AuditEvent
  DocumentReference Binary Subscription OperationOutcome Bundle MessageHeader ConceptMap CodeSystem ValueSet
  StructureDefinition SearchParameter CapabilityStatement Parameters Location
  AllergyIntolerance Condition Observation`.split(/\s+/)

const specification = 'http://hl7.org/fhir/StructureDefinition/'
const folders = process.argv.slice(2)

/** Held by the walk itself (base.ts, members.ts, reference.ts, narrative.ts), or advice that nobody follows (dom-6, *-0). */
const heldElsewhere = /^(?:ele-1|ext-1|dom-[2-6]|ref-1|txt-[12]|[a-z]+-0)$/

/** Longer lists of an extensible binding are not worth their weight for a warning. */
const maxPreferred = 60

let byUrl: Map<string, ValueSet | CodeSystem> | undefined

process.stdout.write(`${print(table())}\n`)

function table(): BaseTable {
  const codes: Record<string, SystemCodes> = {}
  const constraints: Record<string, ConstraintEntry & { at: string[] }> = {}
  const types: BaseTable['types'] & Record<string, { kind: string; elements: ElementEntries }> = {}
  const wanted = [...served, 'Extension', 'Meta', 'Narrative', 'Element', 'BackboneElement']
  for (let name = wanted.shift(); name; name = wanted.shift()) {
    if (types[name]) continue
    const definition = load<StructureDefinition>('StructureDefinition', name)
    if (definition.kind === 'primitive-type') continue
    const [root, ...elements] = definition.snapshot?.element ?? []
    if (root) collect(root, definition, constraints)
    for (const element of elements) {
      collect(element, definition, constraints)
      for (const type of element.type ?? []) wanted.push(typeName(type, element))
      const valueSet = requiredValueSet(element)
      if (valueSet && !Object.hasOwn(formBindings, valueSet)) codes[valueSet] ??= expansion(valueSet)
      const preferred = preferredValueSet(element)
      if (preferred) codes[preferred] ??= expansion(preferred)
    }
    types[name] = { kind: definition.kind, elements: nest(elements, name) }
  }
  const ordered = Object.fromEntries(Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { fhirVersion: '4.0.1', resourceTypes: resourceTypes(), types: ordered, codes, constraints }
}

/** Adds the constraints of an element to the table, at its path. */
function collect(
  element: ElementDefinition,
  definition: StructureDefinition,
  constraints: Record<string, ConstraintEntry & { at: string[] }>,
): void {
  for (const { key, severity, human, expression } of element.constraint ?? []) {
    if (heldElsewhere.test(key) || !expression) continue
    // Two definitions use the key inv-1 for different rules.
    const taken = constraints[key] && constraints[key].expression !== expression
    const name = taken ? `${key} ${definition.type}` : key
    constraints[name] ??= { at: [], human, expression, ...(severity === 'warning' ? { warning: true } : {}) }
    constraints[name].at.push(element.path)
  }
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
    preferred: preferredValueSet(element),
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

/** The value set that a code must be from: that of a required binding, or the widest that another one allows. */
function requiredValueSet(element: ElementDefinition): string | undefined {
  const { binding } = element
  const widest = binding?.extension?.find(
    (extension) => extension.url === `${specification}elementdefinition-maxValueSet`,
  )?.valueCanonical
  const valueSet = (binding?.strength === 'required' ? binding.valueSet : widest)?.split('|')[0]
  return valueSet === 'http://hl7.org/fhir/ValueSet/all-languages' || binding?.strength === 'required'
    ? valueSet
    : undefined
}

/** The value set of an extensible binding, where it is short and can be enumerated. */
function preferredValueSet(element: ElementDefinition): string | undefined {
  if (element.binding?.strength !== 'extensible' || requiredValueSet(element)) return undefined
  const valueSet = element.binding.valueSet?.split('|')[0] ?? ''
  const codes = expandValueSet(valueSet, (kind, url) => find(kind, url))
  const count = codes ? Object.values(codes).flat().length : 0
  return count > 0 && count <= maxPreferred ? valueSet : undefined
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
    `  "codes": {\n${rows(value.codes).join(',\n')}\n  },`,
    `  "constraints": {\n${rows(value.constraints).join(',\n')}\n  }`,
    '}',
  ].join('\n')
}

import definitions from '#profiles/base/search-parameters.json' with { type: 'json' }
import type { SearchParameter } from './search-parameters.ts'

/** A SearchParameter, cut down: https://hl7.org/fhir/R4/searchparameter.html */
interface Definition {
  url: string
  code: string
  type: string
  base: string[]
  expression: string
  target?: string[]
  component?: { definition: string; expression: string }[]
}

const all = definitions.parameters as readonly Definition[]
const byUrl = new Map(all.map((each) => [each.url, each]))
const byName = new Map(
  all.flatMap((each) => each.base.map((type) => [`${type}.${each.code}`, each] as const)),
)

const humanName = ['family', 'given', 'text', 'prefix', 'suffix']
const address = ['line', 'city', 'district', 'state', 'postalCode', 'country', 'text']

/** What an expression leaves to the types of its elements: the parts of a name or an address, the forms of a choice. */
const forms: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    ['Patient', 'Practitioner', 'RelatedPerson'].map((type) => [`${type}.name`, below('name', humanName)]),
  ),
  ...Object.fromEntries(
    ['Patient', 'Practitioner', 'RelatedPerson', 'Organization'].map((type) => [
      `${type}.address`,
      below('address', address),
    ]),
  ),
  'Patient.deceased': ['deceasedBoolean', 'deceasedDateTime'],
  'Consent.source': ['sourceReference'],
  'MedicationAdministration.effective': ['effectiveDateTime', 'effectivePeriod'],
  'DetectedIssue.identified': ['identifiedDateTime', 'identifiedPeriod'],
}

/** References in the definitions, canonicals in the resources: compared as URIs. */
const canonicals = [
  'QuestionnaireResponse.questionnaire',
  'Communication.instantiates-canonical',
  'CodeSystem.supplements',
  'ConceptMap.source-uri',
  'ConceptMap.target-uri',
  'StructureDefinition.base',
  'StructureDefinition.valueset',
  'SearchParameter.component',
  'SearchParameter.derived-from',
  'CapabilityStatement.supported-profile',
  'CapabilityStatement.resource-profile',
]

/** Rows of it are client ids, not references. */
const untargeted = ['AuditEvent.agent']

function below(element: string, parts: readonly string[]): string[] {
  return parts.map((part) => `${element}.${part}`)
}

/** The definition of a type's parameter as the server uses it. Throws RangeError for one that is not defined. */
export function defined(type: string, name: string): SearchParameter {
  const definition = byName.get(`${type}.${name}`)
  if (!definition) throw new RangeError(`There is no definition of the search parameter ${type}.${name}`)
  const own = alternatives(definition.expression).filter((each) => each.type === type)
  const { paths, target, system, present } = joined(own, type)
  const canonical = canonicals.includes(`${type}.${name}`)
  // Some definitions let a patient be a group: it is not, here or in the standard's compartments.
  const targets = name === 'patient' ? ['Patient'] : (target ?? definition.target)
  const parameter: SearchParameter = {
    name,
    definition: definition.url,
    kind: (canonical ? 'uri' : definition.type) as SearchParameter['kind'],
    paths,
  }
  if (canonical) parameter.canonical = true
  const pointing = parameter.kind === 'reference' && !untargeted.includes(`${type}.${name}`)
  if (targets && pointing) parameter.targets = targets
  if (system) parameter.system = system
  if (present) parameter.present = true
  if (definition.component) parameter.components = definition.component.map((part) => componentOf(part))
  return parameter
}

function componentOf({
  definition,
  expression,
}: {
  definition: string
  expression: string
}): SearchParameter {
  const part = byUrl.get(definition)
  if (!part) throw new RangeError(`There is no definition ${definition}`)
  // Below the element of the composite, so there is no type in front.
  const own = alternatives(expression.replace(/(^|\| )/g, '$1Element.'))
  const { code: name, type } = part
  return { name, definition, kind: type as SearchParameter['kind'], paths: joined(own, 'Element').paths }
}

/** One alternative of an expression: a path, the form of a choice, and what its functions narrow it to. */
interface Alternative {
  type: string
  path: string
  as?: string
  target?: string
  system?: string
  present?: true
}

const part =
  /^\(?([A-Z][A-Za-z]+)\.([A-Za-z.]+?)(?:(?: as |\.as\()([A-Za-z]+)\)?)?\)?(?:\.where\(resolve\(\) is ([A-Za-z]+)\))?(?:\.where\(system='([a-z]+)'\))?$/
const presence = /^([A-Z][A-Za-z]+)\.([A-Za-z]+)\.exists\(\) and \1\.\2 != false$/

/** The FHIRPath that the standard's own search parameters are written in, and no more of it. Throws RangeError. */
function alternatives(expression: string): Alternative[] {
  return expression.split(' | ').map((text) => {
    const [, whose, element] = presence.exec(text) ?? []
    if (whose && element) return { type: whose, path: element, present: true }
    const [, type, path, as, target, system] = part.exec(text) ?? []
    if (!type || !path) throw new RangeError(`The expression ${text} is not understood`)
    return { type, path, ...(as ? { as } : {}), ...(target ? { target } : {}), ...(system ? { system } : {}) }
  })
}

function joined(own: readonly Alternative[], type: string) {
  const paths = own.flatMap(({ path, as }) => {
    if (as) return [`${path}${as.charAt(0).toUpperCase()}${as.slice(1)}`]
    return forms[`${type}.${path}`] ?? [path]
  })
  const targets = own.flatMap(({ target }) => target ?? [])
  const [system] = own.flatMap((each) => each.system ?? [])
  return {
    paths,
    target: targets.length > 0 ? targets : undefined,
    system,
    present: own.some((each) => each.present),
  }
}

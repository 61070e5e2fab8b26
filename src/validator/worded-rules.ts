import { isExpression } from './expression.ts'
import { distinct, has, records, textOf } from './probe.ts'
import { type Check, isRecord, note, noteAt, type Report, warn } from './report.ts'
import { isUcumForm } from './ucum.ts'

/**
 * Rules that the standard states in words only, by the path of the element they are about. Each is linked where it is
 * worded.
 */
export const wordedRules: Readonly<Record<string, Check>> = {
  Attachment: checkAttachment,
  Bundle: checkBundle,
  'Bundle.entry': checkEntry,
  CodeSystem: checkCodeSystem,
  Coding: checkCodingSystem,
  Expression: (value, report) => {
    if (textOf(value, 'language') === 'text/fhirpath') checkExpression(value, report)
  },
  Quantity: checkQuantity,
  SearchParameter: checkSearchParameter,
  ValueSet: checkCanonical,
  'ValueSet.compose.include': checkSystem,
}

/** https://hl7.org/fhir/R4/datatypes-definitions.html#Attachment.size */
function checkAttachment(value: unknown, report: Report): void {
  const data = textOf(value, 'data')?.replace(/\s+/g, '')
  if (!data || !isRecord(value) || typeof value.size !== 'number') return
  const bytes = (data.length / 4) * 3 - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0)
  if (bytes !== value.size)
    noteAt(report, 'size', 'attachment-size', 'Attachment.size must be the number of bytes that data holds.')
}

/** https://hl7.org/fhir/R4/bundle.html#searchset, https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.link.relation */
function checkBundle(value: unknown, report: Report): void {
  const relations = records(value, 'link').map((link) => link.relation)
  if (!distinct(relations))
    noteAt(
      report,
      'link',
      'bundle-links',
      'A Bundle may have one link of each relation; leave the others out.',
    )
  if (textOf(value, 'type') !== 'searchset') return
  for (const entry of records(value, 'entry')) {
    const [resource] = records(entry, 'resource')
    if (!resource) continue
    const isOutcome = resource.resourceType === 'OperationOutcome'
    if (!isOutcome && !has(resource, 'id'))
      noteAt(report, 'entry', 'search-entry-id', 'Each resource in a search result must have an id.')
    if (textOf(entry.search, 'mode') === 'outcome' && !isOutcome)
      noteAt(
        report,
        'entry',
        'search-outcome',
        'An entry whose search mode is outcome must be an OperationOutcome.',
      )
  }
}

/** https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl */
function checkEntry(value: unknown, report: Report): void {
  const fullUrl = textOf(value, 'fullUrl')
  if (fullUrl !== undefined && !absolute.test(fullUrl))
    noteAt(report, 'fullUrl', 'full-url', 'fullUrl must be an absolute URL, urn:uuid:… or urn:oid:….')
}

const absolute = /^[a-z][a-z0-9+.-]*:/i

/** https://hl7.org/fhir/R4/codesystem.html#supplements, https://hl7.org/fhir/R4/codesystem.html#properties */
function checkCodeSystem(value: unknown, report: Report): void {
  checkCanonical(value, report)
  if (has(value, 'supplements') && textOf(value, 'content') !== 'supplement')
    noteAt(
      report,
      'content',
      'supplement-content',
      'A code system that supplements another must have content `supplement`.',
    )
  const properties = records(value, 'property')
  for (const element of ['code', 'uri']) {
    const given = properties.map((property) => property[element]).filter((item) => item !== undefined)
    if (!distinct(given))
      noteAt(report, 'property', 'property-distinct', `Each property must have a ${element} of its own.`)
  }
}

/** https://hl7.org/fhir/R4/resource.html#canonical: a canonical URL is absolute, in a contained resource too. */
function checkCanonical(value: unknown, report: Report): void {
  const url = textOf(value, 'url')
  if (url !== undefined && !absolute.test(url))
    noteAt(report, 'url', 'canonical-url', 'A canonical url must be absolute.')
}

/** https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.compose.include.system */
function checkSystem(value: unknown, report: Report): void {
  const system = textOf(value, 'system')
  if (system !== undefined && !absolute.test(system))
    noteAt(
      report,
      'system',
      'value-set-system',
      'A system must be the absolute URI of a code system, contained or not.',
    )
}

/** https://hl7.org/fhir/R4/datatypes-definitions.html#Coding.system. Codes of a clinic's own often lack a URI: a warning. */
function checkCodingSystem(value: unknown, report: Report): void {
  const system = textOf(value, 'system')
  if (system === undefined) return
  if (!absolute.test(system))
    warn(report, 'coding-system', 'Coding.system should be the absolute URI of a code system.')
  else if (system.startsWith('http://hl7.org/fhir/ValueSet/'))
    warn(report, 'coding-system', 'Coding.system should be a code system, not a value set.')
}

/** https://hl7.org/fhir/R4/datatypes.html#Quantity: units of UCUM, where they are said to be. */
function checkQuantity(value: unknown, report: Report): void {
  if (textOf(value, 'system') !== 'http://unitsofmeasure.org') return
  const code = textOf(value, 'code')
  if (code !== undefined && !isUcumForm(code))
    warn(report, 'ucum', 'The code should be a UCUM unit such as mg, mL/h or {tablet}: https://ucum.org.')
}

/** https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression */
function checkSearchParameter(value: unknown, report: Report): void {
  checkCanonical(value, report)
  checkExpression(value, report)
  const expression = textOf(value, 'expression')
  const bases = isRecord(value) && Array.isArray(value.base) ? value.base : []
  if (expression === undefined || bases.length === 0) return
  const plainPath = /^\(*\s*([A-Z][A-Za-z]+)\./
  for (const part of expression.split('|')) {
    const type = plainPath.exec(part.trim())?.[1]
    if (type && !bases.includes(type) && !bases.includes('Resource') && !bases.includes('DomainResource')) {
      const known = type !== 'Resource' && type !== 'DomainResource'
      if (known)
        noteAt(report, 'expression', 'search-path', 'Each path must begin with a type that base lists.')
    }
  }
}

function checkExpression(value: unknown, report: Report): void {
  const expression = textOf(value, 'expression')
  if (expression !== undefined && !isExpression(expression, report))
    noteAt(report, 'expression', 'fhirpath', 'The expression must be FHIRPath.')
}

/** Element.id is unique within a resource: https://hl7.org/fhir/R4/element.html#id */
export function checkElementId(id: unknown, report: Report): void {
  if (typeof id !== 'string') return
  if (report.elementIds.has(id))
    note(report, 'element-id', 'The id of an element must be unique within its resource.')
  report.elementIds.add(id)
}

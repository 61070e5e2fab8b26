import { countOf, distinct, has, hasChoice, records, textOf } from './probe.ts'
import type { Report } from './report.ts'
import type { Rules } from './rule.ts'

type Json = Record<string, unknown>

const coded = new Set<unknown>(['code', 'Coding', 'CodeableConcept', 'Quantity', 'string', 'uri'])
const notWithContentReference = ['type', 'maxLength', 'binding'] as const
const notWithContentReferenceOfAnyType = ['defaultValue', 'fixed', 'pattern', 'minValue', 'maxValue'] as const
/** eld-19, anchored: FHIRPath's `matches` would be content with a part. */
const elementPath =
  /^[^\s.,:;'"/|?!@#$%&*()[\]{}]{1,64}(?:\.[^\s.,:;'"/|?!@#$%&*()[\]{}]{1,64}(?:\[x\])?(?::[^\s.]+)?)*$/
const sliceName = /^[a-zA-Z0-9/\-_[\]@]+$/

const elements = (part: Json) => records(part, 'element')
const pathOf = (element: Json | undefined) => textOf(element, 'path') ?? ''
const isRoot = (element: Json) => !pathOf(element).includes('.')
const said = (definition: Json, part: string) => records(definition, part).flatMap(elements)
const isLogical = (report: Report) => textOf(report.resource, 'kind') === 'logical'

/**
 * Constraints of ElementDefinition and StructureDefinition that look at every element: profiles have hundreds, too many
 * for FHIRPath. https://hl7.org/fhir/R4/elementdefinition.html#invs, https://hl7.org/fhir/R4/structuredefinition.html#invs
 */
export const definitionRules: Rules = {
  'eld-1': (slicing) => has(slicing, 'discriminator') || has(slicing, 'description'),
  'eld-2': ({ min, max }) =>
    typeof min !== 'number' || typeof max !== 'string' || max === '*' || min <= Number(max),
  'eld-4': (type) => !has(type, 'aggregation') || type.code === 'Reference' || type.code === 'canonical',
  'eld-5': (element) =>
    !has(element, 'contentReference') ||
    (!notWithContentReference.some((name) => has(element, name)) &&
      !notWithContentReferenceOfAnyType.some((stem) => hasChoice(element, stem))),
  'eld-6': (element) => !hasChoice(element, 'fixed') || countOf(element, 'type') <= 1,
  'eld-7': (element) => !hasChoice(element, 'pattern') || countOf(element, 'type') <= 1,
  'eld-8': (element) => !hasChoice(element, 'pattern') || !hasChoice(element, 'fixed'),
  'eld-11': (element) => {
    const types = records(element, 'type').map((type) => type.code)
    return !has(element, 'binding') || types.length === 0 || types.some((code) => coded.has(code))
  },
  'eld-12': (binding) => /^(?:https?:|urn:|$)/.test(textOf(binding, 'valueSet') ?? ''),
  'eld-13': (element) => distinct(records(element, 'type').map((type) => type.code)),
  'eld-14': (element) => distinct(records(element, 'constraint').map((constraint) => constraint.key)),
  'eld-15': (element) => !hasChoice(element, 'defaultValue') || !has(element, 'meaningWhenMissing'),
  'eld-16': (element) => sliceName.test(textOf(element, 'sliceName') ?? '-'),
  'eld-17': ({ code, ...type }) =>
    code === 'Reference' || code === 'canonical' || !has(type, 'targetProfile'),
  'eld-18': (element) => element.isModifier !== true || has(element, 'isModifierReason'),
  'eld-19': (element) => elementPath.test(textOf(element, 'path') ?? '-'),
  'eld-20': (element) => /^[A-Za-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*(?:\[x])?)*$/.test(pathOf(element)),
  'eld-21': (constraint) => has(constraint, 'expression'),
  'eld-22': (element) => !has(element, 'sliceIsConstraining') || has(element, 'sliceName'),
  'sdf-3': (snapshot) =>
    elements(snapshot).every((element) => ['definition', 'min', 'max'].every((name) => has(element, name))),
  'sdf-8': (snapshot, report) => {
    const [first, ...others] = elements(snapshot).map(pathOf)
    const rooted = isLogical(report) || first === textOf(report.resource, 'type')
    return rooted && others.every((path) => path.startsWith(`${first}.`))
  },
  'sdf-8a': (differential, report) => {
    const [first = '', ...others] = elements(differential).map(pathOf)
    const rooted = isLogical(report) || first.startsWith(textOf(report.resource, 'type') ?? '')
    const root = first.replace(/\..*/, '')
    return rooted && others.every((path) => path.startsWith(`${root}.`))
  },
  'sdf-8b': (snapshot) => elements(snapshot).every((element) => has(element, 'base')),
  'sdf-9': (definition) =>
    [...said(definition, 'snapshot'), ...said(definition, 'differential')]
      .filter(isRoot)
      .every((element) => !['label', 'code', 'requirements'].some((name) => has(element, name))),
  'sdf-10': (element) => {
    const [binding] = records(element, 'binding')
    return !binding || has(binding, 'valueSet') || has(binding, 'description')
  },
  'sdf-14': (definition) =>
    [...said(definition, 'snapshot'), ...said(definition, 'differential')].every((element) =>
      has(element, 'id'),
    ),
  'sdf-16': (definition) => distinctIds(said(definition, 'snapshot')),
  'sdf-17': (definition) => distinctIds(said(definition, 'differential')),
  'sdf-20': (differential) =>
    !elements(differential).some((element) => isRoot(element) && has(element, 'slicing')),
  'sdf-23': (definition) =>
    ![...said(definition, 'snapshot'), ...said(definition, 'differential')].some(
      (element) => isRoot(element) && has(element, 'sliceName'),
    ),
}

/** Constraints of primitives, by key. */
export const textRules: Readonly<Record<string, (text: string) => boolean>> = {
  'eld-3': (max) => max === '*' || /^[0-9]+$/.test(max),
}

function distinctIds(list: readonly Json[]): boolean {
  return list.every((element) => has(element, 'id')) && distinct(list.map((element) => element.id))
}

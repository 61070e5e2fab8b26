import { collectEntries, isClosed } from './bundle-links.ts'
import { formBindings } from './coded-form.ts'
import { compileBinding, compileForm, compilePreference } from './coding.ts'
import { compileInvariants, inOrder } from './invariant.ts'
import { compileMembers, type Member } from './members.ts'
import { emptyNarrative, narrativeFault } from './narrative.ts'
import { primitives } from './primitives.ts'
import { textOf } from './probe.ts'
import { compileReference, container } from './reference.ts'
import { type Check, isRecord, note, noteAt, type Report } from './report.ts'
import { type BaseTable, type ElementEntries, type ElementLine, type ElementType, readLine } from './table.ts'
import { checkElementId } from './worded-rules.ts'

export interface BaseChecks {
  /** A whole resource of any type: its own type decides the rules. `asked` is a further check, in the same scope. */
  resource(value: unknown, report: Report, asked?: Check): void
}

/** The parts of a check that every type shares: the table, and types compiled when they are first met. */
interface Compiler {
  table: BaseTable
  resourceTypes: ReadonlySet<string>
  typeChecks: Map<string, Check>
  /** Constraints by the path of the element they stand at. */
  invariants: ReadonlyMap<string, Check>
  profiled: Profiled
  /** What all resources have in common, compiled when the first of a type that is not served is met. */
  foreign?: Check
}

/** Where profiles come in: what the base asks for while it walks. */
export interface Profiled {
  /** Rules of an extension by its url, when it is known. */
  extension(url: string): Check | undefined
  /** Checks a resource by the profiles it claims in meta.profile. */
  claimed: Check
}

/** Compiles the base definitions to closures, each type when it is first met. */
export function compileBase(table: BaseTable, profiled: Profiled): BaseChecks {
  const compiler: Compiler = {
    table,
    resourceTypes: new Set(table.resourceTypes),
    typeChecks: new Map(),
    invariants: compileInvariants(table.constraints),
    profiled,
  }
  return { resource: (value, report, asked) => checkResource(compiler, value, report, asked) }
}

function checkResource(compiler: Compiler, value: unknown, report: Report, asked?: Check): void {
  if (!isRecord(value) || typeof value.resourceType !== 'string') {
    note(report, 'resource-form', 'A resource is a JSON object that names its resourceType.')
    return
  }
  const type = value.resourceType
  if (Object.hasOwn(compiler.table.types, type) && compiler.table.types[type]?.kind === 'resource') {
    const outer = enterResource(value, report)
    typeCheck(compiler, type)(value, report)
    compiler.profiled.claimed(value, report)
    asked?.(value, report)
    leaveResource(value, report, outer)
  } else if (!compiler.resourceTypes.has(type)) {
    noteAt(report, 'resourceType', 'resource-type', 'resourceType must be a resource type of FHIR R4.')
  } else if (report.path.length === 1) {
    noteAt(
      report,
      'resourceType',
      'type-not-served',
      'This type of resource is not served here; the CapabilityStatement lists those that are.',
    )
  } else {
    checkForeign(compiler, value, report)
  }
}

/** What a type that is not served has in common with all: in a Bundle it may contain what we know. */
function checkForeign(compiler: Compiler, value: Record<string, unknown>, report: Report): void {
  const outer = enterResource(value, report)
  compiler.foreign ??= compileMembers(elementMembers(compiler, commonElements, 'DomainResource'), {
    isResource: true,
    element: lazyType(compiler, 'Element'),
  })
  const common = Object.entries(value).filter(([name]) => Object.hasOwn(commonElements, name))
  compiler.foreign(Object.fromEntries([...common, ['resourceType', value.resourceType]]), report)
  Object.assign(report, outer)
}

/** https://hl7.org/fhir/R4/domainresource.html. A Binary, a Bundle or Parameters has fewer of them, and is known. */
const commonElements: ElementEntries = {
  id: '0..1 id',
  meta: '0..1 Meta',
  implicitRules: '0..1 uri',
  text: '0..1 Narrative',
  contained: '0..* Resource',
  extension: '0..* Extension',
  modifierExtension: '0..* Extension',
}

/** What a report knows of the resource it is in. */
type Scope = Omit<Report, 'issues' | 'path' | 'plain' | 'parsed'>

/** References to `#id` are resolved within one resource and what it contains. */
function enterResource(value: Record<string, unknown>, report: Report): Scope {
  const { issues: _issues, path: _path, plain: _plain, parsed: _parsed, ...outer } = report
  const contained = Array.isArray(value.contained) ? value.contained.filter(isRecord) : []
  report.contained = new Map(
    contained.map((item) => [textOf(item, 'id') ?? '', textOf(item, 'resourceType') ?? '']),
  )
  report.referred = new Set()
  report.elementIds = new Set()
  report.resource = value
  report.root = value
  if (value.resourceType === 'Bundle') {
    report.inBundle = true
    report.closed = isClosed(value)
    report.entries = collectEntries(value)
  }
  return outer
}

function leaveResource(value: Record<string, unknown>, report: Report, outer: Scope): void {
  const { contained, referred } = report
  Object.assign(report, outer)
  if (contained.size === 0 || !Array.isArray(value.contained)) return
  for (const [index, item] of value.contained.entries()) {
    if (!isRecord(item) || typeof item.id !== 'string' || referred.has(item.id)) continue
    noteAt(
      report,
      `contained[${index}]`,
      'dom-3',
      'Something in the resource must refer to what it contains (dom-3).',
    )
  }
}

function typeCheck(compiler: Compiler, name: string): Check {
  const known = compiler.typeChecks.get(name)
  if (known) return known
  const entry = compiler.table.types[name]
  if (!entry) throw new Error(`The definition table lacks the type ${name}`)
  const members = elementMembers(compiler, entry.elements, name)
  const check = compileMembers(members, {
    isResource: entry.kind === 'resource',
    element: lazyType(compiler, 'Element'),
  })
  const ruled = withInvariants(compiler, name, check)
  const whole = name === 'Extension' ? withExtensionRules(compiler, ruled) : ruled
  compiler.typeChecks.set(name, whole)
  return whole
}

function withInvariants(compiler: Compiler, path: string, check: Check): Check {
  const rules = compiler.invariants.get(path)
  return rules ? inOrder([check, rules]) : check
}

/** Types contain each other (Identifier.assigner is a Reference with an identifier): compile when first used. */
function lazyType(compiler: Compiler, name: string): Check {
  let check: Check | undefined
  return (value, report) => {
    check ??= typeCheck(compiler, name)
    check(value, report)
  }
}

function elementMembers(compiler: Compiler, entries: ElementEntries, path: string): Member[] {
  return Object.entries(entries).flatMap(([name, entry]) => {
    if (name === '') return []
    const line = readLine(typeof entry === 'string' ? entry : String(entry['']))
    const at = `${path}.${name}`
    if (line.contentOf) return [member(line, name, name, contentCheck(compiler, line.contentOf), false)]
    if (typeof entry !== 'string') {
      const inner = elementMembers(compiler, entry, at)
      const check = compileMembers(inner, { isResource: false, element: lazyType(compiler, 'Element') })
      return [member(line, name, name, withInvariants(compiler, at, check), false)]
    }
    return line.types.map((type) => {
      const json = name.endsWith('[x]') ? name.slice(0, -3) + capital(type.code) : name
      const check = at.endsWith('.contained') ? containedCheck(compiler) : valueCheck(compiler, type, line)
      const ruled = withInvariants(compiler, at, check)
      const whole =
        at !== 'ElementDefinition.id' && name === 'id' && type.code === 'string'
          ? inOrder([ruled, checkElementId])
          : ruled
      return member(line, name, json, whole, Object.hasOwn(primitives, type.code))
    })
  })
}

function member(line: ElementLine, name: string, json: string, check: Check, primitive: boolean): Member {
  const stem = name.replace('[x]', '')
  return {
    json,
    stem,
    choice: name !== stem,
    min: line.min,
    max: line.max,
    list: line.max > 1,
    primitive,
    check,
  }
}

/** A Questionnaire's items have items: the content is that of the element named, compiled once and found again. */
function contentCheck(compiler: Compiler, path: string): Check {
  let check: Check | undefined
  return (value, report) => {
    check ??= compiler.typeChecks.get(path) ?? compileContent(compiler, path)
    check(value, report)
  }
}

function compileContent(compiler: Compiler, path: string): Check {
  const [type = '', ...names] = path.split('.')
  let entries: ElementEntries | string | undefined = compiler.table.types[type]?.elements
  for (const name of names) entries = typeof entries === 'object' ? entries[name] : undefined
  if (typeof entries !== 'object') throw new Error(`The definition table lacks the element ${path}`)
  const element = lazyType(compiler, 'Element')
  const members = compileMembers(elementMembers(compiler, entries, path), { isResource: false, element })
  const check = withInvariants(compiler, path, members)
  compiler.typeChecks.set(path, check)
  return check
}

function valueCheck(compiler: Compiler, type: ElementType, line: ElementLine): Check {
  const checks = [typeOnly(compiler, type)]
  const systems = line.codes ? compiler.table.codes[line.codes] : undefined
  if (line.codes && systems) checks.push(compileBinding(line.codes, systems))
  const form = line.codes ? formBindings[line.codes] : undefined
  if (form) checks.push(compileForm(form))
  const wished = line.preferred ? compiler.table.codes[line.preferred] : undefined
  if (line.preferred && wished) checks.push(compilePreference(line.preferred, wished))
  if (type.code === 'Reference') checks.push(compileReference(type.targets, compiler.resourceTypes))
  return inOrder(checks)
}

function typeOnly(compiler: Compiler, type: ElementType): Check {
  if (type.code === 'Resource') return (value, report) => checkResource(compiler, value, report)
  const primitive = primitives[type.code]
  if (!primitive) return lazyType(compiler, type.code)
  if (type.code === 'xhtml') return checkNarrative
  const text = `The value must be ${primitive.form} (type ${type.code}).`
  const mayRefer = ['uri', 'url', 'canonical'].includes(type.code)
  return (value, report) => {
    if (!primitive.valid(value)) note(report, 'form', text)
    else if (mayRefer && typeof value === 'string' && value.startsWith('#'))
      report.referred.add(value.slice(1))
  }
}

function checkNarrative(value: unknown, report: Report): void {
  const fault =
    typeof value === 'string' ? narrativeFault(value) : 'A narrative is XHTML in a string (txt-1).'
  if (fault) note(report, fault === emptyNarrative ? 'txt-2' : 'txt-1', fault)
}

/** https://hl7.org/fhir/R4/references.html#contained and dom-2, dom-4, dom-5. */
function containedCheck(compiler: Compiler): Check {
  return (value, report) => {
    if (!isRecord(value) || typeof value.resourceType !== 'string') {
      note(report, 'resource-form', 'A contained resource is a JSON object that names its resourceType.')
      return
    }
    if (typeof value.id !== 'string')
      note(report, 'contained-id', 'A contained resource must have an id to be referred to.')
    if ('contained' in value) note(report, 'dom-2', 'A contained resource may not contain resources (dom-2).')
    const meta = isRecord(value.meta) ? value.meta : {}
    if ('versionId' in meta || 'lastUpdated' in meta)
      note(report, 'dom-4', 'A contained resource may not have a version or a time of update (dom-4).')
    if ('security' in meta)
      note(report, 'dom-5', 'A contained resource may not have a security label (dom-5).')
    const type = value.resourceType
    if (Object.hasOwn(compiler.table.types, type) && compiler.table.types[type]?.kind === 'resource') {
      report.referred.delete(container)
      const { resource, elementIds } = report
      report.resource = value
      report.elementIds = new Set()
      typeCheck(compiler, type)(value, report)
      compiler.profiled.claimed(value, report)
      report.resource = resource
      report.elementIds = elementIds
      // What points back at its container belongs there by that (dom-3).
      if (report.referred.has(container) && typeof value.id === 'string') report.referred.add(value.id)
    } else if (!compiler.resourceTypes.has(type)) {
      noteAt(report, 'resourceType', 'resource-type', 'resourceType must be a resource type of FHIR R4.')
    }
  }
}

/** ext-1 (https://hl7.org/fhir/R4/extensibility.html#Extension), and the extension's own definition where we have it. */
function withExtensionRules(compiler: Compiler, check: Check): Check {
  return (value, report) => {
    check(value, report)
    if (!isRecord(value)) return
    const nested = value.extension !== undefined
    const valued = Object.keys(value).some((key) => /^_?value[A-Z]/.test(key))
    if (nested === valued) {
      note(
        report,
        'ext-1',
        'An extension has either a value[x] or nested extensions: one of them, not both (ext-1).',
      )
    }
    if (typeof value.url === 'string') compiler.profiled.extension(value.url)?.(value, report)
  }
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

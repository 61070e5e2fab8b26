import type { CodeSystem, Questionnaire, StructureDefinition, ValueSet } from 'fhir/r4'
import type { Issue } from '#core/failure.ts'
import type { Resource } from '#core/resource.ts'
import { compileAnswers } from './answers.ts'
import { compileBase } from './base.ts'
import { compileProfile } from './constraint.ts'
import { compileRestore } from './decimals.ts'
import { profileTree } from './profile-tree.ts'
import { type Check, isRecord, newReport, noteAt, type Report } from './report.ts'
import type { Surroundings } from './surroundings.ts'
import type { BaseTable, SystemCodes } from './table.ts'
import { expandValueSet } from './value-set.ts'

export interface Validator {
  /**
   * What is wrong with a resource by base R4, by the profile given (canonical, with or without version) and by those of
   * its meta.profile that are known; empty when nothing is, at most 100. Takes anything, never throws.
   */
  check(resource: unknown, profileUrl?: string): Issue[]
  /** The resource with decimals that were carried as strings made numbers again, digits kept. */
  restoreDecimals<R>(resource: R): R
  /** Canonicals of the profiles on resources that are known, by type. */
  profilesOf(type: string): string[]
  /** Codes by system of a value set that is known and enumerated; undefined for every other. */
  codesOf(valueSet: string): SystemCodes | undefined
}

export interface ValidatorPorts {
  /** profiles/base/r4.json */
  base: BaseTable
  /**
   * StructureDefinitions (differential, or snapshot where what they build on is not there), ValueSets, CodeSystems, and the
   * Questionnaires that responses are held to; other resources are passed over.
   */
  profiles: readonly Resource[]
}

/**
 * Compiles the definitions once, so that a check is closures only. Throws when the profiles do not hang together (one
 * builds on another that is not there): that must stop the start, not a message.
 */
export function createValidator({ base, profiles }: ValidatorPorts): Validator {
  const definitions = new Map<string, StructureDefinition>()
  const questionnaires = new Map<string, Questionnaire>()
  const terminology = new Map<string, ValueSet | CodeSystem>()
  for (const resource of profiles) {
    if (resource.resourceType === 'StructureDefinition') definitions.set(resource.url, resource)
    if (resource.resourceType === 'Questionnaire' && resource.url) {
      questionnaires.set(`${resource.url}|${resource.version ?? ''}`, resource)
      questionnaires.set(resource.url, resource)
    }
    if (resource.resourceType === 'ValueSet' || resource.resourceType === 'CodeSystem') {
      terminology.set(`${resource.resourceType} ${resource.url}`, resource)
    }
  }
  const checks = new Map<string, Check>()
  const heldByBase = new Set(Object.values(base.constraints).map((constraint) => constraint.expression))
  const surroundings: Surroundings = {
    resourceTypes: new Set(base.resourceTypes),
    isBase: (key, expression) => heldByBase.has(expression) || alwaysHeld.test(key),
    codes: cached(
      (url) => base.codes[url] ?? expandValueSet(url, (kind, name) => terminology.get(`${kind} ${name}`)),
    ),
    profile: (url) => checks.get(unversioned(url)),
    typeOf: (url) => definitions.get(unversioned(url))?.type ?? coreType(url),
  }
  for (const [url, definition] of definitions) {
    if (definition.derivation !== 'constraint') continue
    checks.set(
      url,
      compileProfile(
        profileTree(definition, (name) => definitions.get(unversioned(name))),
        surroundings,
        url,
      ),
    )
  }
  const meet = (url: string, resource: unknown, report: Report) => {
    const type = definitions.get(url)?.type
    if (!type || !isRecord(resource)) return
    if (resource.resourceType === type) checks.get(url)?.(resource, report)
    else
      noteAt(
        report,
        'meta',
        'profile-type',
        `The profile ${url} is for ${type}, which this is not; leave it out.`,
      )
  }
  const { resource: checkBase } = compileBase(base, {
    extension: (url) => (definitions.get(url)?.type === 'Extension' ? checks.get(url) : undefined),
    claimed: (resource, report) => {
      for (const url of claimedProfiles(resource)) meet(url, resource, report)
      if (isRecord(resource) && resource.resourceType === 'QuestionnaireResponse')
        checkAnswers(resource, report)
    },
  })
  const checkAnswers = compileAnswers((canonical) => questionnaires.get(canonical))
  const restore = compileRestore(base)

  return {
    check(resource, profileUrl) {
      const type = isRecord(resource) ? resource.resourceType : undefined
      const report = newReport(
        typeof type === 'string' && Object.hasOwn(base.types, type) ? type : 'Resource',
      )
      const asked = profileUrl === undefined ? undefined : unversioned(profileUrl)
      checkBase(resource, report, (value) => {
        if (asked === undefined || claimedProfiles(value).includes(asked)) return
        if (definitions.has(asked)) meet(asked, value, report)
        else
          noteAt(
            report,
            'meta',
            'profile-unknown',
            'The profile asked for is not known here; the CapabilityStatement lists those that are.',
          )
      })
      return report.issues
    },
    restoreDecimals: <R>(resource: R) => restore(resource) as R,
    profilesOf: (type) => [...definitions.values()].filter((one) => one.type === type).map((one) => one.url),
    codesOf: (valueSet) => surroundings.codes(valueSet),
  }
}

/** Constraints of every element and resource, which snapshots repeat: the walk holds them. */
const alwaysHeld = /^(?:ele-1|ext-1|dom-[2-6]|ref-1|txt-[12])$/

function claimedProfiles(resource: unknown): string[] {
  const profiles = isRecord(resource) && isRecord(resource.meta) ? resource.meta.profile : undefined
  if (!Array.isArray(profiles)) return []
  return [...new Set(profiles.filter((url) => typeof url === 'string').map(unversioned))]
}

function unversioned(url: string): string {
  return url.split('|')[0] ?? url
}

function coreType(url: string): string | undefined {
  const core = 'http://hl7.org/fhir/StructureDefinition/'
  return url.startsWith(core) ? url.slice(core.length) : undefined
}

function cached(find: (url: string) => SystemCodes | undefined): (url: string) => SystemCodes | undefined {
  const found = new Map<string, SystemCodes | undefined>()
  return (url) => {
    const key = unversioned(url)
    if (!found.has(key)) found.set(key, find(key))
    return found.get(key)
  }
}

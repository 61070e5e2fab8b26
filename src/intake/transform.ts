import { isAuthorised } from '#care/order-authority.ts'
import type { Caller } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Artifacts } from '#core/ports.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { type CodeTable, codeTable, overriding } from './concept-map.ts'
import { type CompiledMapping, compileMapping } from './mapping-engine.ts'
import { type MappingRun, mappingRun, type UnmappedCode } from './mapping-functions.ts'
import { mappingsOf, wholeMapping } from './mapping-imports.ts'
import { provenanceOf } from './provenance.ts'

export interface TransformPorts {
  /** What is in force when a message is mapped. */
  artifacts(): Artifacts | Promise<Artifacts>
  /** The same parts, the same id (core/ports `Vault.deriveId`). */
  deriveId(...parts: string[]): string
  /** SHA-256, hexadecimal. */
  digest(content: string | Uint8Array): string
  /** Texts to decimals, where the definition of the element says decimal (validator). */
  restoreDecimals(resource: unknown): unknown
}

export interface TransformContext {
  /** The sender: its client id and the message id are what ids are derived from. */
  caller: Caller
  messageId: string
  /** Milliseconds since the epoch. */
  received: number
  /** The message as received. */
  body: Uint8Array
  /** Resolved parties by slot. */
  references: Readonly<Record<string, Reference>>
}

interface Transformed {
  /** With ids, in the order of the mapping; the Provenance of them all last. */
  resources: Identified[]
  mapping: { name: string; sha256: string }
  warnings: Issue[]
  /** Codes that were in none of their tables: what was made is kept, and its delivery is to be held (I14). */
  unmapped: UnmappedCode[]
}

export interface Transformer {
  /** Throws Failure `internal` when the mapping or a code table is missing or at fault, `unsupported` when it does not compile. */
  transform<Source>(flow: Flow<Source>, source: Source, context: TransformContext): Promise<Transformed>
}

/** Texts whose compiled form is kept: those in force, those before them, those that are being tried. */
const maxCompiled = 200

interface FoundMapping {
  mapping: CompiledMapping
  /** Its own text first, then those that it imports. */
  texts: readonly { name: string; sha256: string }[]
  /** Of its own text. */
  sha256: string
}

/** Sources to FHIR by the mappings and code tables at hand. A mapping is compiled once for each of its texts. */
export function createTransformer(ports: TransformPorts): Transformer {
  const compiled = new Map<string, CompiledMapping>()
  const found = new WeakMap<Artifacts['mappings'], Map<string, FoundMapping>>()
  const tables = new WeakMap<object, CodeTable>()

  function findMapping(name: string, { mappings }: Artifacts): FoundMapping {
    const known = found.get(mappings) ?? new Map<string, FoundMapping>()
    if (known.size === 0) found.set(mappings, known)
    const before = known.get(name)
    if (before) return before
    const { text, names } = wholeMapping(name, mappings)
    const texts = names.map((each) => ({ name: each, sha256: ports.digest(mappings.get(each) ?? '') }))
    const made = { mapping: compiledOf(name, text), texts, sha256: texts[0]?.sha256 ?? '' }
    known.set(name, made)
    return made
  }

  function compiledOf(name: string, text: string): CompiledMapping {
    const before = compiled.get(text)
    if (before) return before
    const made = compileMapping(name, text)
    if (compiled.size >= maxCompiled) compiled.clear()
    compiled.set(text, made)
    return made
  }

  function readTable(name: string, { conceptMaps }: Artifacts): CodeTable | undefined {
    const resource = conceptMaps.get(name)
    if (resource === undefined) return undefined
    if (typeof resource !== 'object' || resource === null) return codeTable(name, resource)
    const table = tables.get(resource) ?? codeTable(name, resource)
    tables.set(resource, table)
    return table
  }

  function findQuestionnaire(canonical: string, { profiles }: Artifacts): unknown {
    return profiles.find(
      (each) =>
        each.resourceType === 'Questionnaire' &&
        (each.url === canonical || `${each.url}|${each.version}` === canonical),
    )
  }

  /** The sender's own rows first, then those of everybody. */
  function findTable(name: string, sender: string, artifacts: Artifacts): CodeTable {
    const table = readTable(name, artifacts)
    if (!table) throw new Failure('internal', `There is no code table ${name}`)
    const own = readTable(`${name}@${sender}`, artifacts)
    return own ? overriding(own, table) : table
  }

  return {
    async transform(flow, source, context) {
      const artifacts = await ports.artifacts()
      const { caller, messageId } = context
      const sender = caller.clientId
      const recorded = new Date(context.received).toISOString()
      const attestation = flow.attestation?.(source)
      const authorised = isAuthorised(attestation, caller)
      const organization = caller.actors.find((actor) => actor.startsWith('Organization/'))
      const message = { id: messageId, sender, organization, received: recorded, authorised }
      const parts = []
      for (const name of mappingsOf(flow)) {
        const isPart = name !== flow.mapping
        const { mapping, texts, sha256 } = findMapping(name, artifacts)
        const run = mappingRun({
          messageId,
          references: context.references,
          derive: (...keys) => ports.deriveId(isPart ? name : flow.name, sender, ...keys),
          findTable: (table) => findTable(table, sender, artifacts),
          findQuestionnaire: (canonical) => findQuestionnaire(canonical, artifacts),
        })
        const value = await mapping.run({ source, message }, run.functions)
        const made = isPart && value === undefined ? [] : resourcesOf(name, value, run)
        parts.push({ name, texts, sha256, run, made })
      }
      const [first] = parts
      if (!first) throw new Failure('internal', `Flow ${flow.name} has no mapping`)
      const resources = parts
        .flatMap(({ made }) => made)
        .map((resource) => profiled(ports.restoreDecimals(resource) as Identified, flow.profiles))
      const used = parts.filter(({ name, made }) => name === flow.mapping || made.length > 0)
      const provenance = provenanceOf({
        id: first.run.idAt('provenance'),
        resources,
        caller,
        recorded,
        sourceHash: ports.digest(context.body),
        policies: [
          ...new Set(
            used.flatMap(({ texts }) =>
              texts.map(({ name, sha256 }) => `https://postern.health/mapping/${name}?sha256=${sha256}`),
            ),
          ),
          ...new Set(used.flatMap(({ run }) => run.tables)),
        ],
        attestation,
        references: context.references,
      })
      return {
        resources: [...resources, provenance],
        mapping: { name: flow.mapping, sha256: first.sha256 },
        warnings: parts.flatMap(({ run }) => run.warnings),
        unmapped: parts.flatMap(({ run }) => run.unmapped()),
      }
    },
  }
}

const maxResources = 200

/** One resource or a list, lists of lists too. Each gets the id of its position, or one the mapping derived with $id. */
function resourcesOf(name: string, value: unknown, { idAt, isOwn }: MappingRun): Identified[] {
  const list = (value === undefined ? [] : [value].flat(8)) as Partial<Identified>[]
  if (list.length === 0 || list.length > maxResources) {
    throw new Failure('internal', `Mapping ${name} returned ${list.length} resources`)
  }
  const resources = list.map((resource, index) => {
    const { resourceType, id = idAt(String(index)), ...rest } = resource
    if (typeof resourceType !== 'string')
      throw new Failure('internal', `Mapping ${name} returned no resource`)
    if (!isOwn(id)) throw new Failure('internal', `Mapping ${name} gave an id that is not of this message`)
    return { resourceType, id, ...rest } as Identified
  })
  if (new Set(resources.map(({ id }) => id)).size !== resources.length) {
    throw new Failure('internal', `Mapping ${name} gave two resources one id`)
  }
  return resources
}

function profiled(resource: Identified, profiles: Flow['profiles']): Identified {
  const profile = profiles[resource.resourceType]
  if (profile === undefined) return resource
  const { resourceType, id, meta, ...rest } = resource
  return { resourceType, id, meta: { ...meta, profile: [profile] }, ...rest } as Identified
}

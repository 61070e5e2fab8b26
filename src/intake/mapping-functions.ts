import { Failure, type Issue } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import { fhirDate, fhirDateTime } from '#formats/hl7v2/date-time.ts'
import { decimalOfNm } from '#formats/hl7v2/decimal.ts'
import type { CodeTable, Target } from './concept-map.ts'
import type { MappingFunctions } from './mapping-engine.ts'
import { hl7v2Functions } from './mapping-hl7v2.ts'

/** A code that a table was asked for and does not know (I14). */
export interface UnmappedCode {
  table: string
  code: string
  system?: string
}

interface RunPorts {
  messageId: string
  references: Readonly<Record<string, Reference>>
  /** Of sender and flow, and of these parts: a message id and a position, or what else names a resource. */
  derive(...parts: string[]): string
  findTable(name: string): CodeTable
  /** The Questionnaire of a canonical, `url` or `url|version`. */
  findQuestionnaire(canonical: string): unknown
}

export interface MappingRun {
  functions: MappingFunctions
  idAt(position: string): string
  /** Whether this message may make or change what has this id. */
  isOwn(id: string): boolean
  warnings: Issue[]
  /** Canonicals of the code tables that gave something, sorted: which was asked first is up to the engine. */
  readonly tables: readonly string[]
  /** Each once, sorted: which was asked first is up to the engine. */
  unmapped(): UnmappedCode[]
}

/** What a mapping may call in one run (without the `$`), and what was noticed while it did. */
export function mappingRun({
  messageId,
  references,
  derive,
  findTable,
  findQuestionnaire,
}: RunPorts): MappingRun {
  const warnings: Issue[] = []
  const asked = new Set<string>()
  const unmapped = new Map<string, UnmappedCode>()
  const own = new Set<string>()
  const idAt = (position: string) => {
    const id = derive(messageId, position)
    own.add(id)
    return id
  }

  const functions = {
    /** `$code('route', 'PO'[, system])` → `{ system, code, display }`; nothing, with a warning, for what no row knows. */
    code(name: string, code: string | undefined, system?: string): Target | undefined {
      if (code === undefined) return undefined
      const table = findTable(name)
      const translation = table.translate(code, system)
      asked.add(translation.by ?? table.canonical)
      if (translation.found) return translation.found
      if (!translation.known) {
        const missing = { table: name, code, ...(system ? { system } : {}) }
        unmapped.set(JSON.stringify(missing), missing)
        warnings.push({
          severity: 'warning',
          code: 'code-invalid',
          text: `A code is not in table ${name}; its text is kept`,
        })
      }
      return undefined
    },
    /** `$find('dose-unit', 'drops')`: as $code, for what may well be absent. */
    find(name: string, code: string | undefined, system?: string): Target | undefined {
      if (code === undefined) return undefined
      const table = findTable(name)
      const { found, by } = table.translate(code, system)
      if (found) asked.add(by ?? table.canonical)
      return found
    },
    /** `$ref('subject')` → Reference to the party of that slot. */
    ref(slot: string) {
      const reference = references[slot]
      return reference ? { reference } : undefined
    },
    /** `$idFor('subject')`: id of the party or order of that slot, for what is to become its next version. */
    idFor(slot: string): string | undefined {
      const id = references[slot]?.split('/')[1]
      if (id !== undefined) own.add(id)
      return id
    },
    /** `$keyed('SCH-1', '4711')`: one id for all messages of this sender and flow that name this number. */
    keyed(name: string, number: string | undefined): string | undefined {
      if (number === undefined) return undefined
      const id = derive(...keyedParts(name, number))
      own.add(id)
      return id
    },
    /** `$id(0)`: id of this message's first resource; texts name positions too. */
    id: (position: number | string) => idAt(String(position)),
    /** `$idOf('msg-1')`: id of the first resource of another message of the same sender in this flow. */
    idOf: (other: string | undefined) => (other === undefined ? undefined : derive(other, '0')),
    /** `$dtm('202501011230', zone)`: HL7 DTM to FHIR dateTime with seconds and offset. */
    dtm: (text: string | undefined, zone: string) => fhirDateTime(text ?? '', zone),
    /** `$date('19800101')`: HL7 DTM to FHIR date. */
    date: (text: string | undefined) => fhirDate(text ?? ''),
    ...hl7v2Functions,
    /** `$earlier(one, other)`: of two FHIR dateTimes, the one that came first; a clock may be ahead of ours. */
    earlier(one: string | undefined, other: string): string | undefined {
      return one !== undefined && Date.parse(one) > Date.parse(other) ? other : one
    },
    /** `$nm('.50')`: HL7 NM to a FHIR decimal, `0.50`; nothing for what is no number. */
    nm: decimalOfNm,
    /** `$warn('text without patient data', 'RXE-5')` */
    warn(text: string, expression?: string) {
      warnings.push({ severity: 'warning', code: 'incomplete', text, ...(expression ? { expression } : {}) })
    },
    /** `$questionnaire('https://…|1.0.0')`: the Questionnaire itself, whose items say what an answer must be. */
    questionnaire: (canonical: string | undefined) =>
      canonical === undefined ? undefined : findQuestionnaire(canonical),
    /** `$refuse('unsupported', 'text without patient data', 'OBX[2]-5')`: for what only the tables can tell. */
    refuse(kind: 'unsupported' | 'invalid', text: string, expression: string): never {
      throw new Failure(kind, [{ text, expression }])
    },
  } satisfies MappingFunctions

  return {
    functions: functions as MappingFunctions,
    warnings,
    get tables() {
      return [...asked].sort()
    },
    unmapped: () =>
      [...unmapped].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, missing]) => missing),
    idAt,
    isOwn: (id) => own.has(id),
  }
}

/** What the id of something is derived of that its sender names again in later messages of a flow. */
export function keyedParts(name: string, number: string): readonly [string, string, string] {
  return [number, name, 'keyed']
}

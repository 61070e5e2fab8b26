import { Failure } from '#core/failure.ts'
import type { FieldCoverage } from '#formats/hl7v2/coverage.ts'
import { fieldCoverage } from '#intake/field-coverage.ts'
import { callerWith, transformer } from '../flows/replay.ts'
import { ignoreTableOf, supportedMessages, type ThirdPartyMessage } from './corpus.ts'

export interface TypeCoverage {
  messages: number
  refused: string[]
  fields: FieldCoverage[]
}

/** Coverage of every third-party message of a type that is taken in, by `RDE^O11`. */
export async function coverageOfAll(): Promise<Map<string, TypeCoverage>> {
  const all = new Map<string, TypeCoverage>()
  for (const message of supportedMessages()) {
    const found = all.get(message.kind) ?? { messages: 0, refused: [], fields: [] }
    all.set(message.kind, found)
    found.messages++
    try {
      found.fields.push(...(await coverageOf(message)))
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause
      found.refused.push(`${message.file}: ${cause.message}`)
    }
  }
  return all
}

/** Throws the Failure that refuses the message. */
export function coverageOf({ flow, body }: ThirdPartyMessage): Promise<FieldCoverage[]> {
  // Without the grant orders come in as drafts, which directions that contradict the structure only mark.
  const question = { flow, body, caller: callerWith([]), timeZone: 'America/Chicago' }
  return fieldCoverage(question, transformer, ignoreTableOf(flow.mapping))
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Flow } from '#core/flow.ts'
import { findFlow } from '#flows/find-flow.ts'
import { flows } from '#flows/index.ts'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { headerOf } from '#formats/hl7v2/header.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import type { SourceTree } from '#formats/hl7v2/source.ts'

export const root = join(import.meta.dirname, '../..')

export interface ThirdPartyMessage {
  /** `<set>/<name>.hl7`, of fixtures/third-party/hl7v2. */
  file: string
  /** `RDE^O11` */
  kind: string
  flow: Flow<SourceTree>
  text: string
  charset: string
  body: Uint8Array
}

/** Every third-party message of a type that some flow takes in, each text once. */
export function* supportedMessages(): Generator<ThirdPartyMessage> {
  const folder = join(root, 'fixtures/third-party/hl7v2')
  const seen = new Set<string>()
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf-8' }).sort()) {
    if (!file.endsWith('.hl7')) continue
    const { text: payload, charset } = decodeText(new Uint8Array(readFileSync(join(folder, file))))
    for (const text of messagesOf(splitPayload(payload))) {
      const message = readMessage(text, charset)
      const { type, trigger } = headerOf(message)
      const kind = `${type}^${trigger}`
      const flow = findFlow(flows, message)
      if (!flow || seen.has(text)) continue
      seen.add(text)
      yield { file, kind, flow: flow as Flow<SourceTree>, text, charset, body: encodeText(text, charset) }
    }
  }
}

/** What all flows ignore, and what those with this mapping do (mappings/ignored). */
export function ignoreTableOf(mapping: string): Record<string, string> {
  const read = (name: string) => JSON.parse(readFileSync(join(root, `mappings/ignored/${name}.json`), 'utf8'))
  return { ...read('hl7v2'), ...read(mapping) }
}

import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import { findFlow } from '#flows/find-flow.ts'
import { decodeText } from '#formats/hl7v2/charset.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import { artifactKind } from './artifact-name.ts'
import { overlaid, type Shelf } from './artifact-shelf.ts'
import { type Difference, differencesOf } from './difference.ts'
import { runs } from './mapping-imports.ts'
import { createReplay, type ReplayPorts } from './replay.ts'

export interface ComparePorts extends Pick<ReplayPorts, 'validator' | 'digest' | 'sender'> {
  shelf: Pick<Shelf, 'current' | 'versions'>
  flows: readonly Flow[]
}

/** Two versions of one mapping or code table over the same messages. */
export interface Compared {
  name: string
  /** SHA-256 of both. */
  versions: readonly [string, string]
  messages: { file: string; flow: string; differences: Difference[] }[]
  different: number
  /** Files that no flow concerned takes. */
  unread: string[]
}

/**
 * What each message becomes by one version and by the other, all else as it is in force. Nothing is stored, and whoever
 * a message names is taken as known. Throws Failure `not-found` for a version that is not here, `invalid` where the two
 * are not versions of one thing.
 */
export async function compareVersions(
  ports: ComparePorts,
  shas: readonly [string, string],
  files: readonly { file: string; body: Uint8Array }[],
): Promise<Compared> {
  const { shelf, flows } = ports
  const all = await shelf.versions()
  const [before, after] = [requireVersion(all, shas[0]), requireVersion(all, shas[1])]
  if (before.name !== after.name) throw new Failure('invalid', 'These are versions of different things')
  const active = await shelf.current()
  const [was, is] = [before, after].map((version) =>
    createReplay({ ...ports, artifacts: overlaid(active, [version], active) }),
  ) as [ReturnType<typeof createReplay>, ReturnType<typeof createReplay>]
  const { form, stem } = artifactKind(before.name)
  const concerned = flows.filter((flow) => form === 'codes' || runs(flow, stem, active.mappings))
  const messages: Compared['messages'] = []
  const unread: string[] = []
  for (const { file, body } of files) {
    const found = flowsOf(concerned, body)
    if (found.length === 0) unread.push(file)
    for (const flow of found) {
      const differences = differencesOf(await was.replay(flow, body), await is.replay(flow, body))
      messages.push({ file, flow: flow.name, differences })
    }
  }
  const different = messages.filter(({ differences }) => differences.length > 0).length
  return { name: before.name, versions: [before.sha256, after.sha256], messages, different, unread }
}

function requireVersion<Version extends { name: string; sha256: string }>(
  versions: readonly Version[],
  sha256: string,
): Version {
  const found = versions.find((each) => sha256.length >= 7 && each.sha256.startsWith(sha256))
  if (found) return found
  throw new Failure('not-found', `There is no version ${sha256}: give at least seven digits of one`)
}

/** The flow that MSH-9 names, or the JSON flows that can read it. */
function flowsOf(flows: readonly Flow[], body: Uint8Array): Flow[] {
  const isHl7v2 = /^\s*(?:MSH|FHS|BHS)/.test(new TextDecoder('latin1').decode(body.subarray(0, 64)))
  if (!isHl7v2) return flows.filter((flow) => flow.door.kind === 'json' && canRead(flow, body))
  const { text, charset } = decodeText(body)
  const [first] = messagesOf(splitPayload(text))
  const flow = first === undefined ? undefined : findFlow(flows, readMessage(first, charset))
  return flow ? [flow] : []
}

function canRead(flow: Flow, body: Uint8Array): boolean {
  try {
    flow.read(body, { timeZone: 'UTC' })
    return true
  } catch (cause) {
    if (cause instanceof Failure) return false
    throw cause
  }
}

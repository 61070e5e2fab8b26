import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { sha256 } from '#audit/merkle.ts'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import { findFlow } from '#flows/find-flow.ts'
import { flows } from '#flows/index.ts'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { coverageCounts, type FieldCoverage } from '#formats/hl7v2/coverage.ts'
import { explainMessage, explanationText } from '#formats/hl7v2/explain.ts'
import { headerOf } from '#formats/hl7v2/header.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import type { SourceTree } from '#formats/hl7v2/source.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { fieldCoverage, ignoreTable } from '#intake/field-coverage.ts'
import { createTransformer } from '#intake/transform.ts'
import type { CommandTools } from './cli-audit.ts'

const home = join(import.meta.dirname, '..')

/** `postern hl7 …`: HL7 v2 for the people who run the interface. */
export function addHl7Commands(program: Command, { withClinic, say, commandLine }: CommandTools): void {
  const hl7 = program.command('hl7').description('HL7 v2 messages')
  hl7
    .command('sent <client> <message>')
    .description('a message as this client sent it, byte for byte, by the message id of its receipt')
    .action((sender: string, messageId: string) =>
      withClinic(async ({ gateway }) => {
        const by = { caller: commandLine, requestId: crypto.randomUUID() }
        const bytes = await gateway.sentMessages.find({ sender, messageId }, by)
        if (!bytes) throw new Failure('not-found', 'No message of this client and id was taken in')
        process.stdout.write(bytes)
      }),
    )
  hl7
    .command('explain <file>')
    .description('a message as a tree with names and values, and what the mapping makes of each field')
    .option('--time-zone <zone>', 'IANA zone of times without offset', 'UTC')
    .action(async (file: string, { timeZone }: { timeZone: string }) => {
      const { text, charset } = decodeText(new Uint8Array(readFileSync(file)))
      const told = []
      for (const each of messagesOf(splitPayload(text))) {
        const body = encodeText(each, charset)
        told.push(await explain(each, { charset, body, timeZone, caller: commandLine }))
      }
      const texts = told.map(({ segments, ...summary }) =>
        [...summaryLines(summary), '', explanationText(segments)].join('\n'),
      )
      say(told, texts.join('\n\n'))
    })
}

interface Told {
  charset: string
  body: Uint8Array
  timeZone: string
  caller: Caller
}

async function explain(text: string, { charset, ...question }: Told) {
  const message = readMessage(text, charset)
  const { type, trigger, version, controlId } = headerOf(message)
  const flow = findFlow(flows, message)
  const covered = flow ? await coverageOf({ flow: flow as Flow<SourceTree>, ...question }) : {}
  return {
    type: `${type}^${trigger}`,
    version,
    controlId,
    flow: flow?.name,
    refused: covered.refused,
    coverage: covered.fields && coverageCounts(covered.fields),
    segments: explainMessage(message, covered.fields),
  }
}

type Explained = Awaited<ReturnType<typeof explain>>

async function coverageOf(
  question: Parameters<typeof fieldCoverage>[0],
): Promise<{ fields?: FieldCoverage[]; refused?: string[] }> {
  const artifacts = readArtifacts(home)
  const transformer = createTransformer({
    artifacts: () => artifacts,
    digest: (content) => hash(content),
    deriveId: (...parts) => hash(parts.join('\n')).slice(0, 32),
    restoreDecimals: (resource) => resource,
  })
  const ignored = ignoreTable(artifacts.ignored, question.flow.mapping)
  try {
    return { fields: await fieldCoverage(question, transformer, ignored) }
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    return { refused: cause.issues.map((issue) => [issue.expression, issue.text].filter(Boolean).join(': ')) }
  }
}

function summaryLines({ type, version, controlId, flow, refused, coverage }: Omit<Explained, 'segments'>) {
  const head = `${type}, version ${version}, control id ${controlId}`
  if (!flow) return [head, 'No flow takes this type in: it would be answered AR']
  if (refused) return [head, `Flow ${flow} refuses it:`, ...refused.map((each) => `  ${each}`)]
  const { mapped, ignored, unknown } = coverage ?? { mapped: 0, ignored: 0, unknown: 0 }
  return [
    head,
    `Flow ${flow}: of ${mapped + ignored + unknown} populated fields ${mapped} are mapped, ${ignored} ignored by rule, ${unknown} unknown`,
  ]
}

function hash(content: string | Uint8Array): string {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  return Buffer.from(sha256(bytes)).toString('hex')
}

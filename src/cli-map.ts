import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { callerOf, clientOf } from '#auth/clients.ts'
import { readConfig } from '#config.ts'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import { flows } from '#flows/index.ts'
import type { Compared } from '#intake/compare.ts'
import { differenceLines } from '#intake/difference.ts'
import type { OpenClinic } from './node.ts'

export interface MapCommandPorts {
  withClinic(act: (clinic: OpenClinic) => Promise<void>): Promise<void>
  say(value: unknown, text: string): void
  /** Who works here, for the log. */
  commandLine: Caller
  looked(gateway: OpenClinic['gateway'], what: string): Promise<void>
}

/** `postern map`: what messages would become, by what is in force or by two versions side by side (I13). */
export function addMapCommands(program: Command, ports: MapCommandPorts): void {
  program
    .command('map <flow> <file> [folder]')
    .description(
      `what a message would become, storing nothing (${flows.map((flow) => flow.name).join(', ')}); with --compare, two versions over a folder of messages`,
    )
    .option('--client <id>', 'as if this client had sent it, with its rights and its own code rows')
    .option('--compare', 'postern map --compare <sha> <sha> <folder>')
    .action((first: string, second: string, folder: string | undefined, options: MapOptions) =>
      ports.withClinic((clinic) =>
        options.compare
          ? compare(clinic, { first, second, folder, client: options.client }, ports)
          : map(clinic, { name: first, file: second, client: options.client }, ports),
      ),
    )
}

interface MapOptions {
  client?: string
  compare?: boolean
}

async function map(
  { gateway, store }: OpenClinic,
  { name, file, client }: { name: string; file: string; client: string | undefined },
  { commandLine }: MapCommandPorts,
): Promise<void> {
  const flow = flows.find((each) => each.name === name)
  if (!flow) {
    const known = flows.map((each) => each.name).join(', ')
    throw new Failure('not-found', `There is no flow ${name}: ${known}`)
  }
  const anybody = { role: 'platform', scopes: ['system/*.cruds'], grants: ['order-source'] } as const
  const registered = client === undefined ? undefined : await clientOf(store, client)
  if (client !== undefined && !registered) throw new Failure('not-found', `There is no client ${client}`)
  const preview = await gateway.intake.preview({
    flow,
    body: readMessage(file),
    caller: registered ? callerOf(registered, {}) : { ...commandLine, ...anybody },
    timeZone: registered?.hl7v2?.timeZone ?? readConfig(process.env).timeZone,
    requestId: crypto.randomUUID(),
  })
  process.stdout.write(`${JSON.stringify(preview, null, 2)}\n`)
}

interface ToCompare {
  first: string
  second: string
  folder: string | undefined
  client: string | undefined
}

async function compare(
  { gateway }: OpenClinic,
  { first, second, folder, client }: ToCompare,
  { say, looked }: MapCommandPorts,
): Promise<void> {
  if (folder === undefined) throw new Failure('invalid', 'postern map --compare <sha> <sha> <folder>')
  await looked(gateway, 'mapping versions compared')
  const compared = await gateway.workshop.compare([first, second], messagesIn(folder), client)
  say(compared, comparedLines(compared).join('\n'))
  if (compared.different > 0) process.exitCode = 1
}

function comparedLines({ name, versions, messages, different, unread }: Compared): string[] {
  const [before, after] = versions
  return [
    `${name}: - ${before.slice(0, 12)}, + ${after.slice(0, 12)}`,
    ...messages
      .filter(({ differences }) => differences.length > 0)
      .flatMap(({ file, differences }) => [file, ...differenceLines(differences)]),
    ...unread.map((file) => `${file}: no flow with this mapping takes it`),
    `${messages.length} messages, ${different} come out differently`,
  ]
}

function messagesIn(folder: string): { file: string; body: Uint8Array }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(hl7|json)$/.test(file) && !file.endsWith('.out.json'))
    .sort()
    .map((file) => ({ file, body: readMessage(join(folder, file)) }))
}

function readMessage(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file))
  } catch (cause) {
    throw new Failure('not-found', `The file ${file} cannot be read`, { cause })
  }
}

// Node only: the `audit` commands of the command line.
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { type Accounting, checkAccounting } from '#audit/accounting.ts'
import { exportLog, readExport } from '#audit/export.ts'
import { readProof, writeProof } from '#audit/proof-text.ts'
import { type LogVerdict, verifyChecked, verifyLog } from '#audit/verify.ts'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import { startRowCheckers } from './cli-verify.ts'
import type { OpenClinic } from './node.ts'

export interface CommandTools {
  /** Opens the clinic that the environment names, for as long as the act takes. */
  withClinic(act: (clinic: OpenClinic) => Promise<void>): Promise<void>
  /** Prints the text, or the value where JSON was asked for. */
  say(value: unknown, text: string): void
  /** Whoever stands at the command line, for the log. */
  commandLine: Caller
}

export function addAuditCommands(program: Command, tools: CommandTools): void {
  const { withClinic, say } = tools
  const audit = program.command('audit').description('the audit log')
  audit
    .command('verify')
    .description('prove the log whole: needs no key that opens anything')
    .option('--key <vkey>', 'checkpoint verifier key; the clinic’s own when not given')
    .option('--export <file>', 'verify an exported log; needs nothing of the clinic but --key')
    .option('--checkpoint <files...>', 'signed checkpoints that were kept elsewhere')
    .action((options: { key?: string; export?: string; checkpoint?: string[] }) => verify(options, tools))
  audit
    .command('proof <event>')
    .description('proof that an event stands in the log, as a C2SP tlog-proof')
    .action((event: string) =>
      withClinic(async ({ gateway }) => {
        const [inclusion] = await gateway.prover.inclusions([event])
        if (!inclusion) throw new Failure('not-found', 'There is no such event in the log')
        const text = writeProof(inclusion)
        say({ event, proof: text }, text.trimEnd())
      }),
    )
  audit
    .command('check <file>')
    .description('check a proof, or an accounting in JSON, with the public key alone')
    .requiredOption('--key <vkey>', 'checkpoint verifier key')
    .action((file: string, { key }: { key: string }) => {
      const text = readFileSync(file, 'utf8')
      if (!text.startsWith('{')) {
        const { index, size } = readProof(text, key)
        say({ index, size }, `The event stands at ${index} in the signed log of ${size}`)
        return
      }
      const accounting = JSON.parse(text) as Accounting
      checkAccounting(accounting, key)
      say(
        { entries: accounting.entries.length },
        `All ${accounting.entries.length} entries stand in the signed log`,
      )
    })
  audit
    .command('export <file>')
    .description('the whole log as NDJSON, to be verified or kept elsewhere; sealed events stay sealed')
    .action((file: string) =>
      withClinic(async ({ gateway, store, vkey }) => {
        await checkpointed(gateway)
        const lines = exportLog(store, vkey.slice(0, vkey.indexOf('+')))
        await pipeline(Readable.from(ended(lines)), createWriteStream(file, { mode: 0o600 }))
        await gateway.tell({
          kind: 'export',
          outcome: 'success',
          outcomeText: 'audit log exported',
          caller: tools.commandLine,
          requestId: crypto.randomUUID(),
          patients: [],
          entities: [],
        })
        say({ exported: file }, `The log stands in ${file}`)
      }),
    )
  audit
    .command('key')
    .description('the key that checks checkpoints: keep it, and checkpoints, elsewhere')
    .action(() => withClinic(async ({ vkey }) => say({ vkey }, vkey)))
}

interface VerifyOptions {
  key?: string
  export?: string
  checkpoint?: string[]
}

async function verify(options: VerifyOptions, { withClinic, say }: CommandTools): Promise<void> {
  const outside = (options.checkpoint ?? []).map((file) => readFileSync(file, 'utf8'))
  const tell = (verdict: LogVerdict) => {
    const findings = verdict.findings.map((each) => `${each.position ?? '-'}\t${each.kind}\t${each.text}`)
    const first = `${verdict.ok ? 'The log is whole' : 'The log was changed'}: ${verdict.size} events`
    say(verdict, [first, ...findings].join('\n'))
    if (!verdict.ok) process.exitCode = 1
  }
  if (options.export !== undefined) {
    if (!options.key)
      throw new Failure('invalid', 'An exported log is verified with --key: ask its owner for it')
    const lines = createInterface({ input: createReadStream(options.export), crlfDelay: Infinity })
    const { rows, checkpoints } = await readExport(lines)
    tell(await verifyLog({ rows, checkpoints, vkey: options.key, outside }))
    return
  }
  await withClinic(async (clinic) => {
    await checkpointed(clinic.gateway)
    tell(await verifyClinic(clinic, options.key ?? clinic.vkey, [...clinic.anchored(), ...outside]))
  })
}

/** The log of a clinic, with its tiles, on all processors. */
export async function verifyClinic(
  { store, file }: Pick<OpenClinic, 'store' | 'file'>,
  vkey: string,
  outside: readonly string[],
): Promise<LogVerdict> {
  const checkers = startRowCheckers(file, await store.logSize())
  try {
    const { checked } = checkers
    return await verifyChecked({
      checked,
      checkpoints: await store.checkpoints(),
      vkey,
      outside,
      tiles: store,
    })
  } finally {
    await checkers.close()
  }
}

/**
 * So that the last events are covered too. A log that does not go on from its last checkpoint gets none, and the verdict
 * says why; one that could not be taken outside stands all the same.
 */
async function checkpointed({ log }: OpenClinic['gateway']): Promise<void> {
  await log.checkpoint().catch((cause) => {
    if (!(cause instanceof Failure)) throw cause
  })
}

async function* ended(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}

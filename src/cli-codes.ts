import type { Command } from 'commander'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { OpenClinic } from './node.ts'

export interface CodeCommandPorts {
  withClinic(act: (clinic: OpenClinic) => Promise<void>): Promise<void>
  say(value: unknown, text: string): void
  /** Who works here, for the log. */
  commandLine: Caller
  looked(gateway: OpenClinic['gateway'], what: string): Promise<void>
}

/** `postern codes …`: codes of messages that no table knows, and their answers (docs/mapping.md). */
export function addCodeCommands(
  program: Command,
  { withClinic, say, commandLine, looked }: CodeCommandPorts,
): void {
  const codes = program
    .command('codes')
    .description('codes that no table knows, and messages that wait for them')
  codes
    .command('list')
    .description('table, code, its system, who sent it, how many messages wait and since when')
    .action(() =>
      withClinic(async ({ gateway }) => {
        await looked(gateway, 'unmapped codes listed')
        const waiting = await gateway.codeAnswers.waiting()
        const lines = waiting.map(({ table, code, system = '', client, messages, since }) =>
          [table, code, system, client, `${messages} waiting`, new Date(since).toISOString()].join('\t'),
        )
        say(waiting, lines.join('\n'))
      }),
    )
  codes
    .command('map <table> <code> [target]')
    .description('what the code means when this sender says it; what waits for it goes on by itself')
    .option('--none', 'it has no counterpart: its text stands alone')
    .option('--display <text>', 'the words of the target')
    .option('--target-system <uri>', 'where it is not the one of the table')
    .option('--client <id>', 'where several senders have this code')
    .option('--system <uri>', 'where the code is of several systems')
    .action((table: string, code: string, target: string | undefined, options: MapOptions) =>
      withClinic(async ({ gateway }) => {
        if ((target === undefined) !== (options.none === true))
          throw new Failure('invalid', 'Give the target of the code, or --none')
        const { client, system, display, targetSystem } = options
        const answer = { table, code, client, system }
        const row = target === undefined ? undefined : { code: target, system: targetSystem, display }
        const by = { caller: commandLine, requestId: crypto.randomUUID() }
        const done = await gateway.codeAnswers.answer({ ...answer, target: row }, by)
        const [version] = done.versions
        const put = version ? `${version.name} is ${version.sha256.slice(0, 12)}` : 'Nothing new'
        const { resumed, waiting, withPeople } = done
        say(done, `${put}: ${resumed} messages went on, ${waiting} still wait, ${withPeople} need a person`)
      }),
    )
}

interface MapOptions {
  none?: boolean
  display?: string
  targetSystem?: string
  client?: string
  system?: string
}

import type { Command } from 'commander'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import type { CodeCommandPorts } from './cli-codes.ts'

/** `postern patients …`: numbers of patients whom nobody knows, and whose they are (docs/mapping.md). */
export function addPatientCommands(
  program: Command,
  { withClinic, say, commandLine }: Pick<CodeCommandPorts, 'withClinic' | 'say' | 'commandLine'>,
): void {
  const byMe = () => ({ caller: commandLine, requestId: crypto.randomUUID() })
  const patients = program
    .command('patients')
    .description('numbers that no patient has, and messages that wait for them')
  patients
    .command('list')
    .description('system, number, who sent it, in what, how many messages wait and since when')
    .action(() =>
      withClinic(async ({ gateway }) => {
        const waiting = await gateway.unknownPatients.waiting(byMe())
        const lines = waiting.map(({ system, value, client, flow, messages, since }) =>
          [system, value, client, flow, `${messages} waiting`, new Date(since).toISOString()].join('\t'),
        )
        say(waiting, lines.join('\n'))
      }),
    )
  patients
    .command('match <system> <number> [patient]')
    .description('whose number it is (Patient/…); what waits for it goes on by itself')
    .option('--new', 'nobody’s: the patient is new here')
    .action((system: string, value: string, patient: string | undefined, options: { new?: boolean }) =>
      withClinic(async ({ gateway }) => {
        if ((patient === undefined) !== (options.new === true))
          throw new Failure('invalid', 'Give the patient, as Patient/…, or --new')
        const answer = { system, value, patient: patient as Reference | undefined }
        const done = await gateway.unknownPatients.answer(answer, byMe())
        const { resumed, waiting, withPeople } = done
        say(done, `${resumed} messages went on, ${waiting} still wait, ${withPeople} need a person`)
      }),
    )
}

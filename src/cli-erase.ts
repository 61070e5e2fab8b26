// Node only: the `erase` and `hold` commands of the command line (docs/retention.md).
import { join } from 'node:path'
import type { Command } from 'commander'
import type { ErasureRequest } from '#care/erasure.ts'
import type { ErasurePlan, PlanLine } from '#care/erasure-plan.ts'
import { holdsOn, placeHold } from '#care/legal-hold.ts'
import { readConfig } from '#config.ts'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import { backupsIn, type Swept, sweepDatabase } from '#store/erasure-sweep.ts'
import type { CommandTools } from './cli-audit.ts'
import { type OpenClinic, systemPorts } from './node.ts'

export function addEraseCommands(program: Command, tools: CommandTools): void {
  const { withClinic, say, commandLine } = tools
  const byMe = () => ({ caller: commandLine, requestId: crypto.randomUUID() })
  const erase = program
    .command('erase')
    .description('the end of a patient’s record, as far as the law lets it')
  erase
    .command('plan <patient>')
    .description('what would go now, what stays, until when, and who says so; changes nothing')
    .action((patient: string) =>
      withClinic(async ({ gateway }) => {
        const plan = await gateway.erasures.plan(requirePatient(patient), byMe())
        say(plan, planText(plan))
      }),
    )
  erase
    .command('request <patient>')
    .description('ask for it; a privacy officer has to approve it ($erase)')
    .requiredOption('--basis <text>', 'why, without clinical content')
    .action((patient: string, { basis }: { basis: string }) =>
      withClinic(async ({ gateway }) => {
        const asked = { patient: requirePatient(patient), basis }
        const request = await gateway.erasures.request(asked, byMe())
        say(request, `Erasure ${request.id} waits for a privacy officer’s approval`)
      }),
    )
  erase
    .command('run <patient>')
    .description('go on with an erasure that was approved: after a hold ended, or where it was broken off')
    .action((patient: string) =>
      withClinic(async ({ gateway }) => {
        const all = await gateway.erasures.list()
        const open = all.find((each) => each.patient === patient && each.state !== 'done')
        if (!open) throw new Failure('not-found', 'There is no erasure of this patient to go on with')
        const done = await gateway.erasures.run(open.id, byMe())
        say(done, stateText(done))
      }),
    )
  erase
    .command('verify <patient>')
    .description('look through every byte of the database, and of backups, for what was erased')
    .option('--backups <folder>', 'where backups of the database are kept')
    .option('--word <words...>', 'words that stood in the record and are to be found nowhere')
    .action((patient: string, options: { backups?: string; word?: string[] }) =>
      withClinic((clinic) => verify(clinic, { ...options, patient: requirePatient(patient) }, tools)),
    )

  const hold = program
    .command('hold')
    .description('legal holds: what one covers is not erased and does not expire')
  hold
    .command('place <patient>')
    .description('in force at once; two privacy officers lift it (POST /holds)')
    .requiredOption('--reason <text>', 'a case number, not the case')
    .action((patient: string, { reason }: { reason: string }) =>
      withClinic(async ({ gateway, store }) => {
        const ports = { store, audit: gateway.audit, ...systemPorts }
        const placed = await placeHold(ports, { patient: requirePatient(patient), reason }, byMe())
        say(placed, `Hold ${placed.id} is in force`)
      }),
    )
  hold
    .command('list')
    .description('holds in force')
    .action(() =>
      withClinic(async ({ gateway, store }) => {
        const holds = await holdsOn({ store })
        const act = { kind: 'read', outcome: 'success', outcomeText: 'legal holds listed' } as const
        await gateway.tell({ ...act, ...byMe(), patients: holds.map((each) => each.patient), entities: [] })
        const line = (each: (typeof holds)[number]) =>
          [each.id, each.patient, new Date(each.placed.at).toISOString(), each.reason].join('\t')
        say(holds, holds.map(line).join('\n'))
      }),
    )
}

interface Verification {
  patient: Reference
  backups?: string
  word?: string[]
}

/** Exit code 1 where something is left. Of a record that the law keeps in part, what went is looked for. */
async function verify(
  clinic: OpenClinic,
  { patient, backups, word = [] }: Verification,
  { say, commandLine }: CommandTools,
): Promise<void> {
  const { gateway, store, keys } = clinic
  await store.settleErasures(Date.now())
  const erasures = (await gateway.erasures.list()).filter((each) => each.patient === patient)
  const destroyed = erasures.flatMap(({ receipts }) => receipts.map(keyIn))
  if (destroyed.length === 0) throw new Failure('not-found', 'Nothing of this patient was erased')
  const standing: string[] = []
  for (const key of destroyed) {
    if ((await keys.find(key)) || !(await keys.wasDestroyed(key))) standing.push(key)
  }
  const isWhole = (await store.findRecord(patient)) === undefined
  const [, id = ''] = patient.split('/')
  const texts = isWhole ? [id, ...word] : word
  const data = sweepDatabase(join(readConfig(process.env).data, 'data.db'), { keys: destroyed, texts })
  const copies = backups
    ? backupsIn(backups).map((file) => sweepDatabase(file, { keys: destroyed, texts: word }))
    : []
  const isClean =
    standing.length === 0 && isEmpty(data) && copies.every(({ texts: found }) => found.length === 0)
  await gateway.tell({
    kind: 'read',
    outcome: 'success',
    outcomeText: `erasure verified: ${isClean ? 'nothing is left' : 'something is left'}`,
    caller: commandLine,
    requestId: crypto.randomUUID(),
    patients: [patient],
    entities: [],
  })
  const found = {
    clean: isClean,
    whole: isWhole,
    keysDestroyed: destroyed,
    keysStanding: standing,
    data,
    backups: copies,
  }
  say(
    found,
    [
      ...sweptLines(data, 'left'),
      ...copies.flatMap((each) => sweptLines(each, 'that no key opens')),
      ...standing.map((key) => `key ${key} still stands`),
      isClean ? 'Nothing is left' : 'Something is left',
    ].join('\n'),
  )
  if (!isClean) process.exitCode = 1
}

function isEmpty({ rows, texts }: Swept): boolean {
  return Object.keys(rows).length === 0 && texts.length === 0
}

function sweptLines({ file, rows, texts, bytes }: Swept, what: string): string[] {
  return [
    `${file}\t${bytes} bytes looked through`,
    ...Object.entries(rows).map(([table, count]) => `${file}\t${table}\t${count} rows ${what}`),
    ...texts.map((text) => `${file}\tholds ${text}`),
  ]
}

/** The data key that a receipt tells the end of. */
function keyIn(receipt: string): string {
  return String((JSON.parse(receipt.slice(0, receipt.indexOf('\n'))) as { key: unknown }).key)
}

function requirePatient(text: string): Reference {
  if (/^Patient\/[A-Za-z0-9.-]{1,64}$/.test(text)) return text as Reference
  throw new Failure('invalid', 'Name the patient as Patient/…')
}

function planText(plan: ErasurePlan): string {
  const { deliveries, receipts, events, ledgerEntries, accounts } = plan.beside
  return [
    ...plan.lines.map(lineText),
    `goes\t${deliveries} deliveries, ${receipts} receipts, ${events} events, ${ledgerEntries} ledger entries, ${accounts} accounts`,
    `stays\taudit log for ${plan.auditLog.keptYears} years\t${plan.auditLog.source}`,
    ...plan.holds.map(({ id }) => `held\t${id}`),
  ].join('\n')
}

function lineText({ fate, class: name, resources, until, source }: PlanLine): string {
  const counted = Object.entries(resources).map(([type, count]) => `${count} ${type}`)
  const till =
    until === undefined ? [] : [`until ${new Date(until).toISOString().slice(0, 10)}`, source ?? '']
  return [fate, name, counted.join(', '), ...till].join('\t')
}

function stateText({ id, state, due }: ErasureRequest): string {
  if (state === 'done') return `Erasure ${id} is done`
  return `Erasure ${id}: what the law keeps goes by itself, the next on ${new Date(due ?? 0).toISOString().slice(0, 10)}`
}

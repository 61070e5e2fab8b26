// Node only: the `reindex` command of the command line.
import type { Command } from 'commander'
import { Failure } from '#core/failure.ts'
import type { CommandTools } from './cli-audit.ts'
import type { OpenClinic } from './node.ts'

/** Resources of one step, which is one transaction: the gateway beside it waits no longer than that. */
const defaultBatch = '200'
const width = 30

export function addReindexCommand(program: Command, tools: CommandTools): void {
  program
    .command('reindex')
    .description('index anew what changed search parameters left behind; the gateway keeps running')
    .option('--batch <count>', 'resources of one step', defaultBatch)
    .action(({ batch }: { batch: string }) => {
      const limit = Number(batch)
      if (!Number.isInteger(limit) || limit < 1 || limit > 5000) {
        throw new Failure('invalid', '--batch is a whole number from 1 to 5000')
      }
      return tools.withClinic((clinic) => reindex(clinic, limit, tools))
    })
}

async function reindex({ store, gateway }: OpenClinic, limit: number, { say, commandLine }: CommandTools) {
  const before = await store.reindexLeft()
  if (before.parameters.length === 0) {
    say({ reindexed: 0, unreadable: 0, parameters: [] }, 'The index of every search parameter is complete')
    return
  }
  const show = createBar(before.left)
  let [done, unreadable] = [0, 0]
  for (let building = true; building; ) {
    const step = await store.reindex(limit)
    done += step.done
    unreadable += step.unreadable
    show(step.left)
    building = step.parameters.length > 0
  }
  await gateway.tell({
    kind: 'configuration',
    outcome: 'success',
    outcomeText: `search index built anew: ${before.parameters.length} parameters`,
    caller: commandLine,
    requestId: crypto.randomUUID(),
    patients: [],
    entities: [],
  })
  const unopened = unreadable > 0 ? `; ${unreadable} of them no key opens any more` : ''
  say(
    { reindexed: done, unreadable, parameters: before.parameters },
    `Indexed ${done} resources by ${before.parameters.join(', ')}${unopened}`,
  )
}

/** A bar that moves on a terminal; a line for each tenth elsewhere. */
function createBar(total: number): (left: number) => void {
  const terminal = process.stderr.isTTY === true
  let told = -1
  return (left) => {
    const share = total === 0 ? 1 : Math.max(0, Math.min(1, 1 - left / total))
    const tenth = Math.floor(share * 10)
    if (!terminal && tenth === told) return
    told = tenth
    const filled = Math.round(share * width)
    const bar = `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${Math.floor(share * 100)} % ${left} resources left`
    process.stderr.write(terminal ? `\r${bar.padEnd(width + 40)}${left === 0 ? '\n' : ''}` : `${bar}\n`)
  }
}

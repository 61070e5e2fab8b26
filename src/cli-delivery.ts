// Node only: the `destination` and `deliveries` commands of the command line.
import type { Command } from 'commander'
import type { Destination } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import type { CircuitState } from '#outbound/circuit.ts'
import { registerDestination } from '#outbound/destinations.ts'
import { pausedDestinations, setPaused } from '#outbound/pause.ts'
import type { CommandTools } from './cli-audit.ts'
import { type OpenClinic, systemPorts } from './node.ts'

interface DeliveryTools extends CommandTools {
  looked(gateway: OpenClinic['gateway'], outcomeText: string, patients?: readonly Reference[]): Promise<void>
  readJson(file: string): unknown
}

export function addDeliveryCommands(program: Command, tools: DeliveryTools): void {
  addDestinationCommands(program, tools)
  addOutboxCommands(program, tools)
}

function addDestinationCommands(program: Command, tools: DeliveryTools): void {
  const { withClinic, say, commandLine } = tools
  const destination = program.command('destination').description('systems that receive')
  destination
    .command('add <file>')
    .description('register a destination from a JSON file (docs/destinations.md)')
    .action((file: string) =>
      withClinic(async ({ gateway, store }) => {
        const ports = { store, audit: gateway.audit, ...systemPorts }
        const registered = await registerDestination(ports, tools.readJson(file), commandLine)
        say({ registered: registered.id }, `Registered destination ${registered.id}`)
      }),
    )
  destination
    .command('list')
    .description('registered destinations, and which of them are paused or give no answer')
    .action(() =>
      withClinic(async ({ gateway, store }) => {
        await tools.looked(gateway, 'destinations listed')
        const states = await statesOf(store)
        const rows = (await destinationsOf(store)).map(({ id, name, role, active, channel }) => ({
          id,
          name,
          role,
          channel: channel.kind,
          state: active ? (states.get(id) ?? 'open for deliveries') : 'off',
        }))
        say(rows, rows.map((row) => Object.values(row).join('\t')).join('\n'))
      }),
    )
  for (const [verb, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const)
    destination
      .command(`${verb} [ids...]`)
      .description(paused ? 'hold back what is queued for it; nothing is lost' : 'let it go on')
      .option('--all', 'every registered destination')
      .action((ids: string[], options: { all?: true }) =>
        withClinic(async ({ gateway, store }) => {
          const named = options.all ? (await destinationsOf(store)).map(({ id }) => id) : ids
          if (named.length === 0) throw new Failure('invalid', 'Name a destination, or give --all')
          const ports = { store, audit: gateway.audit, ...systemPorts }
          await setPaused(ports, named, paused, commandLine)
          say({ [`${verb}d`]: named }, `${paused ? 'Paused' : 'Resumed'} ${named.join(', ')}`)
        }),
      )
}

function addOutboxCommands(program: Command, { withClinic, say, commandLine, looked }: DeliveryTools): void {
  const deliveries = program.command('deliveries').description('the outbox')
  deliveries
    .command('list')
    .option('--limit <count>', 'newest first', '50')
    .action((options: { limit: string }) =>
      withClinic(async ({ gateway, store }) => {
        const limit = Number(options.limit)
        if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
          throw new Failure('invalid', '--limit is a whole number from 1 to 10000')
        }
        const states = await statesOf(store)
        const rows = (await store.deliveries(limit)).map((row) => {
          const held = row.state === 'queued' ? states.get(row.destination) : undefined
          return { ...row, ...(held ? { held } : {}) }
        })
        const patients = [...new Set(rows.flatMap(({ patient }) => patient ?? []))]
        await looked(gateway, 'deliveries listed', patients)
        const lines = rows.map(({ id, destination, state, attempt, reason = '', held }) =>
          [id, destination, state, `attempt ${attempt}`, reason, ...(held ? [held] : [])].join('\t'),
        )
        say(rows, lines.join('\n'))
      }),
    )
  deliveries
    .command('replay <id>')
    .description('take a dead, stopped or held delivery up again')
    .action((id: string) =>
      withClinic(async ({ gateway, store }) => {
        const act = { kind: 'configuration', outcome: 'success', outcomeText: 'delivery replayed' } as const
        const at = Date.now()
        const told = { ...act, at, caller: commandLine, requestId: crypto.randomUUID() }
        await store.requeueDelivery(id, at, gateway.audit.record({ ...told, patients: [], entities: [] }))
        say({ replayed: id }, `Delivery ${id} is queued again`)
      }),
    )
}

async function destinationsOf(store: Store): Promise<Destination[]> {
  return (await store.registrations('destination')).map(({ json }) => JSON.parse(json) as Destination)
}

/** Why a destination gets nothing now, in words. */
async function statesOf(store: Store): Promise<Map<string, string>> {
  const circuits = (await store.registrations('circuit')).map(({ id, json }) => {
    const { trips, until } = JSON.parse(json) as CircuitState
    return [id, trips, until] as const
  })
  return new Map([
    ...circuits
      .filter(([, trips]) => trips > 0)
      .map(
        ([id, trips, until]) =>
          [id, `no answer (${trips}), tried again at ${new Date(until).toISOString()}`] as const,
      ),
    ...(await pausedDestinations(store)).map((id) => [id, 'paused'] as const),
  ])
}

// Node only: the `keys` commands of the command line.
import type { Command } from 'commander'
import { readConfig } from '#config.ts'
import { Failure } from '#core/failure.ts'
import { addActiveKey, removeKey } from '#vault/file-keyring.ts'
import { countWraps, rewrapAll } from '#vault/rewrap.ts'
import type { CommandTools } from './cli-audit.ts'
import type { OpenClinic } from './node.ts'

export function addKeyCommands(program: Command, tools: CommandTools): void {
  const { withClinic } = tools
  const keys = program.command('keys').description('the key-encryption keys')
  keys
    .command('list')
    .description('which keys there are, which one wraps, and how many data keys each still opens')
    .action(() => withClinic((clinic) => list(clinic, tools)))
  keys
    .command('rotate')
    .description('wrap with a fresh key from now on, and wrap every data key anew; the gateway keeps running')
    .action(() =>
      withClinic(async (clinic) => {
        const id = addActiveKey(requireFolder())
        await told(clinic, tools, `key added and active: ${id}`)
        await rewrap(clinic, tools)
      }),
    )
  keys
    .command('rewrap')
    .description('wrap every data key under the active key: goes on where a rotation was broken off')
    .action(() => withClinic((clinic) => rewrap(clinic, tools)))
  keys
    .command('retire <id>')
    .description('take a key out of the keyring; refused while a data key still needs it')
    .action((id: string) => withClinic((clinic) => retire(clinic, id, tools)))
}

async function list({ keyring, keys }: OpenClinic, { say }: CommandTools): Promise<void> {
  const wraps = await countWraps(keys)
  const ids = new Set([...keyring.keys.keys(), ...wraps.keys()])
  const rows = [...ids].map((id) => ({
    id,
    state: id === keyring.active ? 'active' : keyring.keys.has(id) ? 'opens' : 'missing',
    wraps: wraps.get(id) ?? 0,
  }))
  say(rows, rows.map((row) => `${row.id}\t${row.state}\t${row.wraps} data keys`).join('\n'))
}

async function rewrap(clinic: OpenClinic, tools: CommandTools): Promise<void> {
  const ports = { clinic: readConfig(process.env).clinic, keyring: clinic.keyring, keys: clinic.keys }
  const done = await rewrapAll(ports, ({ seen, rewrapped }) =>
    process.stderr.write(`${seen} data keys looked at, ${rewrapped} wrapped anew\n`),
  )
  const { active } = clinic.keyring
  await told(clinic, tools, `data keys wrapped anew under ${active}: ${done.rewrapped}`)
  tools.say({ active, ...done }, `All ${done.seen} data keys are wrapped by ${active}`)
}

async function retire(clinic: OpenClinic, id: string, tools: CommandTools): Promise<void> {
  const folder = requireFolder()
  const needed = (await countWraps(clinic.keys)).get(id) ?? 0
  if (needed > 0)
    throw new Failure('conflict', `${needed} data keys still need ${id}: postern keys rewrap, then retire it`)
  removeKey(folder, id)
  await told(clinic, tools, `key retired: ${id}`)
  tools.say({ retired: id }, `${id} is out of the keyring; destroy its copies too`)
}

/** A keyring in the environment is changed where the environment is set. */
function requireFolder(): string {
  const { keyring, keyringJson } = readConfig(process.env)
  if (keyringJson === undefined) return keyring
  throw new Failure(
    'conflict',
    'The keyring stands in POSTERN_KEYRING_JSON: change it there, restart, then postern keys rewrap',
  )
}

function told({ gateway }: OpenClinic, { commandLine }: CommandTools, outcomeText: string): Promise<void> {
  return gateway.tell({
    kind: 'configuration',
    outcome: 'success',
    outcomeText,
    caller: commandLine,
    requestId: crypto.randomUUID(),
    patients: [],
    entities: [],
  })
}

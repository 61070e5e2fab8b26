// Node only: the `issuer` commands of the command line.
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { issuerOf, registerIssuer } from '#auth/issuers.ts'
import { Failure } from '#core/failure.ts'
import { parseJson } from '#formats/json.ts'
import type { CommandTools } from './cli-audit.ts'
import type { OpenClinic } from './node.ts'

export function addIssuerCommands(program: Command, tools: CommandTools): void {
  const { withClinic, say, commandLine: caller } = tools
  const issuer = program.command('issuer').description('authorization servers whose people are let in')
  issuer
    .command('add <file>')
    .description('register an outside issuer, or replace its registration, from a JSON file (docs/access.md)')
    .action((file: string) =>
      withClinic(async (clinic) => {
        const stored = await register(clinic, parseJson(readFileSync(file, 'utf8')), tools)
        say({ registered: stored.issuer }, `Registered ${stored.issuer}`)
      }),
    )
  issuer
    .command('list')
    .description('registered issuers')
    .action(() =>
      withClinic(async ({ gateway, store }) => {
        const act = { kind: 'read', outcome: 'success', outcomeText: 'issuers listed', caller } as const
        await gateway.tell({ ...act, requestId: crypto.randomUUID(), patients: [], entities: [] })
        const rows = (await store.registrations('issuer')).map(({ json }) => JSON.parse(json))
        const lines = rows.map((row) => `${row.issuer}\t${row.active ? 'active' : 'off'}\t${row.name}`)
        say(rows, lines.join('\n'))
      }),
    )
  issuer
    .command('disable <issuer>')
    .description('refuse its tokens from the next request on')
    .action((name: string) =>
      withClinic(async (clinic) => {
        const standing = await issuerOf(clinic.store, name)
        if (!standing) throw new Failure('not-found', `There is no issuer ${name}`)
        await register(clinic, { ...standing, active: false }, tools)
        say({ disabled: name }, `Tokens of ${name} are refused from now on`)
      }),
    )
}

function register(
  { store, gateway }: OpenClinic,
  registration: unknown,
  { commandLine: caller }: CommandTools,
) {
  const by = { caller, requestId: crypto.randomUUID(), at: Date.now() }
  return registerIssuer(store, gateway.audit, registration, by)
}

// Node only: the `person` and `app` commands of the command line.
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { appOf, registerApp } from '#auth/apps/app.ts'
import type { Account } from '#auth/people/account.ts'
import {
  type Ending,
  type Invitation,
  inviteAgain,
  invitePerson,
  signOutEverywhere,
} from '#auth/people/invite.ts'
import { Failure } from '#core/failure.ts'
import { parseJson } from '#formats/json.ts'
import type { CommandTools } from './cli-audit.ts'
import { type OpenClinic, systemPorts } from './node.ts'

/** Who signs in at this gateway itself, and through which apps. */
export function addPeopleCommands(program: Command, tools: CommandTools): void {
  addPersonCommands(program, tools)
  addAppCommands(program, tools)
}

function addPersonCommands(program: Command, tools: CommandTools): void {
  const { withClinic, say } = tools
  const person = program.command('person').description('people who sign in at this gateway itself')
  const told = ({ account, code }: Invitation, { gateway }: OpenClinic) => {
    const { authorization_endpoint: endpoint } = gateway.auth.discovery() as {
      authorization_endpoint: string
    }
    const page = endpoint.replace(/authorize$/, 'invitation')
    say({ account, code, page }, `Account ${account}\nAt ${page}, good once within three days: ${code}`)
  }
  person
    .command('invite <person>')
    .description('an invitation to make a passkey, or to sign in by codes, for a person on record here')
    .requiredOption(
      '--role <role>',
      'clinician, prescriber, pharmacist, patient, proxy, operator, auditor, …',
    )
    .option('--organization <reference>', 'Organization/… on whose behalf staff act')
    .option('--purpose <code>', 'purpose of use of the sessions', 'TREAT')
    .option('--grant <grants>', 'special permissions, separated by commas', '')
    .action((reference: string, options: Record<string, string>) =>
      withClinic(async (clinic) => {
        const { role, organization, purpose, grant } = options
        const grants = (grant ?? '').split(',').filter(Boolean)
        const asked = { person: reference, role, purpose, grants, ...(organization ? { organization } : {}) }
        told(await invitePerson(portsOf(clinic), asked, byOf(tools)), clinic)
      }),
    )
  person
    .command('invite-again <account>')
    .description('one more way to sign in, for a person who lost a device')
    .action((account: string) =>
      withClinic(async (clinic) => told(await inviteAgain(portsOf(clinic), account, byOf(tools)), clinic)),
    )
  person
    .command('list')
    .description('accounts: whose they are, and how they sign in')
    .action(() =>
      withClinic(async ({ gateway, store }) => {
        await looked(gateway, 'accounts listed', tools)
        const accounts = (await store.registrations('account')).map(({ json }) => JSON.parse(json) as Account)
        const rows = accounts.map(({ id, person: of, role, active, passkeys, totp }) => ({
          ...{ id, person: of, role, active },
          passkeys: passkeys.length,
          codes: totp !== undefined,
        }))
        const lines = rows.map((row) => Object.values(row).join('\t'))
        say(rows, lines.join('\n'))
      }),
    )
  const end = (name: string, description: string, how: Ending, done: string) =>
    person
      .command(`${name} <account>`)
      .description(description)
      .action((account: string) =>
        withClinic(async (clinic) => {
          await signOutEverywhere(portsOf(clinic), account, how, byOf(tools))
          say({ account, done }, `Account ${account}: ${done}`)
        }),
      )
  end('sign-out', 'end every sign-in and every app’s grant of a person', {}, 'signed out everywhere')
  end(
    'forget-devices',
    'take away every way to sign in, for a person who lost a device, and sign out; then invite-again',
    { forgetDevices: true },
    'devices forgotten',
  )
  end('disable', 'refuse a person from the next request on', { disable: true }, 'disabled')
}

function addAppCommands(program: Command, tools: CommandTools): void {
  const { withClinic, say } = tools
  const app = program.command('app').description('apps that people use this gateway with (SMART App Launch)')
  app
    .command('add <file>')
    .description('register an app, or replace its registration, from a JSON file (docs/access.md)')
    .action((file: string) =>
      withClinic(async ({ store, gateway }) => {
        const { id } = await registerApp(
          store,
          gateway.audit,
          parseJson(readFileSync(file, 'utf8')),
          byOf(tools),
        )
        say({ registered: id }, `Registered app ${id}`)
      }),
    )
  app
    .command('list')
    .description('registered apps')
    .action(() =>
      withClinic(async ({ gateway, store }) => {
        await looked(gateway, 'apps listed', tools)
        const rows = (await store.registrations('app')).map(({ json }) => JSON.parse(json))
        const lines = rows.map((row) => `${row.id}\t${row.active ? 'active' : 'off'}\t${row.name}`)
        say(rows, lines.join('\n'))
      }),
    )
  app
    .command('disable <id>')
    .description('refuse an app from its next request on')
    .action((id: string) =>
      withClinic(async ({ store, gateway }) => {
        const standing = await appOf(store, id)
        if (!standing) throw new Failure('not-found', `There is no app ${id}`)
        await registerApp(store, gateway.audit, { ...standing, active: false }, byOf(tools))
        say({ disabled: id }, `App ${id} is refused from now on`)
      }),
    )
}

function portsOf({ store, gateway }: OpenClinic) {
  return { store, audit: gateway.audit, clock: systemPorts.clock }
}

function byOf({ commandLine: caller }: CommandTools) {
  return { caller, requestId: crypto.randomUUID(), at: systemPorts.clock.now() }
}

function looked(gateway: OpenClinic['gateway'], outcomeText: string, { commandLine: caller }: CommandTools) {
  const act = { kind: 'read', outcome: 'success', outcomeText, caller } as const
  return gateway.tell({ ...act, requestId: crypto.randomUUID(), patients: [], entities: [] })
}

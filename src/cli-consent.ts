import type { Command } from 'commander'
import type { Caller } from '#core/caller.ts'
import { explainOnRecord } from '#inbound/access-routes.ts'
import type { OpenClinic } from './node.ts'

export interface ConsentCommandPorts {
  withClinic(act: (clinic: OpenClinic) => Promise<void>): Promise<void>
  say(value: unknown, text: string): void
  /** Who works here, for the log. */
  commandLine: Caller
}

/** `postern consent …`: why somebody may or may not see something. */
export function addConsentCommands(
  program: Command,
  { withClinic, say, commandLine }: ConsentCommandPorts,
): void {
  const consent = program.command('consent').description('who may see what, and why')
  consent
    .command('explain <client> <resource>')
    .description('may a client see a resource (Type/id), and which rules and consents say so')
    .option('--interaction <name>', 'read, vread, history, search, update, delete', 'read')
    .option('--purpose <code>', 'purpose of use; the client’s first where not given')
    .action((client: string, resource: string, options: { interaction: string; purpose?: string }) =>
      withClinic(async ({ gateway, store }) => {
        // Who holds the keyring can read everything; asking is a privacy officer's act all the same.
        const caller: Caller = { ...commandLine, role: 'privacy-officer' }
        const ports = { store, access: gateway.access, audit: gateway.tell }
        const by = { caller, requestId: crypto.randomUUID() }
        const told = await explainOnRecord(ports, { client, resource, ...options }, by)
        const lines = [
          `${told.client} ${told.permit ? 'may' : 'may not'} ${told.interaction} ${told.resource} for ${told.purpose}`,
          `rules     ${told.reasons.join(', ')} (${told.rules})`,
          `consents  ${told.consents.join(', ') || 'none'}`,
          `hidden    ${told.hidden.join(', ') || 'nothing'}`,
        ]
        say(told, lines.join('\n'))
      }),
    )
}

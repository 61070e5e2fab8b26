import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { registerClient } from '#auth/clients.ts'
import { readConfig } from '#config.ts'
import type { Caller, Role } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import { createTokens } from '#outbound/token.ts'
import { addAuditCommands } from './cli-audit.ts'
import { addBackupCommands } from './cli-backup.ts'
import { addCodeCommands } from './cli-codes.ts'
import { addConsentCommands } from './cli-consent.ts'
import { addDeliveryCommands } from './cli-delivery.ts'
import { addEraseCommands } from './cli-erase.ts'
import { addEvidenceCommands } from './cli-evidence.ts'
import { addHl7Commands } from './cli-hl7.ts'
import { addIssuerCommands } from './cli-issuers.ts'
import { addKeyCommands } from './cli-keys.ts'
import { addMapCommands } from './cli-map.ts'
import { addMappingCommands } from './cli-mapping.ts'
import { addPatientCommands } from './cli-patients.ts'
import { addPeopleCommands } from './cli-people.ts'
import { addReindexCommand } from './cli-reindex.ts'
import { type OpenClinic, openClinic, startClinic, systemPorts } from './node.ts'

/*
 * The command line. It works on the clinic that the POSTERN_ variables name, beside a running gateway if need be:
 * everything it changes goes through the same commit and the same log. Exit codes: 0 done, 1 refused or found wanting,
 * 2 not understood.
 */

const program = new Command('postern')
  .description('A FHIR R4 gateway for confidential patient messaging')
  .option('--json', 'print JSON')
  .exitOverride()

program
  .command('start')
  .description('open the doors: HTTP, MLLP where POSTERN_MLLP_PORT is set, deliveries')
  .action(async () => {
    const clinic = await startClinic(readConfig(process.env))
    say({ listening: clinic.baseUrl, mllp: clinic.mllpPort }, `Postern listens at ${clinic.baseUrl}`)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void clinic.close())
  })

const client = program.command('client').description('systems that may call')
client
  .command('add <id>')
  .description('register a client with its public keys')
  .requiredOption('--role <role>', 'ehr, pharmacy, platform, auditor, operator, privacy-officer')
  .option('--jwks <file>', 'public keys, a JWK Set')
  .option('--jwks-url <address>', 'where the client keeps its public keys itself, https')
  .requiredOption('--scope <scopes>', 'SMART v2 scopes, separated by spaces')
  .option('--name <name>', 'a name for people')
  .option('--organization <reference>', 'Organization/… on whose behalf it acts')
  .option('--purpose <codes>', 'purposes of use, separated by commas; the first is the default', 'TREAT')
  .option('--grant <grants>', 'special permissions, e.g. order-source, audit-source', '')
  .option('--webhook <addresses>', 'where its subscriptions may be notified: at these or below', '')
  .option('--mllp-address <addresses>', 'addresses its MLLP connections come from', '')
  .option(
    '--mllp-certificate <sha256>',
    'SHA-256 of its TLS client certificates, hex, separated by commas',
    '',
  )
  .option('--time-zone <zone>', 'IANA zone of its HL7 v2 times without offset')
  .option(
    '--unknown-patient <what>',
    'patients whom nobody knows: stub (a record is made) or queue (a person says)',
  )
  .action((id: string, options: Record<string, string>) =>
    withClinic(async ({ gateway, store }) => {
      const webhooks = options.webhook
        ? { addresses: words(options.webhook, ','), secret: webhookSecret() }
        : undefined
      await registerClient(
        store,
        gateway.audit,
        {
          id,
          name: options.name ?? id,
          role: options.role as Role,
          ...(options.organization ? { organization: options.organization as Reference } : {}),
          scopes: words(options.scope, ' '),
          purposes: words(options.purpose, ','),
          grants: words(options.grant, ','),
          jwks: options.jwks ? readJson(options.jwks) : { keys: [] },
          ...(options.jwksUrl ? { jwksUrl: options.jwksUrl } : {}),
          ...(options.unknownPatient ? { unknownPatient: options.unknownPatient } : {}),
          active: true,
          ...(webhooks ? { webhooks } : {}),
          ...(options.mllpAddress || options.mllpCertificate ? { hl7v2: mllpPartner(options) } : {}),
        },
        { caller: commandLine, requestId: crypto.randomUUID(), at: Date.now() },
      )
      const told = webhooks ? `\nNotifications are signed with ${webhooks.secret} (told this once)` : ''
      say({ registered: id, webhookSecret: webhooks?.secret }, `Registered client ${id}${told}`)
    }),
  )
client
  .command('list')
  .description('registered clients')
  .action(() =>
    withClinic(async ({ gateway, store }) => {
      await looked(gateway, 'clients listed')
      const clients = (await store.registrations('client')).map(({ json }) => JSON.parse(json))
      say(
        clients.map(({ jwks: _, webhooks, ...rest }) => ({ ...rest, webhooks: webhooks?.addresses })),
        clients
          .map(
            (each) => `${each.id}\t${each.role}\t${each.active ? 'active' : 'off'}\t${each.scopes.join(' ')}`,
          )
          .join('\n'),
      )
    }),
  )
client
  .command('disable <id>')
  .description('refuse a client from its next request on')
  .action((id: string) =>
    withClinic(async ({ gateway, store }) => {
      const json = await store.findRegistration('client', id)
      if (!json) throw new Failure('not-found', `There is no client ${id}`)
      const by = { caller: commandLine, requestId: crypto.randomUUID(), at: Date.now() }
      await registerClient(store, gateway.audit, { ...JSON.parse(json), active: false }, by)
      say({ disabled: id }, `Client ${id} is refused from now on`)
    }),
  )

program
  .command('token <client>')
  .description('an access token for a client, by private_key_jwt; for curl and for trying things out')
  .requiredOption('--key <file>', 'private JWK with kid and alg')
  .option('--url <url>', 'address of the gateway')
  .option('--scope <scopes>', 'SMART v2 scopes', 'system/*.rs')
  .action(async (id: string, options: { key: string; url?: string; scope: string }) => {
    const config = readConfig(process.env)
    const url = options.url ?? config.baseUrl ?? `http://${config.host}:${config.port}`
    const ask = {
      url: `${url}/auth/token`,
      clientId: id,
      scope: options.scope,
      key: readJson<Record<string, unknown>>(options.key),
    }
    const token = await createTokens(systemPorts).find(ask, AbortSignal.timeout(10_000))
    say({ token }, token)
  })

/** Whoever may read the keyring may do this; the log tells that it was done here. */
const commandLine: Caller = {
  clientId: 'command-line',
  name: `command line (${process.env.USER ?? 'unknown user'})`,
  role: 'operator',
  scopes: [],
  actors: [],
  purpose: 'HOPERAT',
  grants: [],
}

/** Who looks at the command line is told to the log as at any other door. */
function looked(gateway: OpenClinic['gateway'], outcomeText: string, patients: readonly Reference[] = []) {
  const requestId = crypto.randomUUID()
  return gateway.tell({
    kind: 'read',
    outcome: 'success',
    outcomeText,
    caller: commandLine,
    requestId,
    patients,
    entities: [],
  })
}

async function withClinic(act: (clinic: OpenClinic) => Promise<void>): Promise<void> {
  const config = readConfig(process.env)
  const clinic = await openClinic(config, config.baseUrl ?? `http://${config.host}:${config.port}`)
  try {
    await act(clinic)
  } finally {
    await clinic.close()
  }
}

function say(value: unknown, text: string): void {
  process.stdout.write(`${program.opts().json ? JSON.stringify(value, null, 2) : text}\n`)
}

function readBytes(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file))
  } catch (cause) {
    throw new Failure('not-found', `The file ${file} cannot be read`, { cause })
  }
}

function readJson<T>(file: string): T {
  try {
    return JSON.parse(new TextDecoder().decode(readBytes(file))) as T
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('malformed', `The file ${file} is not JSON`, { cause })
  }
}

function mllpPartner({ mllpAddress, mllpCertificate, timeZone }: Record<string, string>) {
  const addresses = words(mllpAddress, ',')
  const certificates = words(mllpCertificate, ',').map((each) => each.replaceAll(':', '').toLowerCase())
  return {
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(certificates.length > 0 ? { certificates } : {}),
    timeZone,
  }
}

/** Key of a client's webhooks: 32 random bytes, in the form of Standard Webhooks. */
function webhookSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`
}

function words(text: string | undefined, separator: string): string[] {
  return (text ?? '')
    .split(separator)
    .map((word) => word.trim())
    .filter(Boolean)
}

addConsentCommands(program, { withClinic, say, commandLine })
addDeliveryCommands(program, { withClinic, say, commandLine, looked, readJson })
addEvidenceCommands(program, { withClinic, say, commandLine })
addHl7Commands(program, { withClinic, say, commandLine })
addAuditCommands(program, { withClinic, say, commandLine })
addIssuerCommands(program, { withClinic, say, commandLine })
addPeopleCommands(program, { withClinic, say, commandLine })
addMapCommands(program, { withClinic, say, commandLine, looked })
addCodeCommands(program, { withClinic, say, commandLine, looked })
addPatientCommands(program, { withClinic, say, commandLine })
addMappingCommands(program, { withClinic, say, commandLine, looked })
addKeyCommands(program, { withClinic, say, commandLine })
addBackupCommands(program, { withClinic, say, commandLine })
addEraseCommands(program, { withClinic, say, commandLine })
addReindexCommand(program, { withClinic, say, commandLine })

try {
  await program.parseAsync()
} catch (cause) {
  if (cause instanceof Failure) {
    const lines = cause.issues.map((issue) =>
      issue.expression ? `${issue.expression}: ${issue.text}` : issue.text,
    )
    process.stderr.write(`${lines.join('\n')}\n`)
    process.exitCode = 1
  } else if (cause instanceof Error && 'code' in cause && String(cause.code).startsWith('commander.')) {
    process.exitCode = 'exitCode' in cause && cause.exitCode === 0 ? 0 : 2
  } else {
    throw cause
  }
}

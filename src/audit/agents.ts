import type { Coding } from 'fhir/r4'
import type { Act } from '#core/act.ts'
import type { Caller, Role } from '#core/caller.ts'
import type { Reference } from '#core/resource.ts'
import { coding, type Shape, shapes } from './codes.ts'

/** This server as the events name it. */
export interface Server {
  /** Site of the audit source, e.g. the clinic's host name. */
  name: string
  /** The `Device/…` that stands for this server. */
  reference: Reference
  /** FHIR base address or host name under which it is reached. */
  address?: string
}

export interface Agents {
  /** The agents as JSON, without the brackets. */
  json: string
  /** The token-use profile that these agents meet, where a token was used. */
  tokenProfile?: string
}

/** What is asserted about a network address that is not known, where a profile wants one. */
const unknownNetwork =
  '{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}'

const systemRoles: ReadonlySet<Role> = new Set(['ehr', 'pharmacy', 'platform'])
/** Their name would be a patient's: the reference has to do. */
const unnamedRoles: ReadonlySet<Role> = new Set(['patient', 'proxy'])
/** What the server does without being asked. */
const ownActs: ReadonlySet<Act['kind']> = new Set(['start', 'configuration', 'alert'])
const person = /^(Practitioner|PractitionerRole|Patient|RelatedPerson)\//

const application = JSON.stringify(coding('dicom', '110150'))
const oauthUser = JSON.stringify(coding('userAgent', 'UserOauthAgent'))
const purposeSystem = coding('purpose', '').system

const written = new Map(
  Object.values(shapes).flatMap(({ client, server, user }) =>
    [client, server, user].map((code) => [code, JSON.stringify(code)]),
  ),
)

/**
 * Client, server and, where a person asks, user; one of them is the requestor. A token is told by its id: on the user
 * agent in the shape of OAUTHaccessTokenUse.Minimal; a system has no user agent, so the client agent takes the shape
 * of the Comprehensive variant, of which the user is optional.
 */
export function createAgents(server: Server): (act: Act, shape: Shape) => Agents {
  const serverEnd = `"who":${JSON.stringify({ reference: server.reference })},"network":${networkOf(server.address)}}`

  return (act, shape) => {
    const { caller, recipient } = act
    const user = caller && !isSystem(caller) ? caller : undefined
    const alone = !caller && ownActs.has(act.kind)
    const byServer = !user && (alone || recipient !== undefined)
    const agents = [`${typeOf(shape.server)}"requestor":${byServer},${serverEnd}`]
    if (recipient) agents.unshift(recipientAgent(recipient, shape))
    if (!recipient && !alone) agents.unshift(clientAgent(act, shape, user !== undefined))
    if (user) agents.push(userAgent(user, shape))
    return { json: agents.join(), tokenProfile: tokenProfileOf(act, user) }
  }
}

/** A system asks for itself; everybody else is a person who asks through one. */
export function isSystem({ role }: Caller): boolean {
  return systemRoles.has(role)
}

type Recipient = NonNullable<Act['recipient']>

function recipientAgent({ name, reference, address }: Recipient, shape: Shape): string {
  const who = JSON.stringify({ reference, display: name })
  return `${typeOf(shape.client)}"requestor":false,"who":${who},"network":${networkOf(address)}}`
}

/** The system that asks, or the one that a user asks through; whoever it is, where nobody is known. */
function clientAgent({ caller, network }: Act, shape: Shape, forUser: boolean): string {
  const end = `"requestor":${!forUser},"network":${networkOf(caller?.network ?? network)}`
  if (!caller) return `${typeOf(shape.client)}${end}}`
  if (forUser)
    return `${typeOf(shape.client)}"who":{"identifier":{"value":${JSON.stringify(caller.clientId)}}},${end}}`
  const type = typeOf(shape.client, caller.tokenId ? application : '')
  return `${type}"who":${systemOf(caller)},${end}${circumstances(caller)}}`
}

function userAgent(user: Caller, shape: Shape): string {
  const type = typeOf(shape.user, user.tokenId ? oauthUser : '')
  return `${type}"requestor":true,${personOf(user)}${circumstances(user)}}`
}

/** Opens an agent with its role, and with a second one that a token profile wants. */
function typeOf(code: Coding, second = ''): string {
  const first = written.get(code) ?? JSON.stringify(code)
  return `{"type":{"coding":[${first}${second && second !== first ? `,${second}` : ''}]},`
}

function tokenProfileOf({ kind, caller, recipient }: Act, user: Caller | undefined): string | undefined {
  // The server that starts is the application itself: a second one would make the client's role ambiguous.
  if (!caller?.tokenId || kind === 'start') return undefined
  if (user) return 'BasicAudit.OAUTHaccessTokenUse.Minimal'
  return recipient ? undefined : 'BasicAudit.OAUTHaccessTokenUse.Comprehensive'
}

function systemOf({ clientId, name, actors }: Caller): string {
  const reference = actors.find((actor) => actor.startsWith('Organization/') || actor.startsWith('Device/'))
  const start = reference ? `{"reference":${JSON.stringify(reference)},` : '{'
  return `${start}"identifier":{"value":${JSON.stringify(clientId)}},"display":${JSON.stringify(name)}}`
}

function personOf({ clientId, name, role, actors }: Caller): string {
  const reference = actors.find((actor) => person.test(actor))
  const named = unnamedRoles.has(role) ? undefined : name
  if (reference)
    return `"who":${JSON.stringify({ reference })}${named ? `,"name":${JSON.stringify(named)}` : ''}`
  return `"who":${JSON.stringify(named ? { display: named } : { identifier: { value: clientId } })}`
}

/** Role, token id and purpose of use of the one who asks. */
function circumstances({ role, tokenId, purpose }: Caller): string {
  const policy = tokenId ? `,"policy":[${JSON.stringify(`urn:ietf:params:oauth:jti:${tokenId}`)}]` : ''
  const use = purpose
    ? `,"purposeOfUse":[{"coding":[{"system":"${purposeSystem}","code":${JSON.stringify(purpose)}}]}]`
    : ''
  return `,"role":[{"text":"${role}"}]${policy}${use}`
}

/** Address types of https://hl7.org/fhir/R4/valueset-network-type.html: 1 machine name, 2 IP address, 5 URI. */
export function networkOf(address: string | undefined): string {
  if (!address) return unknownNetwork
  return `{"address":${JSON.stringify(address)},"type":"${networkTypeOf(address)}"}`
}

function networkTypeOf(address: string): '1' | '2' | '5' {
  if (address.includes('://')) return '5'
  return /^[\d.]+(:\d+)?$|:.*:/.test(address) ? '2' : '1'
}

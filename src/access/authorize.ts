import type { Caller, Interaction } from '#core/caller.ts'
import { patientOf, patientOfEvent } from '#core/compartment.ts'
import type { Access, AccessRequest, Decision } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Store } from '#core/ports.ts'
import type { Resource } from '#core/resource.ts'
import { subscriberOf } from '#core/subscription.ts'
import { type ConsentRequest, evaluate, refusesEmergency, type Statement } from './consent.ts'
import { isKeptMessage } from './kept-message.ts'
import { type LabelRules, labelRules } from './label-rules.ts'
import { confidentialities, createLabeller } from './labels.ts'
import { createPatientContexts } from './patient-context.ts'
import { isTreatment } from './purpose.ts'
import { redact } from './redact.ts'
import { actorsOf, isPerformer, isSelf, isTreating, mayBegin, type Setting } from './relation.ts'
import { isReview } from './review.ts'
import { findGrant, type Grant, letterOf } from './roles.ts'
import { covers } from './scopes.ts'
import { readWhole, wholeOf } from './security-context.ts'

export interface AccessOptions {
  store: Store
  clock: Clock
  /** Version of the rules, kept with every decision. */
  rules?: string
  /** What tells how sensitive data is. */
  labels?: LabelRules
}

/** Withheld even when the glass is broken (CON9). */
const veryRestricted = confidentialities.indexOf('V')

/** Work that has no patient is work all the same, a list of people is of no one patient; content without one waits unmatched, unseen by all but offices. */
const mayLackPatient: ReadonlySet<string> = new Set(['Task', 'Provenance', 'Group'])

/** The one authorize: role table ∩ scopes ∩ relation ∩ consent ∩ purpose. What no rule allows is refused. */
export function createAccess(options: AccessOptions): Access {
  const { store, clock, labels = labelRules } = options
  const rules = `${options.rules ?? 'postern-access/2'} ${labels.version}`
  const labelsOf = createLabeller(labels)
  const contexts = createPatientContexts(store)
  // A caller is one value for the life of its token, so what the token alone shows is worked out once.
  const gates = new WeakMap<Caller, Map<string, Decision>>()

  function gate(caller: Caller, interaction: Interaction, type: string): Decision {
    const known = gates.get(caller) ?? new Map<string, Decision>()
    if (known.size === 0) gates.set(caller, known)
    const key = `${interaction} ${type}`
    const decided = known.get(key)
    if (decided) return decided
    const decision = decideGate(caller, interaction, type)
    // The type comes from a URL: unknown ones are not worth remembering.
    if (decision.permit) known.set(key, decision)
    return decision
  }

  function decideGate(caller: Caller, interaction: Interaction, type: string): Decision {
    const grant = findGrant(caller.role, type, letterOf(interaction))
    if (!grant) return refuse([`role:${caller.role}`])
    if (!covers(caller.scopes, type, interaction)) return refuse([`role:${caller.role}`, 'scope'])
    return permit([`role:${caller.role}`, 'scope'], [], grant)
  }

  async function decide(request: AccessRequest): Promise<Decision> {
    const { caller, interaction, type, stored, incoming } = request
    const gated = gate(caller, interaction, type)
    const grant = findGrant(caller.role, type, letterOf(interaction))
    if (!gated.permit || !grant) return gated
    const asked = stored ?? incoming
    if (!asked) return refuse([...gated.reasons, 'absent'])
    if (asked.resourceType !== type || (incoming && incoming.resourceType !== type)) {
      return refuse([...gated.reasons, 'type'])
    }
    if (stored && isKeptMessage(stored)) return refuse([...gated.reasons, 'kept-message'])
    if (grant.condition === 'any' && !incoming) return gated
    if (grant.condition === 'subscriber') return decideSubscriber(stored, request, grant)
    const first = grant.condition === 'any' ? gated : await decideOne(asked, request, grant)
    if (!first.permit || !stored || !incoming) return first
    if (movesPatient(stored, incoming, grant)) return refuse([...first.reasons, 'subject-change'])
    return grant.condition === 'any' ? first : decideOne(incoming, request, grant)
  }

  /** Whose it is stands in what is stored: whoever makes one makes its own. */
  function decideSubscriber(stored: Resource | undefined, { caller }: AccessRequest, grant: Grant): Decision {
    const reasons = [`role:${caller.role}`, 'scope', 'subscriber']
    if (caller.breakGlass) return refuse([...reasons, 'break-glass:other-patient'])
    if (caller.inContext) return refuse([...reasons, 'launch:other-patient'])
    const isOwn =
      !stored || (stored.resourceType === 'Subscription' && subscriberOf(stored) === caller.clientId)
    return isOwn ? permit(reasons, [], grant) : refuse(reasons)
  }

  /** Who has more of something than can be decided upon is shown to nobody by it; what is about others still is. */
  async function decideOne(resource: Resource, request: AccessRequest, grant: Grant): Promise<Decision> {
    try {
      return await decideByContext(resource, request, grant)
    } catch (cause) {
      if (!(cause instanceof Failure && cause.kind === 'too-costly')) throw cause
      return refuse([`role:${request.caller.role}`, 'scope', 'too-costly'])
    }
  }

  async function decideByContext(
    resource: Resource,
    request: AccessRequest,
    grant: Grant,
  ): Promise<Decision> {
    const { caller, interaction } = request
    const reasons = [`role:${caller.role}`, 'scope']
    const patient = resource.resourceType === 'AuditEvent' ? patientOfEvent(resource) : patientOf(resource)
    if (!patient && !mayLackPatient.has(resource.resourceType)) return refuse([...reasons, 'no-patient'])
    const context = patient && (await contexts.context(patient))
    const setting: Setting = { caller, patient, context, contexts, store, now: clock.now() }
    if (grant.condition === 'review') {
      return isReview(resource)
        ? permit([...reasons, 'review'], [], grant)
        : refuse([...reasons, 'not-review'])
    }
    const whole = await decideWhole(resource, caller)
    if (whole && !whole.permit)
      return refuse([...reasons, 'security-context', ...whole.reasons], whole.consents)
    if (grant.condition === 'self') {
      reasons.push('self')
      return isSelf(setting) ? permit(reasons, [], grant) : refuse(reasons)
    }
    const { breakGlass, inContext } = caller
    if (inContext && patient !== inContext) return refuse([...reasons, 'launch:other-patient'])
    if (breakGlass && patient !== breakGlass.patient) return refuse([...reasons, 'break-glass:other-patient'])
    if (breakGlass && grant.condition === 'own' && isRead(interaction)) {
      return decideEmergency(resource, setting, grant, reasons)
    }
    const statement = consentFor(resource, setting, interaction)
    if (statement.statement === 'deny') {
      return refuse([...reasons, ...statement.reasons], statement.consents)
    }
    if (whole) return permit([...reasons, 'security-context', ...whole.reasons], whole.consents, grant)
    return decideRelated(resource, { setting, grant, statement, reasons, interaction })
  }

  /** About a file that is a part of another resource: what would be said of reading that one, all of it. */
  async function decideWhole(part: Resource, caller: Caller): Promise<Decision | undefined> {
    const reference = wholeOf(part)
    if (!reference) return undefined
    const whole = await readWhole(store, reference, part)
    if (!whole) return refuse(['absent'])
    const decision = await decide({ caller, interaction: 'read', type: whole.resourceType, stored: whole })
    return decision.fields ? refuse([...decision.reasons, 'narrowed'], decision.consents) : decision
  }

  /** The glass is broken: no relation and no consent is asked, but a refusal of emergencies holds, and V stays shut. */
  function decideEmergency(resource: Resource, setting: Setting, grant: Grant, reasons: string[]): Decision {
    const request = requestOf(setting, true)
    const { consents: own = [], others = [] } = setting.context ?? {}
    const consents = refusesEmergency([...own, ...others.flat()], request, resource)
    if (consents.length > 0) return refuse([...reasons, 'break-glass', 'consent:deny'], consents)
    if (labelsOf(resource).level >= veryRestricted) return refuse([...reasons, 'break-glass:very-restricted'])
    return permit([...reasons, 'break-glass'], [], grant)
  }

  async function decideRelated(
    resource: Resource,
    { setting, grant, statement, reasons, interaction }: Relating,
  ): Promise<Decision> {
    const { consents } = statement
    // Somebody's proxy is only who is named: a permit of a purpose to everybody makes nobody a proxy.
    const consented = statement.statement === 'permit' && (grant.condition !== 'consent' || statement.named)
    // A permit opens what is there; it makes nobody an author.
    if (consented && isRead(interaction) && (grant.condition === 'own' || grant.condition === 'consent')) {
      return permit([...reasons, ...statement.reasons], consents, grant)
    }
    if (grant.condition === 'consent') return refuse([...reasons, ...statement.reasons])
    const relation = grant.condition === 'own' ? 'treating' : 'performer'
    const isNew = grant.condition === 'own' && interaction === 'create' && setting.patient !== undefined
    const isTreatingParty = isNew ? () => mayBegin(resource, setting) : () => isTreating(resource, setting)
    const isRelated = grant.condition === 'own' ? isTreatingParty : () => isPerformer(resource, setting)
    if (!(await isRelated())) return refuse([...reasons, `not-${relation}`], consents)
    if (!consented && !isTreatment(setting.caller.purpose)) return refuse([...reasons, relation, 'purpose'])
    return permit([...reasons, relation, ...statement.reasons], consents, grant)
  }

  function consentFor(resource: Resource, setting: Setting, interaction: Interaction): Statement {
    // Consent governs disclosure. Who hands something in learns nothing by it, and a fact that happened is not lost.
    if (!setting.context || interaction === 'create') return notAsked
    const asked = requestOf(setting, isRead(interaction))
    // Merging two records must show nobody more than before: of the other ones only what they refuse counts.
    for (const consents of setting.context.others) {
      const statement = evaluate(consents, asked, resource)
      if (statement.statement === 'deny')
        return { ...statement, reasons: [...statement.reasons, 'merged-record'] }
    }
    return evaluate(setting.context.consents, asked, resource)
  }

  function requestOf(setting: Setting, reads: boolean): ConsentRequest {
    const { purpose } = setting.caller
    return { actors: actorsOf(setting), purpose, now: setting.now, reads, labelsOf }
  }

  function permit(reasons: string[], consents: string[], { fields }: Grant): Decision {
    return { permit: true, reasons, consents, rules, ...(fields ? { fields } : {}) }
  }

  function refuse(reasons: string[], consents: string[] = []): Decision {
    return { permit: false, reasons, consents, rules }
  }

  return { gate, decide, redact, recordsOf: async (patient) => (await contexts.context(patient)).records }
}

interface Relating {
  setting: Setting
  grant: Grant
  statement: Statement
  reasons: string[]
  interaction: Interaction
}

const notAsked: Statement = Object.freeze({ statement: 'none', named: false, consents: [], reasons: [] })

function isRead(interaction: Interaction): boolean {
  return letterOf(interaction) === 'r' || letterOf(interaction) === 's'
}

/** What is about one patient never becomes about another; an office may match what had none. */
function movesPatient(stored: Resource, incoming: Resource, grant: Grant): boolean {
  const before = patientOf(stored)
  if (before === undefined && grant.condition === 'any') return false
  return before !== patientOf(incoming)
}

import type { Reference, Resource } from '#core/resource.ts'
import { dataRank, fitsDatum } from './consent-datum.ts'
import type { ConsentRule, Provision } from './consent-rule.ts'
import { holds } from './interval.ts'
import type { Labeller } from './labels.ts'
import { isEmergency, permitsPurpose, refusesPurpose } from './purpose.ts'

/** Who asks, for what: the part of a request that a consent speaks about. */
export interface ConsentRequest {
  /** Everything the caller is or belongs to: organization, persons, care teams, groups. */
  actors: readonly Reference[]
  purpose: string
  /** Milliseconds since the epoch. */
  now: number
  /** Only looking; a consent with `action` permits that much at the most. */
  reads?: boolean
  /** What tells how sensitive data is; the labels that were sent with it, where not given. */
  labelsOf?: Labeller
}

export interface Statement {
  statement: 'permit' | 'deny' | 'none'
  /** It names who asks, or a body they belong to, rather than everybody. */
  named: boolean
  /** Consents that spoke with this voice. */
  consents: string[]
  reasons: string[]
}

const silence: Statement = Object.freeze({
  statement: 'none',
  named: false,
  consents: [],
  reasons: ['consent:none'],
})

/** What one consent says about one resource, and how much weight it has. */
interface Voice extends Rank {
  permits: boolean
  dated: number
  reference: Reference
  reason: string
}

/**
 * What a patient's consents say to a request for a resource: the rules of IHE PCF made total
 * (https://profiles.ihe.net/ITI/PCF/volume-1.html#1:53.4). Several consents: the more specific about data, then about
 * the actor, then the later; between equals the refusal. `none` leaves it to the implicit policy.
 */
export function evaluate(
  consents: readonly ConsentRule[],
  request: ConsentRequest,
  datum: Resource,
): Statement {
  if (consents.length === 0) return silence
  let loudest: Voice[] = []
  for (const consent of consents) {
    const voice = voiceOf(consent, request, datum)
    if (!voice) continue
    const difference = loudest[0] ? compare(voice, loudest[0]) : 1
    if (difference > 0) loudest = [voice]
    else if (difference === 0) loudest.push(voice)
  }
  const first = loudest[0]
  if (!first) return silence
  const refusals = loudest.filter((voice) => !voice.permits)
  const deciding = refusals.length > 0 ? refusals : loudest
  return {
    statement: refusals.length > 0 ? 'deny' : 'permit',
    named: first.actor > 0,
    consents: deciding.map((voice) => voice.reference).sort(),
    reasons: [...new Set(deciding.map((voice) => voice.reason))].sort(),
  }
}

/**
 * Consents that refuse this data to this caller even in an emergency, by naming one: an ordinary refusal is what the
 * glass is broken for.
 */
export function refusesEmergency(
  consents: readonly ConsentRule[],
  request: ConsentRequest,
  datum: Resource,
): Reference[] {
  return consents.flatMap(({ reference, inForce, period, root }) => {
    if (!root || !inForce || !holds(period, request.now)) return []
    const refuses = [root, ...root.exceptions].some(
      (provision) =>
        !provision.permits &&
        provision.purposes?.some(isEmergency) &&
        applicability(provision, request) !== undefined &&
        fitsDatum(provision, datum, request.labelsOf),
    )
    return refuses ? [reference] : []
  })
}

function voiceOf(consent: ConsentRule, request: ConsentRequest, datum: Resource): Voice | undefined {
  const { reference, dated, root } = consent
  if (!consent.inForce || !holds(consent.period, request.now)) return undefined
  if (!root) {
    const weight = Number.POSITIVE_INFINITY
    const reason = 'consent:not-computable'
    return { permits: false, data: weight, actor: weight, dated: weight, reference, reason }
  }
  const say = (permits: boolean, data: number, actor: number): Voice => ({
    permits,
    data,
    actor,
    dated,
    reference,
    reason: permits ? 'consent:permit' : 'consent:deny',
  })
  return exceptionVoice(root, request, datum, say) ?? rootVoice(root, request, datum, say)
}

interface Rank {
  data: number
  actor: number
}

type Say = (permits: boolean, data: number, actor: number) => Voice

/**
 * Nested provisions are exceptions, each by its own `type` (a permit below a permit adds, it does not turn round),
 * and they may match where the root does not. A refusal among them wins unless the permit names the actor more closely.
 */
function exceptionVoice(root: Provision, request: ConsentRequest, datum: Resource, say: Say) {
  let permit: Rank | undefined
  let refusal: Rank | undefined
  for (const exception of root.exceptions) {
    const actor = applicability(exception, request, root)
    if (actor === undefined || !fitsDatum(exception, datum, request.labelsOf)) continue
    const rank = { data: dataRank(exception), actor }
    if (exception.permits) permit = highest(permit, rank)
    else refusal = highest(refusal, rank)
  }
  if (permit && (!refusal || permit.actor > refusal.actor)) return say(true, permit.data, permit.actor)
  if (!refusal) return undefined
  // A refusal added below a refusal must not make the whole weaker than it was.
  const below = rootVoice(root, request, datum, say)
  const { data, actor } = below && !below.permits ? highest<Rank>(below, refusal) : refusal
  return say(false, data, actor)
}

function rootVoice(root: Provision, request: ConsentRequest, datum: Resource, say: Say): Voice | undefined {
  const actor = applicability(root, request)
  if (actor !== undefined && fitsDatum(root, datum, request.labelsOf))
    return say(root.permits, dataRank(root), actor)
  if (!root.permits) return undefined
  // Who permits some data to somebody withholds the rest from them, whichever level it was that let them in.
  if (actor !== undefined) return say(false, 0, actor)
  const admitted = root.exceptions.flatMap((exception) =>
    exception.permits ? (applicability(exception, request, root) ?? []) : [],
  )
  return admitted.length > 0 ? say(false, 0, Math.max(...admitted)) : undefined
}

/**
 * Whether a provision speaks about this request at all, and how closely it names the actor; undefined when it does
 * not. A nested permit inherits what it leaves unsaid, or an exception would be wider than its rule.
 */
function applicability(provision: Provision, request: ConsentRequest, root?: Provision): number | undefined {
  const heir = provision.permits && root ? root : undefined
  if (!holds(provision.period, request.now)) return undefined
  const purposes = provision.purposes ?? heir?.purposes
  const fitsPurpose = provision.permits ? permitsPurpose : refusesPurpose
  if (purposes && !purposes.some((named) => fitsPurpose(named, request.purpose))) return undefined
  const actions = provision.actions ?? heir?.actions
  if (actions && provision.permits && !(request.reads && actions.some(isAccess))) return undefined
  const actors = provision.actors ?? heir?.actors
  if (!actors) return 0
  let closest: number | undefined
  for (const { reference, receives } of actors) {
    if (provision.permits && !receives) continue
    if (request.actors.includes(reference)) closest = Math.max(closest ?? 0, actorRank(reference))
  }
  return closest
}

function isAccess(action: string): boolean {
  return action === 'http://terminology.hl7.org/CodeSystem/consentaction|access'
}

function actorRank(reference: Reference): number {
  return /^(Organization|CareTeam|Group|HealthcareService)\//.test(reference) ? 1 : 2
}

function highest<T extends Rank>(one: T | undefined, other: T): T {
  if (!one) return other
  return (one.data - other.data || one.actor - other.actor) >= 0 ? one : other
}

function compare(one: Voice, other: Voice): number {
  return sign(one.data, other.data) || sign(one.actor, other.actor) || sign(one.dated, other.dated)
}

/** Not a difference: infinities have none. */
function sign(one: number, other: number): number {
  return one === other ? 0 : one > other ? 1 : -1
}

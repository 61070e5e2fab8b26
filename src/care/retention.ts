import type { Patient } from 'fhir/r4'
import { isKeptMessage } from '#access/kept-message.ts'
import type { Jurisdiction } from '#core/jurisdiction.ts'
import type { Identified } from '#core/resource.ts'

/** One demand of a law: what it asks counts from what was done last for the patient, or from the entry itself. */
interface Demand {
  years: number
  from: 'last-contact' | 'entry'
  /** At least until the patient's birthday of this number, where the date of birth is known. */
  untilAge?: number
  source: string
}

interface RetentionClass {
  name: string
  /** Every type that no class before it names, where absent. */
  types?: readonly string[]
  /** Which outcomes of these types are meant, by `status`; all where absent. */
  statuses?: readonly string[]
  /** What is kept as it was sent, beside what it became. */
  copies?: true
  /** The longest of them holds. None: nobody asks that it be kept. */
  keep: Readonly<Record<Jurisdiction, readonly Demand[]>>
  /** Stays as long as anything else of the patient does: without it nobody could say whose that is. */
  withTheRest?: true
}

const usRecord: Demand = {
  years: 6,
  from: 'last-contact',
  source: '45 CFR 164.316(b)(2)(i); state law may ask for more',
}
const englishRecord: Demand = {
  years: 8,
  from: 'last-contact',
  untilAge: 25,
  source: 'NHS Records Management Code, adult and children’s records',
}
const germanRecord: Demand = { years: 10, from: 'last-contact', source: '§ 630f Abs. 3 BGB' }
const nobody = { us: [], england: [], de: [], none: [] } as const
const record = { us: [usRecord], england: [englishRecord], de: [germanRecord], none: [] } as const

/** First match holds. Beside each demand stands where it comes from (docs/retention.md tells them in words). */
const retentionClasses: readonly RetentionClass[] = [
  { name: 'copy of a message as sent', types: ['Binary'], copies: true, keep: nobody },
  {
    name: 'screening that was never finished',
    types: ['QuestionnaireResponse'],
    statuses: ['in-progress', 'stopped'],
    keep: nobody,
  },
  { name: 'draft of an order', types: ['MedicationRequest'], statuses: ['draft'], keep: nobody },
  {
    name: 'message that was never sent',
    types: ['Communication', 'CommunicationRequest'],
    statuses: ['preparation', 'not-done', 'draft'],
    keep: nobody,
  },
  {
    name: 'prescription',
    types: ['MedicationRequest', 'MedicationDispense', 'MedicationAdministration', 'Task', 'DetectedIssue'],
    keep: {
      us: [{ years: 2, from: 'entry', source: '21 CFR 1304.04(a), 21 CFR 1311.305' }, usRecord],
      england: [englishRecord],
      de: [{ years: 3, from: 'entry', source: '§ 8 Abs. 5 BtMVV' }, germanRecord],
      none: [],
    },
  },
  {
    name: 'consent',
    types: ['Consent'],
    keep: {
      ...record,
      us: [{ years: 6, from: 'entry', source: '45 CFR 164.316(b)(2)(i), 45 CFR 164.508(b)(6)' }, usRecord],
    },
  },
  {
    name: 'who the patient is',
    types: ['Patient', 'RelatedPerson', 'CareTeam', 'Coverage'],
    keep: nobody,
    withTheRest: true,
  },
  { name: 'record of care', keep: record },
]

/** How long AuditEvents are kept: the accounting of disclosures reaches back so far. */
export const auditRetention = { years: 6, source: '45 CFR 164.316(b)(2)(i), 45 CFR 164.528(a)' }

export interface Kept {
  class: string
  /** Milliseconds since the epoch; may go from then on. Undefined where nobody asks that it be kept. */
  until?: number
  source?: string
  withTheRest?: true
}

export interface Circumstances {
  jurisdiction: Jurisdiction
  /** When something was last done for the patient, milliseconds since the epoch. */
  lastContact: number
  patient?: Patient
}

function classOf(resource: Identified): RetentionClass {
  const { status } = resource as { status?: string }
  const found = retentionClasses.find(
    ({ types, statuses, copies }) =>
      (types?.includes(resource.resourceType) ?? true) &&
      (statuses?.includes(status ?? '') ?? true) &&
      (!copies || isKeptMessage(resource)),
  )
  // The last class takes all.
  return found ?? { name: 'record of care', keep: record }
}

/** Until when a resource is kept, and who says so: the longest of all demands. `updated` is its last version's time. */
export function keptUntil(
  resource: Identified,
  updated: number,
  { jurisdiction, lastContact, patient }: Circumstances,
): Kept {
  const { name, keep, withTheRest } = classOf(resource)
  const ends = keep[jurisdiction].map(({ years, from, untilAge, source }) => {
    const counted = later(from === 'entry' ? updated : lastContact, years)
    const birthday = untilAge && patient?.birthDate ? later(Date.parse(patient.birthDate), untilAge) : 0
    return { until: Math.max(counted, birthday), source }
  })
  const [longest] = ends.sort((one, other) => other.until - one.until)
  return { class: name, ...longest, ...(withTheRest ? { withTheRest } : {}) }
}

/** The same day so many years on, in UTC. */
function later(at: number, years: number): number {
  const date = new Date(at)
  return date.setUTCFullYear(date.getUTCFullYear() + years)
}

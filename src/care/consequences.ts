import { type CarePorts, type Change, type Consequences, writeOf } from './change.ts'
import { consentConsequences } from './consent-change.ts'
import { dispenseConsequences } from './dispense-change.ts'
import { administrationConsequences } from './give.ts'
import { orderConsequences } from './order-change.ts'
import { subscriptionConsequences } from './subscription-change.ts'
import { taskConsequences } from './task-change.ts'
import { deliveriesOf } from './task-delivery.ts'

const rules: Readonly<Record<string, (ports: CarePorts, change: Change) => Promise<Consequences>>> = {
  MedicationRequest: orderConsequences,
  Task: taskConsequences,
  MedicationDispense: dispenseConsequences,
  MedicationAdministration: administrationConsequences,
  Consent: consentConsequences,
  Subscription: subscriptionConsequences,
}

/**
 * What else is to be stored with a write, and in what form it is stored itself: every create and update over FHIR, by
 * whatever interaction, passes here once it is valid and allowed. Throws Failure `invalid` or `conflict` to refuse it.
 */
export async function consequencesOf(ports: CarePorts, change: Change): Promise<Consequences> {
  const rule = rules[change.resource.resourceType]
  if (rule) {
    const consequences = await rule(ports, change)
    const sent = await deliveriesOf(ports, consequences.writes)
    return { ...consequences, deliveries: [...(consequences.deliveries ?? []), ...sent] }
  }
  const result = writeOf(change)
  return { result, writes: [result] }
}

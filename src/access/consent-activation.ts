import type { Consent } from 'fhir/r4'
import type { Issue } from '#core/failure.ts'
import { isComputable, labelSystems, readConsent } from './consent-rule.ts'

/** Whether a consent is in force by its own words: whatever is not is only kept. */
function isInForce(consent: Consent): boolean {
  return readConsent(consent).inForce
}

/** In force, and yet nobody but a person can say what it means: it counts as a refusal of everything. */
export function needsReading(consent: Consent): boolean {
  const rule = readConsent(consent)
  return rule.inForce && !isComputable(rule)
}

/** Labels of systems that nothing here is labelled with: such a rule would hold of nothing, or of everything (CON6). */
export function checkLabelSystems(consent: Consent): Issue[] {
  if (!isInForce(consent)) return []
  const issues: Issue[] = []
  const visit = (provision: Consent['provision'], path: string) => {
    for (const [at, { system }] of (provision?.securityLabel ?? []).entries()) {
      if (system !== undefined && labelSystems.includes(system)) continue
      issues.push({
        code: 'code-invalid',
        text: `A consent in force can name labels of ${labelSystems.join(' and ')} only.`,
        expression: `${path}.securityLabel[${at}]`,
      })
    }
    for (const [at, each] of (provision?.provision ?? []).entries()) visit(each, `${path}.provision[${at}]`)
  }
  visit(consent.provision, 'Consent.provision')
  return issues
}

/** In force and readable, and it lets somebody see something. */
export function opens(consent: Consent): boolean {
  const { inForce, root } = readConsent(consent)
  return inForce && root !== undefined && [root, ...root.exceptions].some(({ permits }) => permits)
}

/** In force, and it keeps something from somebody; what cannot be read keeps everything. */
export function restricts(consent: Consent): boolean {
  const { inForce, root } = readConsent(consent)
  return inForce && (!root || [root, ...root.exceptions].some(({ permits }) => !permits))
}

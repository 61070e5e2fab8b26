import { wholeOf } from '#access/security-context.ts'
import { withPatient } from '#core/binary-patient.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Reference, Resource } from '#core/resource.ts'
import type { Call } from '#fhir/call.ts'
import { findVisible } from '#fhir/show.ts'
import { requireSize } from './content.ts'

/**
 * A Binary belongs to a patient, by itself or by the resource it is a part of: its key and who may see it follow from
 * that, so one without is refused. Other resources pass as they are. Throws Failure `invalid` or `too-large`.
 */
export async function settled(call: Call, resource: Resource): Promise<Resource> {
  if (resource.resourceType !== 'Binary') return resource
  requireSize(resource)
  const own = withPatient(resource, undefined)
  const whole = wholeOf(own)
  if (whole) return withPatient(own, await patientOfWhole(call, whole))
  if (patientOf(own)) return own
  throw noContext()
}

async function patientOfWhole(call: Call, whole: Reference): Promise<Reference> {
  const [type = '', id = ''] = whole.split('/')
  // A file is no part of a file: of a chain of them each read would decide about all.
  if (type === 'Binary') throw noContext()
  const stored = await call.ports.store.read(type, id)
  const shown = stored && !stored.deleted ? await findVisible(call, stored, 'read') : undefined
  const patient = shown && patientOf(shown.resource)
  if (!patient) throw noContext()
  return patient
}

/** The same for what is absent and for what is hidden. */
function noContext(): Failure {
  const text =
    'A Binary says whose it is: name the patient, or a resource about one that is stored and that you may read (X-Security-Context for a file).'
  return new Failure('invalid', [{ code: 'required', text, expression: 'Binary.securityContext' }])
}

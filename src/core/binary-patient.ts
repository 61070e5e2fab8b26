import type { Binary, Extension } from 'fhir/r4'
import type { Reference } from '#core/resource.ts'

const url = 'https://postern.health/fhir/StructureDefinition/binary-patient'

/** Whose a Binary is that belongs to another resource: written by the server, since a Binary has no subject. */
export function withPatient(binary: Binary, patient: Reference | undefined): Binary {
  const { meta, ...rest } = binary
  const { extension = [], ...others } = meta ?? {}
  const kept: Extension[] = extension.filter((each) => each.url !== url)
  const all = patient ? [...kept, { url, valueReference: { reference: patient } }] : kept
  return { ...rest, meta: { ...others, ...(all.length > 0 ? { extension: all } : {}) } }
}

/** As `withPatient` wrote it. */
export function patientOfBinary({ meta }: Binary): Reference | undefined {
  const told = meta?.extension?.find((each) => each.url === url)?.valueReference?.reference
  return told as Reference | undefined
}

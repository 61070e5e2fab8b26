import { readFileSync } from 'node:fs'

/** A message of fixtures/, by `flow/case`. */
export function fixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/${name}.in.json`, import.meta.url), 'utf8')
}

/** A message with holes: `{id}` where its own id stands, `{patient}` where its patient's identifier does. */
export function templateOf(text: string): string {
  const { patient } = JSON.parse(text) as { patient: { identifier: { value: string } } }
  const value = JSON.stringify(patient.identifier.value)
  const message = { ...(JSON.parse(text) as object), id: '{id}' }
  return JSON.stringify(message).replaceAll(`"value":${value}`, '"value":"{patient}"')
}

export function fill(template: string, id: string, patient: string): string {
  return template.replaceAll('{id}', id).replaceAll('{patient}', patient)
}

/** The clinic that the message fixtures are addressed to; the EHR acts for it, so it is a treating party. */
export const ehrOrganization = {
  resourceType: 'Organization',
  identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1770504203' }],
  name: 'Northside Clinic',
}

/** Who works where and treats whom: what a platform feeds before the first message. */
export const people = [
  {
    resourceType: 'Organization',
    id: 'platform.northside',
    identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1770504203' }],
    name: 'Northside Clinic',
  },
  {
    resourceType: 'Patient',
    id: 'platform.ada',
    identifier: [{ system: 'urn:oid:2.16.840.1.113883.19.5', value: 'MRN-4711' }],
    name: [{ family: 'Okafor', given: ['Ada', 'Ngozi'] }],
    gender: 'female',
    birthDate: '1987-03-14',
  },
  {
    resourceType: 'CareTeam',
    id: 'platform.team',
    status: 'active',
    subject: { reference: 'Patient/platform.ada' },
    participant: [{ member: { reference: 'Organization/platform.northside' } }],
  },
]

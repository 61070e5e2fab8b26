function coded(system: string, code: string) {
  return { coding: [{ system, code }] }
}

const patient = { reference: 'Patient/example' }
const period = { start: '2024-05-06T07:00:00Z', end: '2024-05-06T08:00:00Z' }

/**
 * What the published examples leave out, for Inferno's must-supports and searches: orders at an encounter and told by
 * others, answers with answers below, teams, cover, implants, and who is where in what role.
 */
export const more = [
  {
    resourceType: 'MedicationRequest',
    id: 'told',
    status: 'active',
    intent: 'plan',
    category: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/medicationrequest-category',
            code: 'community',
          },
        ],
      },
    ],
    reportedBoolean: true,
    medicationCodeableConcept: { text: 'Aspirin' },
    subject: { reference: 'Patient/example' },
    encounter: { reference: 'Encounter/example-1' },
    authoredOn: '2024-05-06T07:08:09Z',
    requester: { reference: 'Patient/example' },
    reasonReference: [{ reference: 'Condition/1' }],
    extension: [{ url: 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-medication-adherence' }],
  },
  {
    resourceType: 'MedicationRequest',
    id: 'told-by',
    status: 'completed',
    intent: 'order',
    reportedReference: { reference: 'Practitioner/practitioner-2' },
    medicationCodeableConcept: { text: 'Aspirin' },
    subject: { reference: 'Patient/example' },
    encounter: { reference: 'Encounter/example-1' },
    authoredOn: '2024-05-07',
  },
  {
    resourceType: 'MedicationDispense',
    id: 'by-reference',
    status: 'completed',
    medicationReference: { reference: 'Medication/uscore-med2' },
    subject: { reference: 'Patient/example' },
  },
  {
    resourceType: 'QuestionnaireResponse',
    id: 'nested',
    identifier: { system: 'urn:answers', value: '1' },
    questionnaire: 'http://example.org/Questionnaire/nested',
    _questionnaire: {
      extension: [
        { url: 'http://hl7.org/fhir/StructureDefinition/display', valueString: 'Nested' },
        {
          url: 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-extension-questionnaire-uri',
          valueUri: 'http://example.org/nested',
        },
      ],
    },
    status: 'completed',
    subject: { reference: 'Patient/example' },
    authored: '2024-05-06T07:08:09Z',
    item: [{ linkId: '1', answer: [{ valueBoolean: true, item: [{ linkId: '1.1' }] }] }],
  },
  {
    resourceType: 'Provenance',
    id: 'whence',
    target: [
      'MedicationRequest/told',
      'MedicationDispense/meddisp0301',
      'Patient/child-example',
      'QuestionnaireResponse/nested',
      'RelatedPerson/shaw-niece',
      'CareTeam/around',
      'Coverage/plan',
      'Device/implant',
      'DocumentReference/note',
      'Encounter/visit',
    ].map((reference) => ({ reference })),
    recorded: '2024-05-06T07:08:09Z',
    agent: [
      {
        type: coded('http://terminology.hl7.org/CodeSystem/provenance-participant-type', 'author'),
        who: { reference: 'Practitioner/practitioner-2' },
        onBehalfOf: { reference: 'Organization/acme-lab' },
      },
      {
        type: coded(
          'http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type',
          'transmitter',
        ),
        who: { reference: 'Organization/acme-lab' },
        onBehalfOf: { reference: 'Organization/acme-lab' },
      },
    ],
  },
  {
    resourceType: 'CareTeam',
    id: 'around',
    status: 'active',
    subject: patient,
    participant: [
      'Practitioner/practitioner-2',
      'PractitionerRole/there',
      'RelatedPerson/shaw-niece',
      'Patient/example',
    ].map((reference) => ({ role: [coded('http://snomed.info/sct', '17561000')], member: { reference } })),
  },
  {
    resourceType: 'Coverage',
    id: 'plan',
    identifier: [
      {
        type: coded('http://terminology.hl7.org/CodeSystem/v2-0203', 'MB'),
        system: 'urn:payer',
        value: '888009335',
      },
    ],
    status: 'active',
    type: coded('https://nahdo.org/sopt', '512'),
    subscriberId: '888009335',
    beneficiary: patient,
    relationship: coded('http://terminology.hl7.org/CodeSystem/subscriber-relationship', 'self'),
    period: { start: '2024-01-01' },
    payor: [{ reference: 'Organization/acme-lab' }],
    class: ['group', 'plan'].map((kind) => ({
      type: coded('http://terminology.hl7.org/CodeSystem/coverage-class', kind),
      value: `${kind}-1`,
      name: `The ${kind}`,
    })),
  },
  {
    resourceType: 'Device',
    id: 'implant',
    udiCarrier: [
      { deviceIdentifier: '09504000059118', carrierHRF: '(01)09504000059118(17)141120(10)7654321D(21)10987' },
    ],
    status: 'active',
    distinctIdentifier: 'A9999XYZ100T0474',
    manufactureDate: '2019-03-04',
    expirationDate: '2029-03-04',
    lotNumber: '7654321D',
    serialNumber: '10987',
    type: coded('http://snomed.info/sct', '468063009'),
    patient,
  },
  {
    resourceType: 'DocumentReference',
    id: 'note',
    identifier: [{ system: 'urn:documents', value: '1' }],
    status: 'current',
    type: coded('http://loinc.org', '34117-2'),
    category: [
      coded('http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category', 'clinical-note'),
    ],
    subject: patient,
    date: '2024-05-06T07:08:09Z',
    author: [{ reference: 'Practitioner/practitioner-2' }],
    content: [
      {
        attachment: { contentType: 'text/plain', data: 'Tm90ZQ==', url: 'Binary/note' },
        format: {
          system: 'http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode',
          code: 'urn:ihe:pcc:ehr:2008',
        },
      },
    ],
    context: { encounter: [{ reference: 'Encounter/visit' }], period },
  },
  {
    resourceType: 'DocumentReference',
    id: 'wish',
    extension: [
      {
        url: 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-authentication-time',
        valueDateTime: '2024-05-06T07:08:09Z',
      },
    ],
    identifier: [{ system: 'urn:documents', value: '2' }],
    status: 'current',
    type: coded('http://loinc.org', '86533-7'),
    category: [coded('http://loinc.org', '42348-3')],
    subject: patient,
    date: '2024-05-07T07:08:09Z',
    author: [patient],
    authenticator: { reference: 'Practitioner/practitioner-2' },
    content: [{ attachment: { contentType: 'application/pdf', url: 'Binary/wish' } }],
  },
  {
    resourceType: 'Encounter',
    id: 'visit',
    meta: { lastUpdated: '2024-05-06T09:00:00.000Z' },
    identifier: [{ system: 'urn:visits', value: '1' }],
    status: 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
    type: [coded('http://www.ama-assn.org/go/cpt', '99201')],
    subject: patient,
    participant: [
      {
        type: [coded('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'PPRF')],
        period,
        individual: { reference: 'Practitioner/practitioner-2' },
      },
    ],
    period,
    reasonCode: [coded('http://snomed.info/sct', '22298006')],
    reasonReference: [{ reference: 'Condition/1' }],
    hospitalization: {
      dischargeDisposition: coded('http://terminology.hl7.org/CodeSystem/discharge-disposition', 'home'),
    },
    location: [{ location: { reference: 'Location/hospital' } }],
    serviceProvider: { reference: 'Organization/acme-lab' },
  },
  {
    resourceType: 'PractitionerRole',
    id: 'there',
    practitioner: { reference: 'Practitioner/practitioner-2' },
    organization: { reference: 'Organization/acme-lab' },
    code: [coded('http://nucc.org/provider-taxonomy', '208D00000X')],
    specialty: [coded('http://nucc.org/provider-taxonomy', '208D00000X')],
    location: [{ reference: 'Location/hospital' }],
    telecom: [{ system: 'email', value: 'there@example.org' }],
    endpoint: [{ reference: 'Endpoint/door' }],
  },
  {
    resourceType: 'Endpoint',
    id: 'door',
    status: 'active',
    connectionType: {
      system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
      code: 'direct-project',
    },
    payloadType: [coded('http://hl7.org/fhir/resource-types', 'DocumentReference')],
    address: 'mailto:there@example.org',
  },
]

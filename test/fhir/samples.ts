/** The least that a resource of each type may hold, for tests that are about what can be done with it. */
export const samples: Readonly<Record<string, { resourceType: string; [element: string]: unknown }>> = {
  Communication: { resourceType: 'Communication', status: 'completed', subject: ref('Patient/1') },
  QuestionnaireResponse: {
    resourceType: 'QuestionnaireResponse',
    status: 'completed',
    subject: ref('Patient/1'),
  },
  MedicationRequest: {
    resourceType: 'MedicationRequest',
    status: 'draft',
    intent: 'order',
    medicationCodeableConcept: { text: 'x' },
    subject: ref('Patient/1'),
  },
  MedicationDispense: {
    resourceType: 'MedicationDispense',
    status: 'completed',
    medicationCodeableConcept: { text: 'x' },
    authorizingPrescription: [ref('MedicationRequest/ehr.order')],
    quantity: { value: 1 },
    whenHandedOver: '2026-01-01',
    subject: ref('Patient/1'),
  },
  MedicationAdministration: {
    resourceType: 'MedicationAdministration',
    status: 'completed',
    medicationCodeableConcept: { text: 'x' },
    subject: ref('Patient/1'),
    effectiveDateTime: '2026-01-01',
  },
  Patient: { resourceType: 'Patient' },
  RelatedPerson: { resourceType: 'RelatedPerson', patient: ref('Patient/1') },
  Practitioner: { resourceType: 'Practitioner' },
  PractitionerRole: { resourceType: 'PractitionerRole' },
  Organization: { resourceType: 'Organization', name: 'x' },
  Medication: { resourceType: 'Medication' },
  Device: { resourceType: 'Device' },
  CareTeam: { resourceType: 'CareTeam', subject: ref('Patient/1') },
  Subscription: {
    resourceType: 'Subscription',
    status: 'requested',
    reason: 'x',
    criteria: 'Communication?status=completed',
    channel: { type: 'rest-hook', endpoint: 'https://hooks.example/x', payload: 'application/fhir+json' },
  },
  Group: { resourceType: 'Group', type: 'person', actual: true },
  Task: { resourceType: 'Task', status: 'draft', intent: 'order', for: ref('Patient/1') },
  Consent: {
    resourceType: 'Consent',
    status: 'draft',
    scope: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
    },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: ref('Patient/1'),
    policyRule: { text: 'x' },
  },
  Provenance: {
    resourceType: 'Provenance',
    target: [ref('Patient/1')],
    recorded: '2026-01-01T00:00:00Z',
    agent: [{ who: ref('Organization/1') }],
  },
  DetectedIssue: { resourceType: 'DetectedIssue', status: 'final' },
  CommunicationRequest: {
    resourceType: 'CommunicationRequest',
    status: 'active',
    subject: ref('Patient/1'),
  },
  Encounter: {
    resourceType: 'Encounter',
    status: 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'VR' },
    subject: ref('Patient/1'),
  },
  EpisodeOfCare: { resourceType: 'EpisodeOfCare', status: 'active', patient: ref('Patient/1') },
  Coverage: {
    resourceType: 'Coverage',
    status: 'active',
    beneficiary: ref('Patient/1'),
    payor: [ref('Organization/1')],
  },
  Flag: { resourceType: 'Flag', status: 'active', code: { text: 'x' }, subject: ref('Patient/1') },
  DocumentReference: {
    resourceType: 'DocumentReference',
    status: 'current',
    subject: ref('Patient/1'),
    content: [{ attachment: { contentType: 'text/plain', data: 'eA==' } }],
  },
  Binary: {
    resourceType: 'Binary',
    contentType: 'text/plain',
    securityContext: ref('Patient/1'),
    data: 'eA==',
  },
  Endpoint: {
    resourceType: 'Endpoint',
    status: 'active',
    connectionType: {
      system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
      code: 'hl7-fhir-rest',
    },
    payloadType: [{ text: 'x' }],
    address: 'https://ehr.example/fhir',
  },
  Questionnaire: { resourceType: 'Questionnaire', status: 'draft' },
}

function ref(reference: string) {
  return { reference }
}

// biome-ignore-all assist/source/organizeImports: in the order of the folders, as the test writes them
import type { Artifacts } from '#core/ports.ts'
import type { Resource } from '#core/resource.ts'
import administrationStatusJson from '../mappings/administration-status.json'
import administrationJsonata from '../mappings/administration.jsonata'
import administrativeSexJson from '../mappings/administrative-sex.json'
import allergyCategoryJson from '../mappings/allergy-category.json'
import allergyCriticalityJson from '../mappings/allergy-criticality.json'
import allergySeverityJson from '../mappings/allergy-severity.json'
import answerAbsenceJson from '../mappings/answer-absence.json'
import answersStatusJson from '../mappings/answers-status.json'
import appointmentStatusJson from '../mappings/appointment-status.json'
import appointmentJsonata from '../mappings/appointment.jsonata'
import cancelAnswerJson from '../mappings/cancel-answer.json'
import cancelRefusalJson from '../mappings/cancel-refusal.json'
import codingSystemJson from '../mappings/coding-system.json'
import confidentialityJson from '../mappings/confidentiality.json'
import consentDirectiveJsonata from '../mappings/consent-directive.jsonata'
import consentStatusJson from '../mappings/consent-status.json'
import copiedElementsJsonata from '../mappings/copied-elements.jsonata'
import dispenseStatusJson from '../mappings/dispense-status.json'
import dispenseTypeJson from '../mappings/dispense-type.json'
import dispenseJsonata from '../mappings/dispense.jsonata'
import documentAvailabilityJson from '../mappings/document-availability.json'
import documentMessageJsonata from '../mappings/document-message.jsonata'
import documentStatusJson from '../mappings/document-status.json'
import doseUnitJson from '../mappings/dose-unit.json'
import eligibilityOutcomeJson from '../mappings/eligibility-outcome.json'
import eligibilityResultJsonata from '../mappings/eligibility-result.jsonata'
import ethnicityJson from '../mappings/ethnicity.json'
import giveJsonata from '../mappings/give.jsonata'
import hl7v2IdentifiersJsonata from '../mappings/hl7v2-identifiers.jsonata'
import ignoredAdministrationJson from '../mappings/ignored/administration.json'
import ignoredAppointmentJson from '../mappings/ignored/appointment.json'
import ignoredDispenseJson from '../mappings/ignored/dispense.json'
import ignoredDocumentMessageJson from '../mappings/ignored/document-message.json'
import ignoredGiveJson from '../mappings/ignored/give.json'
import ignoredHl7v2Json from '../mappings/ignored/hl7v2.json'
import ignoredObservationResultJson from '../mappings/ignored/observation-result.json'
import ignoredOrderAnswerJson from '../mappings/ignored/order-answer.json'
import ignoredOrderRequestJson from '../mappings/ignored/order-request.json'
import ignoredPatientRecordJson from '../mappings/ignored/patient-record.json'
import ignoredPrescriptionOrderJson from '../mappings/ignored/prescription-order.json'
import ignoredReferralJson from '../mappings/ignored/referral.json'
import ignoredRenewalRequestJson from '../mappings/ignored/renewal-request.json'
import interpretationJson from '../mappings/interpretation.json'
import languageJson from '../mappings/language.json'
import maritalStatusJson from '../mappings/marital-status.json'
import measureUnitJson from '../mappings/measure-unit.json'
import mediaTypeJson from '../mappings/media-type.json'
import observationResultJsonata from '../mappings/observation-result.jsonata'
import observationStatusJson from '../mappings/observation-status.json'
import orderAnswerJsonata from '../mappings/order-answer.jsonata'
import orderContextJsonata from '../mappings/order-context.jsonata'
import orderCopyJsonata from '../mappings/order-copy.jsonata'
import orderRequestJsonata from '../mappings/order-request.jsonata'
import orderStatusJson from '../mappings/order-status.json'
import orderTimingJsonata from '../mappings/order-timing.jsonata'
import orderTypeJson from '../mappings/order-type.json'
import patientRecordJsonata from '../mappings/patient-record.jsonata'
import pharmacyAmountsJsonata from '../mappings/pharmacy-amounts.jsonata'
import pharmacyCodesJsonata from '../mappings/pharmacy-codes.jsonata'
import prescriptionMessageJsonata from '../mappings/prescription-message.jsonata'
import prescriptionOrderJsonata from '../mappings/prescription-order.jsonata'
import prescriptionJsonata from '../mappings/prescription.jsonata'
import priorityJson from '../mappings/priority.json'
import questionnaireAnswersJsonata from '../mappings/questionnaire-answers.jsonata'
import questionnaireJson from '../mappings/questionnaire.json'
import raceJson from '../mappings/race.json'
import referralPriorityJson from '../mappings/referral-priority.json'
import referralStatusJson from '../mappings/referral-status.json'
import referralJsonata from '../mappings/referral.jsonata'
import religionJson from '../mappings/religion.json'
import renewalRequestJsonata from '../mappings/renewal-request.jsonata'
import repeatPatternJson from '../mappings/repeat-pattern.json'
import reportStatusJson from '../mappings/report-status.json'
import routeJson from '../mappings/route.json'
import secureMessageJsonata from '../mappings/secure-message.jsonata'
import substitutionRxdJson from '../mappings/substitution-rxd.json'
import substitutionRxeJson from '../mappings/substitution-rxe.json'
import substitutionRxoJson from '../mappings/substitution-rxo.json'
import timeUnitJson from '../mappings/time-unit.json'
import yesNoJson from '../mappings/yes-no.json'
import codeSystemBasicAuditEntityTypeJson from '../profiles/CodeSystem-BasicAuditEntityType.json'
import codeSystemAttestationMethodJson from '../profiles/CodeSystem-attestation-method.json'
import codeSystemAuditOriginJson from '../profiles/CodeSystem-audit-origin.json'
import codeSystemCancelOutcomeJson from '../profiles/CodeSystem-cancel-outcome.json'
import codeSystemDispenseIssueJson from '../profiles/CodeSystem-dispense-issue.json'
import codeSystemEligibilityResultJson from '../profiles/CodeSystem-eligibility-result.json'
import codeSystemMirroredTaskJson from '../profiles/CodeSystem-mirrored-task.json'
import codeSystemOrderEndReasonJson from '../profiles/CodeSystem-order-end-reason.json'
import codeSystemPriceComponentJson from '../profiles/CodeSystem-price-component.json'
import codeSystemRefillDenialJson from '../profiles/CodeSystem-refill-denial.json'
import codeSystemRenewalAnswerJson from '../profiles/CodeSystem-renewal-answer.json'
import codeSystemRenewalIssueJson from '../profiles/CodeSystem-renewal-issue.json'
import structureDefinitionConsentDirectiveJson from '../profiles/StructureDefinition-ConsentDirective.json'
import structureDefinitionDispenseRecordJson from '../profiles/StructureDefinition-DispenseRecord.json'
import structureDefinitionEligibilityQuestionnaireJson from '../profiles/StructureDefinition-EligibilityQuestionnaire.json'
import structureDefinitionEligibilityResultJson from '../profiles/StructureDefinition-EligibilityResult.json'
import structureDefinitionIHEBasicAuditPatientQueryJson from '../profiles/StructureDefinition-IHE.BasicAudit.PatientQuery.json'
import structureDefinitionIHEBasicAuditPatientReadJson from '../profiles/StructureDefinition-IHE.BasicAudit.PatientRead.json'
import structureDefinitionIHEBasicAuditQueryJson from '../profiles/StructureDefinition-IHE.BasicAudit.Query.json'
import structureDefinitionIHEBasicAuditReadJson from '../profiles/StructureDefinition-IHE.BasicAudit.Read.json'
import structureDefinitionPrescriptionJson from '../profiles/StructureDefinition-Prescription.json'
import structureDefinitionRenewalTaskJson from '../profiles/StructureDefinition-RenewalTask.json'
import structureDefinitionSecureMessageJson from '../profiles/StructureDefinition-SecureMessage.json'
import structureDefinitionAttachmentSha256Json from '../profiles/StructureDefinition-attachment-sha256.json'
import structureDefinitionComponentAmountJson from '../profiles/StructureDefinition-component-amount.json'
import structureDefinitionComponentTypeJson from '../profiles/StructureDefinition-component-type.json'
import structureDefinitionEligibilityOutcomeJson from '../profiles/StructureDefinition-eligibility-outcome.json'
import structureDefinitionMessageReplacesJson from '../profiles/StructureDefinition-message-replaces.json'
import structureDefinitionMessageThreadJson from '../profiles/StructureDefinition-message-thread.json'
import structureDefinitionObservationDetailsJson from '../profiles/StructureDefinition-observation-details.json'
import structureDefinitionPricingDisclosureJson from '../profiles/StructureDefinition-pricing-disclosure.json'
import structureDefinitionPricingPageJson from '../profiles/StructureDefinition-pricing-page.json'
import structureDefinitionReportedEventJson from '../profiles/StructureDefinition-reported-event.json'
import structureDefinitionSensitiveItemJson from '../profiles/StructureDefinition-sensitive-item.json'
import structureDefinitionSourceAttestationJson from '../profiles/StructureDefinition-source-attestation.json'
import structureDefinitionSourceTimeJson from '../profiles/StructureDefinition-source-time.json'
import valueSetAllReadVSJson from '../profiles/ValueSet-AllReadVS.json'
import valueSetAllSearchVSJson from '../profiles/ValueSet-AllSearchVS.json'
import valueSetRestObjectRolesJson from '../profiles/ValueSet-RestObjectRoles.json'
import valueSetAttestationMethodJson from '../profiles/ValueSet-attestation-method.json'
import valueSetComponentTypeJson from '../profiles/ValueSet-component-type.json'
import valueSetEligibilityResultJson from '../profiles/ValueSet-eligibility-result.json'
import valueSetPriceComponentJson from '../profiles/ValueSet-price-component.json'
import questionnaireMedicationFollowUpJson from '../profiles/questionnaire-medication-follow-up.json'
import questionnairePhq9Json from '../profiles/questionnaire-phq-9.json'
import questionnaireWeightManagementScreeningJson from '../profiles/questionnaire-weight-management-screening.json'

/**
 * Mappings, code tables and profiles, bundled with the Worker, which has no disk to read them from. Written by
 * `npx vitest run test/worker -u`; the same test fails when a file is missing here.
 */
export const bundledArtifacts: Artifacts = {
  mappings: new Map<string, string>([
    ['administration', administrationJsonata],
    ['appointment', appointmentJsonata],
    ['consent-directive', consentDirectiveJsonata],
    ['copied-elements', copiedElementsJsonata],
    ['dispense', dispenseJsonata],
    ['document-message', documentMessageJsonata],
    ['eligibility-result', eligibilityResultJsonata],
    ['give', giveJsonata],
    ['hl7v2-identifiers', hl7v2IdentifiersJsonata],
    ['observation-result', observationResultJsonata],
    ['order-answer', orderAnswerJsonata],
    ['order-context', orderContextJsonata],
    ['order-copy', orderCopyJsonata],
    ['order-request', orderRequestJsonata],
    ['order-timing', orderTimingJsonata],
    ['patient-record', patientRecordJsonata],
    ['pharmacy-amounts', pharmacyAmountsJsonata],
    ['pharmacy-codes', pharmacyCodesJsonata],
    ['prescription-message', prescriptionMessageJsonata],
    ['prescription-order', prescriptionOrderJsonata],
    ['prescription', prescriptionJsonata],
    ['questionnaire-answers', questionnaireAnswersJsonata],
    ['referral', referralJsonata],
    ['renewal-request', renewalRequestJsonata],
    ['secure-message', secureMessageJsonata],
  ]),
  conceptMaps: new Map<string, unknown>([
    ['administration-status', administrationStatusJson],
    ['administrative-sex', administrativeSexJson],
    ['allergy-category', allergyCategoryJson],
    ['allergy-criticality', allergyCriticalityJson],
    ['allergy-severity', allergySeverityJson],
    ['answer-absence', answerAbsenceJson],
    ['answers-status', answersStatusJson],
    ['appointment-status', appointmentStatusJson],
    ['cancel-answer', cancelAnswerJson],
    ['cancel-refusal', cancelRefusalJson],
    ['coding-system', codingSystemJson],
    ['confidentiality', confidentialityJson],
    ['consent-status', consentStatusJson],
    ['dispense-status', dispenseStatusJson],
    ['dispense-type', dispenseTypeJson],
    ['document-availability', documentAvailabilityJson],
    ['document-status', documentStatusJson],
    ['dose-unit', doseUnitJson],
    ['eligibility-outcome', eligibilityOutcomeJson],
    ['ethnicity', ethnicityJson],
    ['interpretation', interpretationJson],
    ['language', languageJson],
    ['marital-status', maritalStatusJson],
    ['measure-unit', measureUnitJson],
    ['media-type', mediaTypeJson],
    ['observation-status', observationStatusJson],
    ['order-status', orderStatusJson],
    ['order-type', orderTypeJson],
    ['priority', priorityJson],
    ['questionnaire', questionnaireJson],
    ['race', raceJson],
    ['referral-priority', referralPriorityJson],
    ['referral-status', referralStatusJson],
    ['religion', religionJson],
    ['repeat-pattern', repeatPatternJson],
    ['report-status', reportStatusJson],
    ['route', routeJson],
    ['substitution-rxd', substitutionRxdJson],
    ['substitution-rxe', substitutionRxeJson],
    ['substitution-rxo', substitutionRxoJson],
    ['time-unit', timeUnitJson],
    ['yes-no', yesNoJson],
  ]),
  ignored: new Map<string, Record<string, string>>([
    ['administration', ignoredAdministrationJson],
    ['appointment', ignoredAppointmentJson],
    ['dispense', ignoredDispenseJson],
    ['document-message', ignoredDocumentMessageJson],
    ['give', ignoredGiveJson],
    ['hl7v2', ignoredHl7v2Json],
    ['observation-result', ignoredObservationResultJson],
    ['order-answer', ignoredOrderAnswerJson],
    ['order-request', ignoredOrderRequestJson],
    ['patient-record', ignoredPatientRecordJson],
    ['prescription-order', ignoredPrescriptionOrderJson],
    ['referral', ignoredReferralJson],
    ['renewal-request', ignoredRenewalRequestJson],
  ]),
  profiles: [
    codeSystemBasicAuditEntityTypeJson,
    codeSystemAttestationMethodJson,
    codeSystemAuditOriginJson,
    codeSystemCancelOutcomeJson,
    codeSystemDispenseIssueJson,
    codeSystemEligibilityResultJson,
    codeSystemMirroredTaskJson,
    codeSystemOrderEndReasonJson,
    codeSystemPriceComponentJson,
    codeSystemRefillDenialJson,
    codeSystemRenewalAnswerJson,
    codeSystemRenewalIssueJson,
    structureDefinitionConsentDirectiveJson,
    structureDefinitionDispenseRecordJson,
    structureDefinitionEligibilityQuestionnaireJson,
    structureDefinitionEligibilityResultJson,
    structureDefinitionIHEBasicAuditPatientQueryJson,
    structureDefinitionIHEBasicAuditPatientReadJson,
    structureDefinitionIHEBasicAuditQueryJson,
    structureDefinitionIHEBasicAuditReadJson,
    structureDefinitionPrescriptionJson,
    structureDefinitionRenewalTaskJson,
    structureDefinitionSecureMessageJson,
    structureDefinitionAttachmentSha256Json,
    structureDefinitionComponentAmountJson,
    structureDefinitionComponentTypeJson,
    structureDefinitionEligibilityOutcomeJson,
    structureDefinitionMessageReplacesJson,
    structureDefinitionMessageThreadJson,
    structureDefinitionObservationDetailsJson,
    structureDefinitionPricingDisclosureJson,
    structureDefinitionPricingPageJson,
    structureDefinitionReportedEventJson,
    structureDefinitionSensitiveItemJson,
    structureDefinitionSourceAttestationJson,
    structureDefinitionSourceTimeJson,
    valueSetAllReadVSJson,
    valueSetAllSearchVSJson,
    valueSetRestObjectRolesJson,
    valueSetAttestationMethodJson,
    valueSetComponentTypeJson,
    valueSetEligibilityResultJson,
    valueSetPriceComponentJson,
    questionnaireMedicationFollowUpJson,
    questionnairePhq9Json,
    questionnaireWeightManagementScreeningJson,
  ] as unknown[] as Resource[],
}

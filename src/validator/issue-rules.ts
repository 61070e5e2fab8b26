/**
 * Every rule that the validator itself can find broken, and the FHIR issue type that says so
 * (https://hl7.org/fhir/R4/valueset-issue-type.html). What a definition states as a constraint has the constraint's own key
 * instead. The names are part of the interface: docs/validation.md says what each stands for.
 */
export const issueRules = {
  // What a resource is made of.
  'resource-form': 'structure',
  'resource-type': 'structure',
  'type-not-served': 'not-supported',
  'object-form': 'structure',
  'unknown-element': 'structure',
  'element-id': 'invariant',
  depth: 'too-long',
  'ele-1': 'structure',
  'ext-1': 'extension',
  // How often, of what type, in what form.
  minimum: 'required',
  maximum: 'structure',
  list: 'structure',
  single: 'structure',
  choice: 'structure',
  'extension-list': 'structure',
  type: 'structure',
  form: 'value',
  'max-length': 'too-long',
  // Which value.
  binding: 'code-invalid',
  'preferred-binding': 'code-invalid',
  'code-form': 'code-invalid',
  fixed: 'value',
  pattern: 'value',
  'closed-slicing': 'structure',
  'slice-minimum': 'required',
  'slice-maximum': 'structure',
  // Who is meant.
  'reference-form': 'value',
  'reference-type': 'value',
  'reference-target': 'value',
  'reference-type-stated': 'value',
  'reference-in-bundle': 'not-found',
  'ref-1': 'not-found',
  'contained-id': 'required',
  'dom-2': 'invariant',
  'dom-3': 'invariant',
  'dom-4': 'invariant',
  'dom-5': 'invariant',
  // Narrative.
  'txt-1': 'invariant',
  'txt-2': 'invariant',
  // Profiles.
  'profile-type': 'value',
  'profile-unknown': 'not-found',
  // Answers to a questionnaire.
  'item-unknown': 'value',
  'item-repeated': 'structure',
  'item-unanswered': 'required',
  'answer-unexpected': 'structure',
  'answer-repeated': 'structure',
  'answer-missing': 'required',
  'answer-type': 'value',
  'answer-option': 'code-invalid',
  'answer-length': 'too-long',
  // What the standard says of single types in words only.
  'attachment-size': 'value',
  'bundle-links': 'invariant',
  'search-entry-id': 'invariant',
  'search-outcome': 'invariant',
  'full-url': 'value',
  'supplement-content': 'invariant',
  'property-distinct': 'invariant',
  'canonical-url': 'value',
  'value-set-system': 'value',
  'coding-system': 'value',
  ucum: 'value',
  'search-path': 'invariant',
  fhirpath: 'value',
} as const satisfies Record<string, string>

export type IssueRule = keyof typeof issueRules

import { inOrderOfTime } from './moments.ts'
import { countOf, distinct, has, hasChoice, records, textOf } from './probe.ts'
import type { Rules } from './rule.ts'

const notAtHome = (value: Record<string, unknown>) => value.use !== 'home'

/** Constraints of resources that come often, by key; each resource's page of https://hl7.org/fhir/R4/ lists its own. */
export const resourceRules: Rules = {
  'ctm-1': (participant) => {
    const member = textOf(participant.member, 'reference') ?? ''
    const told = /(?:^|\/)([A-Z][A-Za-z]+)\/[^/]+$/.exec(member)?.[1]
    return !has(participant, 'onBehalfOf') || told === undefined || told === 'Practitioner'
  },
  'grp-1': (group) => !has(group, 'member') || group.actual === true,
  // Of a Task. Where nobody can tell which came first, as on the same day without a time, it holds.
  'inv-1': (task) => {
    const [authored, modified] = [textOf(task, 'authoredOn'), textOf(task, 'lastModified')]
    return inOrderOfTime(authored, modified) || !inOrderOfTime(modified, authored)
  },
  'inv-1 Parameters': (parameter) =>
    [has(parameter, 'part'), hasChoice(parameter, 'value'), has(parameter, 'resource')].filter(Boolean)
      .length === 1,
  'mdd-1': (dispense) => inOrderOfTime(textOf(dispense, 'whenPrepared'), textOf(dispense, 'whenHandedOver')),
  'org-1': (organization) => has(organization, 'identifier') || has(organization, 'name'),
  'org-2': notAtHome,
  'org-3': notAtHome,
  'pat-1': (contact) =>
    ['name', 'telecom', 'address', 'organization'].some((element) => has(contact, element)),
  'ppc-1': (consent) => has(consent, 'policy') || has(consent, 'policyRule'),
  // The expressions of ppc-2 to ppc-5 look for a system called `something`: the rules are held as they are worded.
  ...Object.fromEntries(
    Object.entries({
      'ppc-2': 'patient-privacy',
      'ppc-3': 'research',
      'ppc-4': 'adr',
      'ppc-5': 'treatment',
    }).map(([key, scope]) => [
      key,
      (consent: Record<string, unknown>) =>
        has(consent, 'patient') ||
        !records(consent.scope, 'coding').some(
          (coding) => coding.system === consentScope && coding.code === scope,
        ),
    ]),
  ),
  'sev-1': (entity) => !has(entity, 'name') || !has(entity, 'query'),
  'vsd-1': (include) => has(include, 'valueSet') || has(include, 'system'),
  'vsd-2': (include) => !(has(include, 'concept') || has(include, 'filter')) || has(include, 'system'),
  'vsd-3': (include) => !has(include, 'concept') || !has(include, 'filter'),
  'vsd-6': (contains) => has(contains, 'code') || has(contains, 'display'),
  'vsd-9': (contains) => has(contains, 'code') || contains.abstract === true,
  'vsd-10': (contains) => !has(contains, 'code') || has(contains, 'system'),
  'csd-1': (codeSystem) => distinct(conceptCodes(codeSystem)),
  'cmd-1': (target) =>
    has(target, 'comment') || (target.equivalence !== 'narrower' && target.equivalence !== 'inexact'),
  'cmd-2': (unmapped) => unmapped.mode !== 'fixed' || has(unmapped, 'code'),
  'cmd-3': (unmapped) => unmapped.mode !== 'other-map' || has(unmapped, 'url'),
  'spd-1': (parameter) => !has(parameter, 'xpath') || has(parameter, 'xpathUsage'),
  'spd-2': (parameter) => countOf(parameter, 'chain') === 0 || parameter.type === 'reference',
}

const consentScope = 'http://terminology.hl7.org/CodeSystem/consentscope'

/** Concepts nest no deeper than the walk looks. */
const maxDepth = 80

function conceptCodes(owner: unknown, depth = 0): unknown[] {
  if (depth > maxDepth) return []
  return records(owner, 'concept').flatMap((concept) => [concept.code, ...conceptCodes(concept, depth + 1)])
}

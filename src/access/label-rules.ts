import type { ResourceType } from '#core/resource.ts'

/** Codes of http://terminology.hl7.org/CodeSystem/v3-ActCode that a rule can give. */
export type Sensitivity = 'HIV' | 'OPIOIDUD' | 'ETHUD' | 'PSY' | 'SDV' | 'SEX'

/** What a resource is labelled by: data, so that a change of it is a change of `version` and of nothing else. */
export interface LabelRules {
  /** Kept with every decision: which rules it was made by. */
  version: string
  /** Types of which nobody can tell what is in them, because people write what they like. */
  freeText: readonly ResourceType[]
  /** Elements in which people write what they like, of types whose other elements are coded. */
  freeElements: readonly string[]
  codes: readonly CodeRule[]
  /** Names of substances, as they stand in the display or text of a drug: branded and packed codes are too many. */
  names: readonly { sensitivity: Sensitivity; words: readonly string[] }[]
}

/** Codes of one system that show a sensitivity: whole, or by how they begin in systems that are trees. */
export interface CodeRule {
  system: string
  sensitivity: Sensitivity
  codes?: readonly string[]
  prefixes?: readonly string[]
}

const rxnorm = 'http://www.nlm.nih.gov/research/umls/rxnorm'
const snomed = 'http://snomed.info/sct'
const icd10 = ['http://hl7.org/fhir/sid/icd-10-cm', 'http://hl7.org/fhir/sid/icd-10']
const atc = 'http://www.whocc.no/atc'

/** Chapters of ICD-10 and classes of ATC are trees; of RxNorm the ingredients stand here and the names do the rest. */
const hivDrugs = [
  '117466',
  '276237',
  '1433868',
  '195085',
  '68244',
  '11413',
  '190521',
  '460132',
  '343047',
  '719872',
]
const psychosisDrugs = ['2626', '61381', '51272', '35636', '89013', '5093', '6448']

export const labelRules: LabelRules = {
  version: 'postern-labels/2',
  freeText: ['Communication', 'CommunicationRequest', 'QuestionnaireResponse', 'DocumentReference', 'Binary'],
  freeElements: [
    'note',
    'description',
    'valueString',
    'contentString',
    'contentAttachment',
    'valueAttachment',
  ],
  codes: [
    { system: atc, sensitivity: 'HIV', prefixes: ['J05AE', 'J05AF', 'J05AG', 'J05AJ', 'J05AR'] },
    { system: atc, sensitivity: 'OPIOIDUD', prefixes: ['N07BC'] },
    { system: atc, sensitivity: 'ETHUD', prefixes: ['N07BB'] },
    { system: atc, sensitivity: 'PSY', prefixes: ['N05A'] },
    { system: rxnorm, sensitivity: 'HIV', codes: hivDrugs },
    { system: rxnorm, sensitivity: 'OPIOIDUD', codes: ['1819', '6813'] },
    { system: rxnorm, sensitivity: 'ETHUD', codes: ['3554', '82819'] },
    { system: rxnorm, sensitivity: 'PSY', codes: psychosisDrugs },
    { system: snomed, sensitivity: 'HIV', codes: ['86406008', '165816005'] },
    { system: snomed, sensitivity: 'OPIOIDUD', codes: ['75544000'] },
    { system: snomed, sensitivity: 'ETHUD', codes: ['7200002'] },
    { system: snomed, sensitivity: 'PSY', codes: ['74732009', '58214004', '69322001', '13746004'] },
    ...icd10.flatMap((system): CodeRule[] => [
      { system, sensitivity: 'HIV', prefixes: ['B20', 'B21', 'B22', 'B23', 'B24', 'Z21', 'O98.7'] },
      { system, sensitivity: 'OPIOIDUD', prefixes: ['F11'] },
      { system, sensitivity: 'ETHUD', prefixes: ['F10'] },
      { system, sensitivity: 'PSY', prefixes: ['F2', 'F3', 'F4', 'F5', 'F6'] },
      { system, sensitivity: 'SDV', prefixes: ['T74', 'T76'] },
    ]),
    { system: 'http://loinc.org', sensitivity: 'PSY', codes: ['44249-1', '69737-5'] },
  ],
  names: [
    {
      sensitivity: 'HIV',
      words: [
        'abacavir',
        'atazanavir',
        'bictegravir',
        'cabotegravir',
        'darunavir',
        'dolutegravir',
        'efavirenz',
        'emtricitabine',
        'lamivudine',
        'raltegravir',
        'rilpivirine',
        'ritonavir',
        'tenofovir',
        'zidovudine',
      ],
    },
    {
      sensitivity: 'OPIOIDUD',
      words: ['buprenorphine', 'methadone', 'naltrexone', 'naloxone', 'lofexidine'],
    },
    { sensitivity: 'ETHUD', words: ['acamprosate', 'disulfiram', 'naltrexone'] },
    {
      sensitivity: 'PSY',
      words: [
        'aripiprazole',
        'clozapine',
        'haloperidol',
        'lithium',
        'olanzapine',
        'paliperidone',
        'quetiapine',
        'risperidone',
        'ziprasidone',
      ],
    },
  ],
}

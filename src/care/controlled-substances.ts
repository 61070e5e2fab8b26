import type { Medication, MedicationRequest } from 'fhir/r4'

/** Codes that say a schedule, wherever they stand in an order: in its extensions, its category, its medication. */
const scheduleCodes: Readonly<Record<string, RegExp>> = {
  // NCI Thesaurus, as NCPDP SCRIPT tells DEA schedules I to V.
  'http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl': /^(?:C48672|C48675|C48676|C48677|C48679)$/,
  'urn:oid:2.16.840.1.113883.3.26.1.1': /^(?:C48672|C48675|C48676|C48677|C48679)$/,
  // HL7 table 0477.
  'http://terminology.hl7.org/CodeSystem/v2-0477': /^(?:I{1,3}|IV|V)$/,
  // NHS EPS: schedules 1 to 5 of the Misuse of Drugs Regulations.
  'https://fhir.nhs.uk/CodeSystem/medicationrequest-controlled-drug': /^CD[1-5]$/i,
  // ATC: opioids, barbiturates, benzodiazepines, z-drugs, centrally acting sympathomimetics, anabolic steroids.
  'http://www.whocc.no/atc':
    /^(?:N01AH|N02A|N02BF0[12]|N03AA|N05BA|N05C[ADF]|N06BA(?:0[1-47]|1[1-4])|N07BC|A08AA(?:0[1-9]|11)|A14A|G03BA03)/,
}

/**
 * Ingredients controlled by 21 CFR 1308 or the UK's Misuse of Drugs Regulations that are prescribed to people, by the
 * beginning of a word: `morphin` finds morphine and Morphinsulfat.
 */
const controlledWords = [
  'alfentanil|alprazolam|amfepramon|amfetamin|amphetamin|amobarbital|anabolic|armodafinil|benzphetamin|brivaracetam|buprenorphin|butalbital',
  'butorphanol|cannabidiol|cannabis|carisoprodol|cenobamate|chlordiazepoxid|clobazam|clonazepam|clorazepat|cocain',
  'codein|dexamfetamin|dexamphetamin|dexmethylphenidat|diethylpropion|dextroamphetamin|diamorphin|diazepam|dihydrocodein|dronabinol',
  'eluxadolin|eszopiclon|esketamin|estazolam|fentanyl|flunitrazepam|flurazepam|gabapentin|hydrocodon|hydromorphon',
  'ketamin|lacosamid|lemborexant|levorphanol|lisdexamfetamin|lisdexamphetamin|loprazolam|lorazepam|lormetazepam',
  'meperidin|meprobamat|meptazinol|methadon|methamphetamin|metamfetamin|methylphenidat|midazolam|modafinil|morphin',
  'nabilon|nabiximol|nandrolon|nitrazepam|opium|oxandrolon|oxazepam|oxybat|oxycodon|oxymorphon|pentazocin|pentobarbital',
  'perampanel|pethidin|phenobarbital|phenobarbiton|phendimetrazin|phentermin|pregabalin|quazepam|remifentanil|secobarbital',
  'solriamfetol|sufentanil|suvorexant|tapentadol|temazepam|testosteron|tramadol|triazolam|zaleplon|zolpidem|zopiclon',
]
const controlledName = new RegExp(`(?<![\\p{L}])(?:${controlledWords.join('|')})`, 'iu')

/**
 * Whether an order is for a controlled substance, by what it says: a code of a schedule, or the name of an ingredient.
 * Drugs that carry a code of another system are known by their names only.
 */
export function isControlled(order: MedicationRequest): boolean {
  let found = false
  const walk = (value: unknown): void => {
    if (found || value === null || typeof value !== 'object') return
    const { system, code } = value as { system?: unknown; code?: unknown }
    found = scheduleCodes[String(system)]?.test(String(code)) ?? false
    for (const item of Object.values(value)) walk(item)
  }
  walk(order)
  return found || namesOf(order).some((name) => controlledName.test(name))
}

/** Every name that an order gives its medication. */
export function namesOf({ medicationCodeableConcept, contained }: MedicationRequest): string[] {
  const inside = (contained ?? []).flatMap((resource) =>
    resource.resourceType === 'Medication' ? conceptsOf(resource as Medication) : [],
  )
  return [medicationCodeableConcept, ...inside].flatMap((concept) =>
    [concept?.text, ...(concept?.coding ?? []).map(({ display }) => display)].filter(
      (name) => name !== undefined,
    ),
  )
}

function conceptsOf({ code, ingredient = [] }: Medication) {
  return [code, ...ingredient.map(({ itemCodeableConcept }) => itemCodeableConcept)]
}

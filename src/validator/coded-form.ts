/** Required bindings whose value set is no list of FHIR's own: codes of other standards, held by their form or list. */
export interface CodedForm {
  valid(code: string): boolean
  /** What would satisfy the rule, for people. */
  form: string
}

/** https://www.rfc-editor.org/rfc/rfc6838#section-4.2, with parameters as in a Content-Type. */
const mimeType =
  /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+*-]{1,127}(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+:/-]+|"[^"]*"))*$/

/** https://www.rfc-editor.org/rfc/rfc5646#section-2.1: language, script, region, variants, extensions, private use. */
const language =
  /^(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{5,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?$|^x(?:-[a-z0-9]{1,8})+$|^i-[a-z]{3,8}$/i

/** https://www.iso.org/iso-4217-currency-codes.html, with those that R4 knew and that have gone since. */
const currencies = new Set(
  `AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
  CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
  GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
  KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRO MRU MUR MVR MWK MXN MXV MYR MZN
  NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
  SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW
  UZS VED VEF VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER
  ZAR ZMW ZWG ZWL`.split(/\s+/),
)

export const formBindings: Readonly<Record<string, CodedForm>> = {
  'http://hl7.org/fhir/ValueSet/currencies': {
    valid: (code) => currencies.has(code),
    form: 'a currency code of three capitals such as EUR (ISO 4217)',
  },
  'http://hl7.org/fhir/ValueSet/mimetypes': {
    valid: (code) => mimeType.test(code),
    form: 'a media type such as application/pdf (BCP 13)',
  },
  'http://hl7.org/fhir/ValueSet/all-languages': {
    valid: (code) => language.test(code),
    form: 'a language tag such as en or de-CH (BCP 47)',
  },
}

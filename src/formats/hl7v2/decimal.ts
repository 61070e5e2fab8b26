/** NM (HL7 v2.9 §2A.2.45) allows a sign, leading zeros and a bare point; FHIR's decimal does not. Other digits stay. */
export function decimalOfNm(text: string | undefined): string | undefined {
  const parts = /^([+-]?)0*(\d*)(?:\.(\d*))?$/.exec(text?.trim() ?? '')
  if (!parts || !/\d/.test(text ?? '')) return undefined
  const [, sign, whole, fraction] = parts
  return `${sign === '-' ? '-' : ''}${whole || '0'}${fraction ? `.${fraction}` : ''}`
}

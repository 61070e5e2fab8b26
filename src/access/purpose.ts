/**
 * Purposes of use that stand below another one in http://terminology.hl7.org/CodeSystem/v3-ActReason, each with its
 * parent. What is not here has no parent that a consent would name.
 */
const parents: Readonly<Record<string, string>> = {
  CLINTRL: 'TREAT',
  COC: 'TREAT',
  ETREAT: 'TREAT',
  BTG: 'ETREAT',
  ERTREAT: 'ETREAT',
  POPHLTH: 'TREAT',
  CLMATTCH: 'HPAYMT',
  COVAUTH: 'HPAYMT',
  COVERAGE: 'HPAYMT',
  ELIGDTRM: 'COVERAGE',
  ELIGVER: 'COVERAGE',
  ENROLLM: 'COVERAGE',
  MILDCRG: 'COVERAGE',
  REMITADV: 'HPAYMT',
  CAREMGT: 'HOPERAT',
  DONAT: 'HOPERAT',
  FRAUD: 'HOPERAT',
  GOV: 'HOPERAT',
  HACCRED: 'HOPERAT',
  HCOMPL: 'HOPERAT',
  HDECD: 'HOPERAT',
  HDIRECT: 'HOPERAT',
  HDM: 'HOPERAT',
  HLEGAL: 'HOPERAT',
  HOUTCOMS: 'HOPERAT',
  HPRGRP: 'HOPERAT',
  HQUALIMP: 'HOPERAT',
  HSYSADMIN: 'HOPERAT',
  MEMADMIN: 'HOPERAT',
  MILCDM: 'HOPERAT',
  PATADMIN: 'HOPERAT',
  PATSFTY: 'HOPERAT',
  PERFMSR: 'HOPERAT',
  RECORDMGT: 'HOPERAT',
  SYSDEV: 'HOPERAT',
  TRAIN: 'HOPERAT',
  BIORCH: 'HRESCH',
  CLINTRCH: 'HRESCH',
  DSRCH: 'HRESCH',
  POARCH: 'HRESCH',
  TRANSRCH: 'HRESCH',
  CLINTRCHNPC: 'CLINTRCH',
  CLINTRCHPC: 'CLINTRCH',
  PRECLINTRCH: 'CLINTRCH',
  FAMRQT: 'PATRQT',
  PWATRNY: 'PATRQT',
  SUPNWK: 'PATRQT',
  DISASTER: 'PUBHLTH',
  THREAT: 'PUBHLTH',
}

/** Access past the patient's wishes: never understood as included in a permit, only ever named. */
const emergencies = new Set(['ETREAT', 'BTG', 'ERTREAT'])

export function isEmergency(purpose: string): boolean {
  return emergencies.has(purpose)
}

/** A refusal of a purpose refuses everything below it. */
export function refusesPurpose(named: string, purpose: string): boolean {
  for (let at: string | undefined = purpose; at !== undefined; at = parents[at]) if (at === named) return true
  return false
}

/** A permit of a purpose permits what is below it, emergencies apart. */
export function permitsPurpose(named: string, purpose: string): boolean {
  if (named === purpose) return true
  return !emergencies.has(purpose) && refusesPurpose(named, purpose)
}

/** Purposes for which the treating parties need no consent on file: treatment, short of breaking the glass. */
export function isTreatment(purpose: string): boolean {
  return purpose === 'ETREAT' || permitsPurpose('TREAT', purpose)
}

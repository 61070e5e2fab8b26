import type { MedicationRequest, Organization } from 'fhir/r4'
import { amountField, coded, type Telling, unitField } from './coded.ts'
import { composed, numeral, repeated, segmentOf } from './compose.ts'
import { authority, isSince } from './dialect.ts'
import type { OrderParts, OrderValues } from './order-message.ts'
import { prescriptionNumber } from './order-numbers.ts'
import { substitutionCode } from './substitution-code.ts'

/** RXE. A required field that the order leaves open is the explicit null, never a made-up value. */
export function encodedOrder({ values, medication, dosages, telling }: OrderParts, timing: string): string {
  const { order, pharmacy } = values
  const dispense = order.dispenseRequest
  const has = (version: '2.4' | '2.5') => isSince(telling.dialect, version)
  return segmentOf('RXE', {
    1: timing,
    2: medication.code,
    3: dosages.low || '""',
    4: dosages.high,
    5: dosages.units || '""',
    6: medication.form,
    7: dosages.directions,
    9: substitutionCode(order.substitution, '0', telling),
    10: amountField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    11: unitField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    12: refillsOf(order, telling),
    15: prescriptionNumber(order, telling),
    19: dosages.daily,
    22: dosages.per,
    23: dosages.rate,
    24: dosages.rateUnits,
    25: medication.strength,
    26: medication.strengthUnits,
    27: reasonsOf(values, telling),
    31: has('2.4') ? medication.supplementary : '',
    33: medication.volume,
    34: medication.volumeUnits,
    39: has('2.5') ? initialFill(order, telling) : '',
    40: has('2.5') ? pharmacyField(pharmacy, telling) : '',
  })
}

/** RXO. */
export function placedOrder({ values, medication, dosages, telling }: OrderParts): string {
  const { order, pharmacy } = values
  const dispense = order.dispenseRequest
  const since = (version: '2.4' | '2.6') => isSince(telling.dialect, version)
  return segmentOf('RXO', {
    1: medication.code,
    2: dosages.low || '""',
    3: dosages.high,
    4: dosages.units || '""',
    5: medication.form,
    7: dosages.directions,
    9: substitutionCode(order.substitution, '', telling),
    11: amountField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    12: unitField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    13: refillsOf(order, telling),
    17: dosages.per,
    18: medication.strength,
    19: medication.strengthUnits,
    20: reasonsOf(values, telling),
    21: dosages.rate,
    22: dosages.rateUnits,
    23: dosages.daily,
    24: since('2.4') ? medication.supplementary : '',
    25: medication.volume,
    26: medication.volumeUnits,
    28: intervalOf(order, telling),
    32: since('2.6') ? pharmacyField(pharmacy, telling) : '',
  })
}

function refillsOf({ dispenseRequest }: MedicationRequest, { said }: Telling): string {
  const refills = dispenseRequest?.numberOfRepeatsAllowed
  said.say('dispenseRequest.numberOfRepeatsAllowed')
  return refills === undefined ? '' : numeral(refills)
}

/** RXE-39 has no units but those of RXE-11. */
function initialFill({ dispenseRequest }: MedicationRequest, telling: Telling): string {
  const first = dispenseRequest?.initialFill?.quantity
  const { quantity } = dispenseRequest ?? {}
  if (!first || first.unit !== quantity?.unit || first.code !== quantity?.code) return ''
  telling.said.say('dispenseRequest.initialFill.quantity')
  return numeral(first.value)
}

/** RXO-28 is in days. */
function intervalOf({ dispenseRequest }: MedicationRequest, { dialect, said }: Telling): string {
  const interval = dispenseRequest?.dispenseInterval
  if (interval?.code !== 'd' || !isSince(dialect, '2.5')) return ''
  const say = interval.unit === 'days' ? said.say : said.sayRoughly
  say('dispenseRequest.dispenseInterval')
  return numeral(interval.value)
}

/** CWE of RXE-40 and RXO-32: number, name, and who gave the number. */
function pharmacyField(pharmacy: Organization | undefined, { dialect, said }: Telling): string {
  const identifier = pharmacy?.identifier?.find((each) => each.value)
  if (!pharmacy || !identifier) return ''
  said.say('dispenseRequest.performer')
  const npi = identifier.system === 'http://hl7.org/fhir/sid/us-npi'
  const [namespace, id] = authority(dialect, identifier.system)
  return composed([identifier.value, pharmacy.name, npi ? 'NPI' : namespace || id])
}

/** RXE-27 and RXO-20: why, for those who may know it. */
function reasonsOf({ order, audience }: OrderValues, telling: Telling): string {
  if (audience === 'pharmacy') return ''
  return repeated(
    (order.reasonCode ?? []).map((concept, index) => coded(concept, `reasonCode[${index}]`, telling)),
  )
}

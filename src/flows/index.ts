import type { Flow } from '#core/flow.ts'
import { administration } from './administration.ts'
import { appointment } from './appointment.ts'
import { dispense } from './dispense.ts'
import { dispenseAnswer } from './dispense-answer.ts'
import { documentMessage } from './document-message.ts'
import { eligibilityResult } from './eligibility-result.ts'
import { give } from './give.ts'
import { medicationOrder } from './medication-order.ts'
import { observationResult } from './observation-result.ts'
import { orderAnswer, orderNotice } from './order-answer.ts'
import { orderRequest } from './order-request.ts'
import { patientMerge } from './patient-merge.ts'
import { patientRecord } from './patient-record.ts'
import { prescription } from './prescription.ts'
import { prescriptionMessage } from './prescription-message.ts'
import { prescriptionOrder } from './prescription-order.ts'
import { referral } from './referral.ts'
import { refillRequest, renewalRequest } from './renewal-request.ts'
import { scheduleBlock } from './schedule-block.ts'
import { secureMessage } from './secure-message.ts'

/** Everything that moves through Postern. A flow knows its own source, and is asked about no other. */
export const flows = [
  secureMessage,
  eligibilityResult,
  prescription,
  prescriptionMessage,
  prescriptionOrder,
  medicationOrder,
  orderRequest,
  renewalRequest,
  refillRequest,
  orderAnswer,
  orderNotice,
  dispenseAnswer,
  dispense,
  give,
  administration,
  documentMessage,
  observationResult,
  patientRecord,
  patientMerge,
  appointment,
  scheduleBlock,
  referral,
] as readonly Flow[]

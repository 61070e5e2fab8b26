import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow } from '#core/flow.ts'
import { orderAnswer } from './order-answer.ts'
import { hasNumbers, type OrderDialogue } from './order-dialogue.ts'

/**
 * RRD^O14, what the receiver of a dispense answers: that it has it changes nothing here, that it could not take it
 * somebody has to see to.
 */
export const dispenseAnswer: Flow<OrderDialogue> = {
  ...orderAnswer,
  name: 'dispense-answer',
  title: 'Answer to a dispense (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['RRD^O14'] },
  rules: [onlyTakenOrNot, hasNumbers],
}

function onlyTakenOrNot({ controls }: OrderDialogue): ReturnType<CareRule<OrderDialogue>> {
  const issues = controls.flatMap(({ says, about, task, because }, index): Issue[] => {
    if (says === 'answer' && about === 'fulfill' && task) return []
    const text = because ?? 'A dispense was taken (OK, NA, RR) or not (UA)'
    return [{ text, expression: `ORC[${index + 1}]-1` }]
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

import type { Caller } from '#core/caller.ts'

/** Which Task of an order a code speaks of (http://hl7.org/fhir/CodeSystem/task-code). */
export type AboutOrder = 'fulfill' | 'abort' | 'suspend' | 'resume'

/** A line of the table: an order control code (HL7 v2 table 0119, ORC-1). */
export interface OrderControl {
  /**
   * `order`: a new one. `request`: something is asked about an order; it becomes a Task and changes no order. `renewal`:
   * the same, asked of the prescriber. `answer`: the holder says what came of what was asked of it. `notice`: the holder
   * says what it did, asked or not. `refused`: not taken, `because`.
   */
  says: 'order' | 'request' | 'renewal' | 'answer' | 'notice' | 'refused'
  /** Who says it to us: who places orders, or who fills them. */
  by?: 'placer' | 'filler' | 'either'
  about?: AboutOrder
  /** What the Task becomes. Of an answer without it, ORC-5 says where the order stands. */
  task?: 'received' | 'accepted' | 'in-progress' | 'rejected' | 'completed'
  /** After `ORC-1 = XO`, where that helps to see what to send instead. */
  because?: string
}

const changing = 'An order in force is not edited: discontinue it (DC) and place a new one (NW)'
const elsewhere = 'A renewal is answered by its Task and a new order'
const dispensing = 'What was dispensed is told with RDS^O13'
const unstanding = 'Where the order stands (ORC-5) is not understood here'
const unknown = 'This order control code is not understood here'

/**
 * Every code that is taken, and those that are refused for a reason of their own. Requests (CA, DC, HD, RL) leave the
 * order as it is; CR/OC, DR/OD, HR/OH and OR/OE change it (v2-to-FHIR sources disagree: gap_01, ORC-1 conflicts).
 */
const orderControls: Readonly<Record<string, OrderControl>> = {
  NW: { says: 'order', by: 'placer' },
  // An order for a pharmacy outside of the house (2.5.1, chapter 4): what a prescription is here.
  OP: { says: 'order', by: 'placer' },

  CA: { says: 'request', by: 'placer', about: 'abort' },
  DC: { says: 'request', by: 'placer', about: 'abort' },
  HD: { says: 'request', by: 'placer', about: 'suspend' },
  RL: { says: 'request', by: 'placer', about: 'resume' },
  RF: { says: 'renewal', by: 'either' },

  OK: { says: 'answer', by: 'filler', about: 'fulfill', task: 'accepted' },
  NA: { says: 'answer', by: 'filler', about: 'fulfill', task: 'accepted' },
  RR: { says: 'answer', by: 'filler', about: 'fulfill', task: 'received' },
  UA: { says: 'answer', by: 'filler', about: 'fulfill', task: 'rejected' },
  CR: { says: 'answer', by: 'filler', about: 'abort', task: 'completed' },
  UC: { says: 'answer', by: 'filler', about: 'abort', task: 'rejected' },
  DR: { says: 'answer', by: 'filler', about: 'abort', task: 'completed' },
  UD: { says: 'answer', by: 'filler', about: 'abort', task: 'rejected' },
  HR: { says: 'answer', by: 'filler', about: 'suspend', task: 'completed' },
  UH: { says: 'answer', by: 'filler', about: 'suspend', task: 'rejected' },
  OR: { says: 'answer', by: 'filler', about: 'resume', task: 'completed' },
  UR: { says: 'answer', by: 'filler', about: 'resume', task: 'rejected' },
  SR: { says: 'answer', by: 'filler', about: 'fulfill' },

  OC: { says: 'notice', by: 'filler', about: 'abort', task: 'completed' },
  OD: { says: 'notice', by: 'filler', about: 'abort', task: 'completed' },
  OH: { says: 'notice', by: 'filler', about: 'suspend', task: 'completed' },
  OE: { says: 'notice', by: 'filler', about: 'resume', task: 'completed' },
  SC: { says: 'notice', by: 'filler', about: 'fulfill' },

  XO: { says: 'refused', because: changing },
  XX: { says: 'refused', because: changing },
  RP: { says: 'refused', because: changing },
  RU: { says: 'refused', because: changing },
  RO: { says: 'refused', because: changing },
  PY: { says: 'refused', because: changing },
  AF: { says: 'refused', because: elsewhere },
  DF: { says: 'refused', because: elsewhere },
  OF: { says: 'refused', because: dispensing },
  FU: { says: 'refused', because: dispensing },
  RE: { says: 'refused', because: dispensing },
}

export type OrderControlSays = OrderControl['says']

/** SC and SR, which tell where an order stands with who fills it: by ORC-5 (table 0038). */
const standings: Readonly<Record<string, Pick<OrderControl, 'about' | 'task'>>> = {
  SC: { about: 'fulfill', task: 'accepted' },
  A: { about: 'fulfill', task: 'in-progress' },
  IP: { about: 'fulfill', task: 'in-progress' },
  CM: { about: 'fulfill', task: 'completed' },
  ER: { about: 'fulfill', task: 'rejected' },
  CA: { about: 'abort', task: 'completed' },
  DC: { about: 'abort', task: 'completed' },
  HD: { about: 'suspend', task: 'completed' },
}

/**
 * The line of a code, with the order's status (ORC-5) where that says more; a line of its own kind for a code that is
 * in none.
 */
export function orderControlOf(code: string | undefined, status?: string): OrderControl {
  const control = orderControls[code ?? ''] ?? { says: 'refused', because: unknown }
  if (control.about !== 'fulfill' || control.task) return control
  const standing = standings[status ?? '']
  return standing ? { ...control, ...standing } : { says: 'refused', because: unstanding }
}

/** The codes that say one of these. */
export function orderControlCodes(...says: OrderControlSays[]): string[] {
  return Object.entries(orderControls)
    .filter(([, control]) => says.includes(control.says))
    .map(([code]) => code)
}

/** Whether this caller is one that the line is for: a pharmacy fills orders, everybody else places them. */
export function maySay({ role }: Caller, { by }: OrderControl): boolean {
  if (by === 'either') return true
  const fills = role === 'pharmacy' || role === 'pharmacist'
  return by === (fills ? 'filler' : 'placer')
}

/** What a mapping may use up. Steps bound the time where the clock stands still during a request (Workers). */
export const limits = {
  steps: 500_000,
  depth: 400,
  sequence: 10_000,
  timeoutMs: 2_000,
  padding: 1_000,
  text: 200_000,
  /** Values in what it makes, and characters in all of them: four times what the largest message can hold. */
  values: 500_000,
  characters: 64 * 1024 * 1024,
}

/** What one run of a compiled mapping has used up, and what it may look at. */
export interface Run {
  steps: number
  /** Evaluations around the present one, as jsonata counts them. */
  depth: number
  /** Milliseconds since the epoch. */
  readonly started: number
  /** Values of the names that no scope of the mapping binds, by index. */
  readonly globals: readonly unknown[]
  /** The call that a function has left to its caller (mapping-call.ts). */
  left: { callee: unknown; parameters: unknown[] } | undefined
}

/** What jsonata throws too: `code` from its table of errors, `position` in the text. It holds no value of the source. */
export interface Fault {
  code: string
  position?: number
  /** The clock said so, and may say otherwise another time. */
  late?: true
}

export function fault(code: string, position?: number): Fault {
  return { code, position }
}

/** One call, or one item that a path, a filter or a function visits. */
export function spend(run: Run): void {
  run.steps++
  if (run.steps > limits.steps) throw fault('D1012')
  if (run.steps % 256 === 0) spendTime(run)
}

/** Before what may take long in one step: a pattern takes up to a second (pattern-guard). */
export function spendTime(run: Run): void {
  if (Date.now() - run.started > limits.timeoutMs) throw { ...fault('D1012'), late: true } satisfies Fault
}

// Node only: checks the rows of an audit log on all processors.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { CheckedRows } from '#audit/check-rows.ts'

/** What a thread is asked for. */
export interface RowsAsked {
  from: number
  limit: number
}

/** Batches that wait at each thread: it must not stand still while its answer is taken. */
const aheadEach = 2
const mostThreads = 8
/** A thread takes a tenth of a second to start: fewer events are not worth another one. */
const eventsAThread = 10_000

export interface RowCheckers {
  /** As verifyChecked asks; answers soonest where each call goes on after the one before. */
  checked(from: number, limit: number): Promise<CheckedRows>
  close(): Promise<void>
}

/** Rows of the log in a SQLite file, up to `size`, checked by as many threads as there are processors. */
export function startRowCheckers(file: string, size: number): RowCheckers {
  const count = Math.min(availableParallelism(), mostThreads, Math.ceil((size + 1) / eventsAThread))
  const threads = Array.from({ length: count }, () => startThread(file))
  const ahead = new Map<number, Promise<CheckedRows>>()
  let turn = 0
  /** Where nobody has been asked from yet. */
  let due = 0

  function ask(asked: RowsAsked): Promise<CheckedRows> {
    turn = (turn + 1) % threads.length
    const answer = threads[turn]?.ask(asked) ?? Promise.reject(new RangeError('no thread'))
    // Nobody may wait for it any more when it fails; who does is told.
    answer.catch(() => {})
    return answer
  }

  return {
    checked(from, limit) {
      const waiting = ahead.get(from)
      if (!waiting) ahead.clear()
      ahead.delete(from)
      const answer = waiting ?? ask({ from, limit })
      due = ahead.size > 0 ? due : from + limit
      for (; ahead.size < threads.length * aheadEach && due < size; due += limit)
        ahead.set(due, ask({ from: due, limit }))
      return answer
    },
    async close() {
      await Promise.all(threads.map(({ stop }) => stop()))
    },
  }
}

interface Waiting {
  resolve(rows: CheckedRows): void
  reject(cause: unknown): void
}

/** A thread answers in the order in which it was asked. */
function startThread(file: string) {
  const worker = new Worker(new URL('./cli-verify-thread.ts', import.meta.url), { workerData: file })
  const waiting: Waiting[] = []
  let broken: unknown
  worker.on('message', (rows: CheckedRows) => waiting.shift()?.resolve(rows))
  worker.on('error', (cause) => {
    broken = cause
    for (const each of waiting.splice(0)) each.reject(cause)
  })
  return {
    ask: (asked: RowsAsked) =>
      new Promise<CheckedRows>((resolve, reject) => {
        if (broken) return reject(broken)
        waiting.push({ resolve, reject })
        worker.postMessage(asked)
      }),
    stop: () => worker.terminate(),
  }
}

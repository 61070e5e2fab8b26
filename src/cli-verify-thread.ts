// Node only: one of the threads of `postern audit verify`. It is asked for rows and answers with what is wrong with them.
import { parentPort, workerData } from 'node:worker_threads'
import { checkRows } from '#audit/check-rows.ts'
import { openSqliteLog } from '#store/sqlite-log.ts'
import type { RowsAsked } from './cli-verify.ts'

const rows = openSqliteLog(workerData as string)

parentPort?.on('message', ({ from, limit }: RowsAsked) => {
  const checked = checkRows(rows(from, limit))
  const { positions, recorded, hashes, roots } = checked
  parentPort?.postMessage(checked, [
    positions.buffer,
    recorded.buffer,
    hashes.buffer,
    roots.buffer,
  ] as ArrayBuffer[])
})

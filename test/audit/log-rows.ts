import { createLeafMaker } from '#audit/leaf.ts'
import { createLog, type LogPorts } from '#audit/log.ts'
import { createSigner, generateSigningKey } from '#audit/note.ts'
import type { CheckpointRow, LogRow, TileRow } from '#core/ports.ts'
import { openAuditBox } from './audit-box.ts'

export const origin = 'log.example.org'
const key = generateSigningKey(origin)
export const signer = createSigner(origin, key.privateKey)
export const box = await openAuditBox()
const leaves = createLeafMaker()
const startOfLog = Date.UTC(2026, 4, 1)

/** Rows as a store would hand them out, sealed and hashed for real, a second apart. */
export function rowsOf(count: number, text = 'event'): LogRow[] {
  return Array.from({ length: count }, (_, position) => {
    const eventId = `${text}-${position}`
    const event = {
      id: eventId,
      recorded: startOfLog + position * 1000,
      json: `{"n":${position}}`,
      entities: [],
    }
    return { position, eventId, ...leaves.seal(event, box) }
  })
}

export function reader(rows: readonly LogRow[]) {
  return async (from: number, limit: number) => rows.filter((row) => row.position >= from).slice(0, limit)
}

/** A log over plain arrays, with checkpoints at the sizes asked for. */
export async function logOf(rows: LogRow[], sizes: number[]): Promise<CheckpointRow[]> {
  const checkpoints: CheckpointRow[] = []
  for (const size of sizes) await createLog({ ...portsOf(rows.slice(0, size), checkpoints) }).checkpoint()
  return checkpoints
}

export function portsOf(rows: LogRow[], checkpoints: CheckpointRow[], tiles: TileRow[] = []): LogPorts {
  let anchored = 0
  const store: LogPorts['store'] = {
    logSize: async () => rows.length,
    logRows: reader(rows),
    lastCheckpoint: async () => checkpoints.at(-1),
    checkpoints: async () => checkpoints,
    addCheckpoint: async (row) => {
      checkpoints.push(row)
    },
    anchoredSize: async () => anchored,
    addAnchored: async (size) => {
      anchored = size
    },
    tileCount: async (level) => tiles.filter((tile) => tile.level === level).length,
    tileRoots: async (level, from, limit) =>
      tiles
        .filter((tile) => tile.level === level && tile.number >= from)
        .slice(0, limit)
        .map(({ root }) => root),
    addTiles: async (more) => {
      tiles.push(...more)
    },
  }
  return { store, signer, origin }
}

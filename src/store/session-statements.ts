import { sqlite as db } from './schema.ts'
import { template } from './template.ts'

/* The statements of sessions. */

type Bytes = Uint8Array

export const insertSession = template<{
  key: Bytes
  used: number
  expires: number
  box: string
  body: Bytes
}>((p) =>
  db.insertInto('session').values({ key: p.key, used: p.used, expires: p.expires, box: p.box, body: p.body }),
)
export const useSession = template<{ key: Bytes; used: number }>((p) =>
  db.updateTable('session').set({ used: p.used }).where('key', '=', p.key).where('used', '<', p.used),
)
export const deleteSession = template<{ key: Bytes }>((p) =>
  db.deleteFrom('session').where('key', '=', p.key),
)
export const findSession = template<{ key: Bytes; now: number }>((p) =>
  db.selectFrom('session').selectAll().where('key', '=', p.key).where('expires', '>', p.now),
)
export const sweepSessions = template<{ now: number }>((p) =>
  db.deleteFrom('session').where('expires', '<=', p.now),
)

import type { Vault } from '#core/ports.ts'
import type { SessionChange, SessionStore } from '#core/session.ts'
import type { Driver, Statement } from './driver.ts'
import type { Tables } from './schema.ts'
import * as statements from './session-statements.ts'

/** What the store does for sessions. */
export function createSessions({ driver, vault }: { driver: Driver; vault: Vault }): SessionStore {
  return {
    async findSession(id, now) {
      const key = keyOf(vault, id)
      const [found] = await driver.all(statements.findSession.bind({ key, now }))
      if (!found) return undefined
      const { used, expires, box, body } = found as Tables['session']
      return { used, expires, json: (await vault.open(box)).open(body, placeOf(key)) }
    },
  }
}

/** What a change of a session writes. A session that began before is not begun again: ids are one-time values. */
export async function sessionStatements(change: SessionChange, vault: Vault): Promise<Statement[]> {
  const key = keyOf(vault, change.id)
  if (change.change === 'end') return [statements.deleteSession.bind({ key })]
  const { used } = change
  if (change.change === 'use') return [statements.useSession.bind({ key, used })]
  const box = await vault.box('clinic')
  const body = box.seal(change.json, placeOf(key))
  const bound = statements.insertSession.bind({ key, used, expires: change.expires, box: box.keyId, body })
  return [{ ...bound, guard: 'session' }]
}

function keyOf(vault: Vault, id: string): Uint8Array {
  return vault.mac('session', id)
}

function placeOf(key: Uint8Array): string {
  return `session/${Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

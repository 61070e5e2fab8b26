import { describe, expect, it } from 'vitest'
import { at, created, entry, message, unitOf, updated, type WithStore } from './units.ts'

const altered = { kind: 'internal' }

export function sealClaims(withStore: WithStore): void {
  describe('sealed values', () => {
    it('do not open in another row, of the same patient or of another', () =>
      withStore(async ({ store, driver }) => {
        const [mine, alsoMine, theirs] = [
          created(message('p1')),
          created(message('p1')),
          created(message('p2')),
        ]
        for (const write of [mine, alsoMine, theirs]) await store.commit(unitOf(write))
        const move = (from: string, to: string) =>
          driver.atomically([
            {
              sql: `UPDATE version SET (box, body) = (SELECT box, body FROM version WHERE id = ?) WHERE id = ?`,
              parameters: [from, to],
            },
          ])
        await move(mine.resource.id, alsoMine.resource.id)
        await move(mine.resource.id, theirs.resource.id)
        await expect(store.read('Communication', alsoMine.resource.id)).rejects.toMatchObject(altered)
        await expect(store.read('Communication', theirs.resource.id)).rejects.toMatchObject(altered)
        expect(await store.read('Communication', mine.resource.id)).toMatchObject({ version: 1 })
      }))

    it('do not open as another version or another type', () =>
      withStore(async ({ store, driver }) => {
        const first = created(message('p1'))
        await store.commit(unitOf(first))
        await store.commit(unitOf(updated(first, message('p1', { status: 'stopped' }))))
        const { id } = first.resource
        const copy = (type: string, version: number) =>
          driver.atomically([
            {
              sql: `INSERT INTO version (type, id, version, updated, box, body)
                SELECT ?, id, ?, updated, box, body FROM version WHERE id = ? AND version = 1 AND type = 'Communication'`,
              parameters: [type, version, id],
            },
          ])
        await copy('Communication', 3)
        await copy('Task', 1)
        await expect(store.read('Communication', id)).rejects.toMatchObject(altered)
        await expect(store.read('Task', id)).rejects.toMatchObject(altered)
        expect(await store.readVersion('Communication', id, 1)).toMatchObject({ version: 1 })
      }))

    it('do not open with a byte changed', () =>
      withStore(async ({ store, driver }) => {
        const write = created(message('p1'))
        await store.commit(unitOf(write))
        const [row] = await driver.all({ sql: 'SELECT body FROM version', parameters: [] })
        const body = Uint8Array.from(row?.body as Uint8Array)
        body[20] = (body[20] ?? 0) ^ 1
        await driver.atomically([{ sql: 'UPDATE version SET body = ?', parameters: [body] }])
        await expect(store.read('Communication', write.resource.id)).rejects.toMatchObject(altered)
      }))

    it('do not open as another registration, receipt, delivery or audit event', () =>
      withStore(async ({ store, driver }) => {
        const body = new TextEncoder().encode('{}')
        const [one, two] = [entry(), entry()]
        const resources = [{ type: 'Communication', id: 'c', version: 1 }]
        await store.commit({
          audit: [one, two],
          registrations: [
            { kind: 'client', id: 'a', json: '{"a":1}' },
            { kind: 'client', id: 'b', json: '{"b":1}' },
          ],
          deliveries: [
            { id: 'd1', destination: 'x', resources, due: at },
            { id: 'd2', destination: 'x', resources, due: at },
          ],
          receipt: { sender: 's', messageId: 'm1', body, answer: '1', at },
        })
        await store.commit({ audit: [], receipt: { sender: 's', messageId: 'm2', body, answer: '2', at } })
        for (const sql of [
          "UPDATE registration SET body = (SELECT body FROM registration WHERE id = 'a') WHERE id = 'b'",
          "UPDATE delivery SET body = (SELECT body FROM delivery WHERE id = 'd1') WHERE id = 'd2'",
          'UPDATE receipt SET answer = (SELECT answer FROM receipt ORDER BY rowid LIMIT 1)',
          `UPDATE audit_event SET body = (SELECT body FROM audit_event WHERE id = '${one.id}') WHERE id = '${two.id}'`,
        ]) {
          await driver.atomically([{ sql, parameters: [] }])
        }
        expect(await store.findRegistration('client', 'a')).toBe('{"a":1}')
        await expect(store.findRegistration('client', 'b')).rejects.toMatchObject(altered)
        await expect(store.deliveries(10)).rejects.toMatchObject(altered)
        expect(await store.findReceipt('s', 'm1')).toEqual({ outcome: 'same', answer: '1' })
        await expect(store.findReceipt('s', 'm2')).rejects.toMatchObject(altered)
        expect((await store.read('AuditEvent', one.id))?.json).toBe(one.json)
        await expect(store.read('AuditEvent', two.id)).rejects.toMatchObject(altered)
      }))
  })
}

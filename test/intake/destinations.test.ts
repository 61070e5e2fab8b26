import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { createLeafMaker } from '#audit/leaf.ts'
import { createDestinations } from '#intake/destinations.ts'
import { openSqlite } from '#store/sqlite.ts'
import { createStore } from '#store/store.ts'
import { openStore } from '../open-store.ts'

function named(id: string) {
  return { audit: [], registrations: [{ kind: 'destination', id, json: JSON.stringify({ id }) } as const] }
}

it('destinations are those that stand now, whichever process registered them', async () => {
  const { store, vault, folder, close } = await openStore()
  onTestFinished(close)
  const driver = openSqlite(join(folder, 'data.db'))
  const other = createStore({ driver, vault, leaves: createLeafMaker() })
  onTestFinished(() => other.close())
  const destinations = createDestinations(store)
  const ids = async () => (await destinations()).map(({ id }) => id)
  expect(await ids()).toEqual([])
  await store.commit(named('here'))
  expect(await ids()).toEqual(['here'])
  await other.commit(named('there'))
  expect(await ids()).toEqual(['here', 'there'])
  expect(await destinations(), 'read once').toBe(await destinations())
})

it('destinations that could not be read are asked for again', async () => {
  const { store, close } = await openStore()
  onTestFinished(close)
  await store.commit(named('here'))
  let answers = false
  const destinations = createDestinations({
    ...store,
    registrations: (kind) =>
      answers ? store.registrations(kind) : Promise.reject(new Error('The database did not answer')),
  })
  await expect(destinations()).rejects.toThrow('did not answer')
  answers = true
  expect((await destinations()).map(({ id }) => id)).toEqual(['here'])
})

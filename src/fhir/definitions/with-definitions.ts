import type { Store, Stored } from '#core/ports.ts'
import type { Criterion, Cursor, SearchQuery } from '#core/query.ts'
import type { Resource } from '#core/resource.ts'
import { definitionTypes } from '#core/unstored.ts'
import { meets } from '#fhir/search/check.ts'
import { parameterRows } from '#store/index-rows.ts'
import { lastUpdated, searchParameter } from '#store/search-parameters.ts'
import type { Definitions } from './definitions.ts'

/**
 * The store with definitions in it: read and searched like everything else, through the same decisions, though they stand
 * in no table. There are some hundreds of them, so each is looked at.
 */
export function withDefinitions(store: Store, definitions: Definitions): Store {
  const isDefinition = (type: string) => definitionTypes.some((each) => each === type)
  return {
    ...store,
    async read(type, id) {
      if (!isDefinition(type)) return store.read(type, id)
      return (await definitions.list(type)).find((each) => each.id === id)
    },
    async search(query) {
      return isDefinition(query.type) ? found(await definitions.list(query.type), query) : store.search(query)
    },
  }
}

type Found = { stored: Stored; cursor: Cursor }

function found(all: readonly Stored[], { type, criteria, sort, after, limit }: SearchQuery): Found[] {
  const descending = sort?.descending ?? false
  const before = (a: Cursor, b: Cursor) =>
    (a.key - b.key || (a.id < b.id ? -1 : 1)) * (descending ? -1 : 1) < 0
  return all
    .map((stored) => ({ stored, resource: JSON.parse(stored.json) as Resource }))
    .filter(({ resource }) => criteria.every((criterion) => holds(type, criterion, resource)))
    .map(({ stored, resource }) => ({
      stored,
      cursor: { key: keyOf(stored, resource, sort), id: stored.id },
    }))
    .filter(({ cursor }) => !after || before(after, cursor))
    .sort((a, b) => (before(a.cursor, b.cursor) ? -1 : 1))
    .slice(0, limit)
}

function holds(type: string, criterion: Criterion, resource: Resource): boolean {
  if (criterion.kind === 'id') return criterion.values.includes(resource.id ?? '')
  const parameter = parameterOf(type, criterion.param.split(':')[0] ?? '')
  return parameter !== undefined && meets(parameter, criterion)(resource)
}

function keyOf(stored: Stored, resource: Resource, sort: SearchQuery['sort']): number {
  const parameter = sort && parameterOf(stored.type, sort.param)
  if (!parameter || parameter.name === lastUpdated.name) return stored.updated
  const lows = parameterRows(resource, parameter).dates.map(({ low }) => low)
  return sort.descending ? Math.max(...lows) : Math.min(...lows)
}

function parameterOf(type: string, name: string) {
  if (name === lastUpdated.name) return { ...lastUpdated, paths: ['meta.lastUpdated'] }
  return searchParameter(type, name)
}

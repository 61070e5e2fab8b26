import { Failure } from '#core/failure.ts'
import { lastUpdated, type SearchParameter, searchParameter } from '#store/search-parameters.ts'
import { noteElements } from './elements.ts'
import type { Search } from './parse.ts'

const maxCount = 200
const maxSortKeys = 5
const maxElements = 50

type Control = (search: Search, text: string) => void

/** Parameters that say how to answer, each at most once: https://hl7.org/fhir/R4/search.html#return */
export const controls: Readonly<Record<string, Control>> = {
  _count: (search, text) => {
    if (!/^\d{1,9}$/.test(text)) throw new Failure('malformed', 'The parameter _count is not a number.')
    search.count = Math.min(Number(text), maxCount)
    if (search.count === 0) search.countOnly = true
  },
  _sort: (search, text) => {
    const keys = text.split(',')
    if (keys.length > maxSortKeys) throw new Failure('too-costly', `Sort by at most ${maxSortKeys} keys.`)
    search.sort = keys.map((key) => {
      const descending = key.startsWith('-')
      const parameter = sortable(search.type, descending ? key.slice(1) : key)
      noteElements(search, parameter)
      return { parameter, descending }
    })
  },
  _summary: (search, text) => {
    if (!['count', 'true', 'text', 'data', 'false'].includes(text)) {
      throw new Failure('unsupported', 'The parameter _summary takes true, text, data, count or false.')
    }
    if (text === 'count') search.countOnly = true
    else if (text !== 'false') search.view = { ...search.view, summary: text as 'true' | 'text' | 'data' }
  },
  _elements: (search, text) => {
    const elements = text.split(',').map((name) => name.replace(/^[A-Z][A-Za-z]*\./, ''))
    if (elements.length > maxElements || !elements.every((name) => /^[a-z][A-Za-z]{0,63}$/.test(name))) {
      throw new Failure(
        'malformed',
        'The parameter _elements takes names of elements of the resource itself.',
      )
    }
    search.view = { ...search.view, elements }
  },
  _total: (search, text) => {
    if (text !== 'none' && text !== 'accurate') {
      throw new Failure('unsupported', 'The parameter _total takes none or accurate.')
    }
    search.total = text === 'accurate'
  },
  // Both were read with the headers (negotiate).
  _format: () => {},
  _pretty: () => {},
}

const id: SearchParameter = { name: '_id', kind: 'token', paths: ['id'] }

function sortable(type: string, name: string): SearchParameter {
  if (name === '_lastUpdated') return lastUpdated
  const parameter = name === '_id' ? id : searchParameter(type, name)
  if (!parameter || ['uri', 'quantity', 'composite'].includes(parameter.kind)) {
    throw new Failure(
      'unsupported',
      'The parameter _sort takes date, token, string and reference parameters and _lastUpdated, - before one to turn it round.',
    )
  }
  return parameter
}

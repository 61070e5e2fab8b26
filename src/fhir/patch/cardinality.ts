import base from '#profiles/base/r4.json' with { type: 'json' }
import { type BaseTable, type ElementEntries, readLine } from '#validator/table.ts'

const { types } = base as unknown as BaseTable

/** The place of a child element: the name it is stored under in the definitions, and whether it is a list. */
export interface Child {
  /** `deceased[x]` is a choice: the stored name ends with the type. */
  choice: boolean
  list: boolean
}

/** What the definition says of the child `name` of the element at `path` (`Patient`, `contact`, …); undefined for none. */
export function childOf(path: readonly string[], name: string): Child | undefined {
  const [type = '', ...steps] = path
  let entries: ElementEntries | undefined = types[type]?.elements
  for (const step of steps) entries = entries && contentOf(entries, step)
  const choice = entries?.[name] === undefined
  const entry = entries?.[choice ? `${name}[x]` : name]
  const line = typeof entry === 'string' ? entry : entry?.['']
  return typeof line === 'string' ? { choice, list: readLine(line).max > 1 } : undefined
}

function contentOf(entries: ElementEntries, step: string): ElementEntries | undefined {
  const entry = entries[step] ?? choiceOf(entries, step)
  if (typeof entry === 'object') return entry
  if (!entry) return undefined
  const line = readLine(entry)
  if (line.contentOf) {
    const [type = '', ...rest] = line.contentOf.split('.')
    let found: ElementEntries | undefined = types[type]?.elements
    for (const name of rest) found = found && contentOf(found, name)
    return found
  }
  const named = line.types.find(({ code }) => line.types.length === 1 || step.endsWith(upper(code)))
  return named && types[named.code]?.elements
}

function choiceOf(entries: ElementEntries, step: string): string | ElementEntries | undefined {
  const name = Object.keys(entries).find((each) => each.endsWith('[x]') && step.startsWith(each.slice(0, -3)))
  return name === undefined ? undefined : entries[name]
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

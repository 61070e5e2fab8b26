import { decimalOf } from '#core/decimal.ts'
import { textOf } from './probe.ts'
import { isRecord } from './report.ts'
import { type BaseTable, type ElementEntries, readLine } from './table.ts'

type Restore = (value: unknown) => unknown

/**
 * Gives decimals that a mapping carried as strings their place back: where the definition says decimal and the value
 * is a string of decimal form, it becomes a kept number. What holds none is shared with the original.
 */
export function compileRestore(table: BaseTable): Restore {
  const types = new Map<string, Restore>()

  function restoreType(name: string): Restore {
    if (name === 'decimal') return restoreDecimal
    if (name === 'Resource') return restoreResource
    const entry = table.types[name]
    // Primitives hold nothing to restore; Element's extensions are met through the types that have them.
    if (!entry) return unchanged
    return (value) => {
      let restore = types.get(name)
      if (!restore) {
        restore = restoreMembers(entry.elements)
        types.set(name, restore)
      }
      return restore(value)
    }
  }

  function restoreMembers(entries: ElementEntries): Restore {
    const byName = new Map<string, Restore>()
    const extensions = restoreType('Element')
    for (const [name, entry] of Object.entries(entries)) {
      if (name === '') continue
      const line = readLine(typeof entry === 'string' ? entry : String(entry['']))
      if (line.contentOf) byName.set(name, restoreContent(line.contentOf))
      else if (typeof entry !== 'string') byName.set(name, restoreMembers(entry))
      else {
        for (const { code } of line.types) {
          const json = name.endsWith('[x]')
            ? name.slice(0, -3) + code.charAt(0).toUpperCase() + code.slice(1)
            : name
          byName.set(json, restoreType(code))
          byName.set(`_${json}`, extensions)
        }
      }
    }
    return (value) => {
      if (!isRecord(value)) return value
      let copy: Record<string, unknown> | undefined
      for (const key of Object.keys(value)) {
        const restored = restoreItems(value[key], byName.get(key) ?? unchanged)
        if (restored === value[key]) continue
        copy ??= { ...value }
        copy[key] = restored
      }
      return copy ?? value
    }
  }

  function restoreContent(path: string): Restore {
    const [type = '', ...names] = path.split('.')
    let restore: Restore | undefined
    return (value) => {
      let entries: ElementEntries | string | undefined = table.types[type]?.elements
      for (const name of names) entries = typeof entries === 'object' ? entries[name] : undefined
      restore ??= typeof entries === 'object' ? restoreMembers(entries) : unchanged
      return restore(value)
    }
  }

  function restoreResource(value: unknown): unknown {
    const type = textOf(value, 'resourceType')
    return type !== undefined && Object.hasOwn(table.types, type) ? restoreType(type)(value) : value
  }

  return restoreResource
}

function restoreItems(value: unknown, restore: Restore): unknown {
  if (restore === unchanged) return value
  if (!Array.isArray(value)) return restore(value)
  const items = value.map(restore)
  return items.some((item, index) => item !== value[index]) ? items : value
}

function restoreDecimal(value: unknown): unknown {
  return typeof value === 'string' ? (decimalOf(value) ?? value) : value
}

function unchanged(value: unknown): unknown {
  return value
}

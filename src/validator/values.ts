import { primitives } from './primitives.ts'
import { isRecord } from './report.ts'

/** A value of an element, and its place in the list when the element repeats. */
export interface Found {
  value: unknown
  index?: number
  /** For a choice: the type that the property name tells. */
  type?: string
}

/**
 * The values of an element by its name in the definition (`identifier`, `content[x]`). A primitive that has extensions
 * only counts as there; its value is then undefined.
 */
export function valuesOf(owner: unknown, name: string): Found[] {
  if (!isRecord(owner)) return []
  if (!name.endsWith('[x]')) return listed(owner, name)
  const stem = name.slice(0, -3)
  return Object.keys(owner).flatMap((key) => {
    if (!key.startsWith(stem) || !/^[A-Z]/.test(key.slice(stem.length))) return []
    const type = key.slice(stem.length)
    const primitive = type.charAt(0).toLowerCase() + type.slice(1)
    const code = Object.hasOwn(primitives, primitive) ? primitive : type
    return listed(owner, key).map((found) => ({ ...found, type: code }))
  })
}

/** Values at a simple path of element names below a value (`type.coding.code`, `$this`), through all lists. */
export function valuesAt(value: unknown, path: string): unknown[] {
  if (path === '$this') return [value]
  let values = [value]
  for (const name of path.split('.')) {
    values = values.flatMap((owner) => {
      const plain = valuesOf(owner, name).map((found) => found.value)
      return plain.length ? plain : valuesOf(owner, `${name}[x]`).map((found) => found.value)
    })
  }
  return values
}

function listed(owner: Record<string, unknown>, key: string): Found[] {
  const value = owner[key]
  if (Array.isArray(value)) return value.map((item, index) => ({ value: item, index }))
  if (value !== undefined) return [{ value }]
  return owner[`_${key}`] === undefined ? [] : [{ value: undefined }]
}

import { decimalText } from '#core/decimal.ts'

/** Decimals as their texts, so that `1.50` is not `1.5`. */
export function plain(value: unknown): unknown {
  if (typeof value === 'number') return String(value)
  const text = typeof value === 'object' ? decimalText(value) : undefined
  if (text !== undefined) return text
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
}

export type Tree = Record<string, unknown>

export function pruned(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(pruned).filter((each) => each !== undefined)
    return items.length > 0 ? items : undefined
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, each]) => [key, pruned(each)] as const)
  const kept = entries.filter(([, each]) => each !== undefined)
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}

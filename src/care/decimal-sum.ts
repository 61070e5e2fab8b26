import { decimalText } from '#core/decimal.ts'

/** A decimal as whole units and how many of its digits stand after the point: sums of it are exact. */
interface Scaled {
  units: bigint
  scale: number
}

/** -1, 0 or 1 as the sum of some decimals is less than, equal to or more than times × another; undefined for no decimal. */
export function compareSum(parts: readonly unknown[], whole: unknown, times: number): number | undefined {
  const scaled = parts.map(scaledOf)
  const limit = scaledOf(whole)
  if (!limit || scaled.some((part) => part === undefined)) return undefined
  const scale = Math.max(limit.scale, ...scaled.map((part) => part?.scale ?? 0))
  const raise = (part: Scaled) => part.units * 10n ** BigInt(scale - part.scale)
  const sum = scaled.reduce((total, part) => total + (part ? raise(part) : 0n), 0n)
  const most = raise(limit) * BigInt(times)
  return sum === most ? 0 : sum < most ? -1 : 1
}

/** No amount of anything dispensed is longer; sums of longer ones would hold the process up. */
const maxDigits = 100

function scaledOf(value: unknown): Scaled | undefined {
  const text = decimalText(value) ?? ''
  const form = /^(-?\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)
  if (!form || text.length > maxDigits) return undefined
  const [, whole = '', fraction = '', power = '0'] = form
  const exponent = Number(power)
  if (Math.abs(exponent) > maxDigits) return undefined
  const units = BigInt(`${whole}${fraction}`) * 10n ** BigInt(Math.max(exponent - fraction.length, 0))
  return { units, scale: Math.max(fraction.length - exponent, 0) }
}

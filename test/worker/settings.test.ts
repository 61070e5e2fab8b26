import { describe, expect, it } from 'vitest'
import type { Failure } from '#core/failure.ts'
import { readSettings } from '../../src/worker/settings.ts'

const good = {
  CLINIC: {},
  POSTERN_KEYRING: JSON.stringify({ active: 'k', keys: { k: Buffer.alloc(32, 7).toString('base64') } }),
  POSTERN_CHECKPOINT_KEY: '-----BEGIN PRIVATE KEY-----',
  POSTERN_CLINICS: JSON.stringify({ 'north.example': { clinic: 'north' } }),
}

function refusal(change: Record<string, unknown>): string {
  try {
    readSettings({ ...good, ...change })
  } catch (error) {
    const { kind, message } = error as Failure
    return `${kind}: ${message}`
  }
  return 'nothing was refused'
}

describe("the Worker's settings", () => {
  it('are read with what is usual where nothing is said', () => {
    const { keyring, clinics } = readSettings(good)
    expect(keyring.keys.get('k')).toEqual(new Uint8Array(32).fill(7))
    expect(clinics.get('north.example')).toEqual({
      clinic: 'north',
      baseUrl: 'https://north.example',
      timeZone: 'UTC',
      clients: [],
      destinations: [],
    })
  })

  it.each([
    ['a keyring that is no JSON', { POSTERN_KEYRING: 'canary' }, 'POSTERN_KEYRING: must be JSON'],
    [
      'a key of another length',
      { POSTERN_KEYRING: '{"active":"k","keys":{"k":"Y2FuYXJ5"}}' },
      'must be 32 bytes, base64',
    ],
    [
      'a keyring without its active key',
      { POSTERN_KEYRING: good.POSTERN_KEYRING.replace('"active":"k"', '"active":"canary"') },
      'POSTERN_KEYRING: must hold its active key',
    ],
    ['no key for checkpoints', { POSTERN_CHECKPOINT_KEY: undefined }, 'POSTERN_CHECKPOINT_KEY: '],
    [
      'a clinic with a name that no seal can bear',
      { POSTERN_CLINICS: '{"north.example":{"clinic":"Canary |"}}' },
      'POSTERN_CLINICS.north.example.clinic: letters, digits, dots and dashes',
    ],
    [
      'a misspelt setting of a clinic',
      { POSTERN_CLINICS: '{"a":{"clinic":"a","timezone":"UTC"}}' },
      'timezone',
    ],
    [
      'a time zone that is none',
      { POSTERN_CLINICS: '{"a":{"clinic":"a","timeZone":"canary"}}' },
      'an IANA time zone',
    ],
  ])('refuse %s, and say which without its value', (_, change, words) => {
    const text = refusal(change)
    expect(text).toMatch(/^internal: /)
    expect(text).toContain(words)
    expect(text).not.toMatch(/canary/i)
  })
})

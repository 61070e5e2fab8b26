import { describe, expect, test } from 'vitest'
import { exportLog, readExport } from '#audit/export.ts'
import { verifyLog } from '#audit/verify.ts'
import { logOf, origin, portsOf, rowsOf, signer } from './log-rows.ts'

async function exported(): Promise<string[]> {
  const rows = rowsOf(12)
  const checkpoints = await logOf(rows, [5, 12])
  return Array.fromAsync(exportLog(portsOf(rows, checkpoints).store, origin))
}

async function* linesOf(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

async function verify(lines: readonly string[], outside: readonly string[] = []) {
  const { rows, checkpoints } = await readExport(linesOf(lines))
  return verifyLog({ rows, checkpoints, vkey: signer.vkey, outside })
}

const found = async (lines: readonly string[], outside?: readonly string[]) =>
  (await verify(lines, outside)).findings.filter((each) => each.severity === 'error').map((each) => each.kind)

/** Where the leaves begin: behind the head and two checkpoints. */
const first = 3

describe('an exported log', () => {
  test('is whole for whoever has the public key', async () => {
    expect(await verify(await exported())).toMatchObject({ ok: true, size: 12, findings: [] })
  })

  test('shows what was removed, swapped, doubled, cut off and edited', async () => {
    const lines = await exported()
    const [third, fourth] = [lines[first + 3] ?? '', lines[first + 4] ?? '']
    expect(await found(lines.toSpliced(first + 3, 1))).toContain('gap')
    expect(await found(lines.with(first + 3, fourth).with(first + 4, third))).toContain('order')
    expect(await found(lines.toSpliced(first + 3, 0, third))).toContain('order')
    expect(await found(lines.slice(0, -2))).toContain('truncation')
    expect(
      await found(lines.with(first + 3, third.replace('"event":"event-3"', '"event":"event-4"'))),
    ).toContain('event')
    const swapped = { ...JSON.parse(third), sealed: JSON.parse(fourth).sealed }
    expect(await found(lines.with(first + 3, JSON.stringify(swapped)))).toContain('body')
  })

  test('shows that its end and its last checkpoint are gone to whoever kept one', async () => {
    const lines = await exported()
    const kept = JSON.parse(lines[2] ?? '').note
    const short = [...lines.slice(0, 2), ...lines.slice(first, first + 5)]
    expect(await found(short)).toEqual([])
    expect(await found(short, [kept])).toEqual(['truncation'])
  })

  test('has no byte that can be changed unseen in a leaf, a sealed event or a checkpoint', async () => {
    const lines = await exported()
    const at = [1, first + 2, first + 7]
    for (const number of at) {
      const fields = JSON.parse(lines[number] ?? '') as Record<string, unknown>
      for (const [name, value] of Object.entries(fields)) {
        if (typeof value !== 'string' || name === 'event') continue
        const size = name === 'note' ? value.length : Buffer.from(value, 'base64').length
        for (let byte = 0; byte < size; byte += 1) {
          const changed = name === 'note' ? flipText(value, byte) : flipByte(value, byte)
          const forged = lines.with(number, JSON.stringify({ ...fields, [name]: changed }))
          expect((await verify(forged)).ok, `${name} of line ${number}, byte ${byte}`).toBe(false)
        }
      }
    }
  }, 60_000)

  test('is refused, by line, where it is not what was exported', async () => {
    const lines = await exported()
    await expect(readExport(linesOf(['{}']))).rejects.toThrow('line 1')
    await expect(verify(lines.with(first + 2, '{"position":'))).rejects.toThrow(`line ${first + 3}`)
    await expect(verify(lines.with(first + 2, '7'))).rejects.toThrow(`line ${first + 3}`)
    await expect(verify(lines.with(first + 2, '{"position":2,"event":"e"}'))).rejects.toThrow('lacks bytes')
    await expect(readExport(linesOf([lines[0] ?? '', '{"checkpoint":"1"}']))).rejects.toThrow('line 2')
  })
})

function flipByte(text: string, at: number): string {
  const bytes = Buffer.from(text, 'base64')
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes.toString('base64')
}

function flipText(text: string, at: number): string {
  const code = text.charCodeAt(at)
  return text.slice(0, at) + String.fromCharCode(code ^ 1) + text.slice(at + 1)
}

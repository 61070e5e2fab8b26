import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { postern } from './command-line.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-explain-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))

describe('postern hl7 explain', () => {
  it('prints an order as a tree, and what the mapping does with each field', async () => {
    const { code, stdout } = await postern(
      folder,
      'hl7',
      'explain',
      file('prescription-order/us-simple.in.hl7'),
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /Flow prescription-order: of \d+ populated fields \d+ are mapped, \d+ ignored by rule, 0 unknown/,
    )
    expect(stdout).toContain('RXE  Pharmacy/Treatment Encoded Order (ORDER)')
    expect(stdout).toContain('RXE-3     Give Amount - Minimum (NM): 2.50   [mapped]')
    expect(stdout).toContain('PID-1     Set ID - PID (SI): 1   [ignored: ')
  })

  it('says of a type that no flow takes in what would become of it, and names its fields all the same', async () => {
    const name = 'third-party/hl7v2/Balneario-de-Cofrentes+hl7v2/conformance__dft_p11.hl7'
    const { code, stdout } = await postern(folder, '--json', 'hl7', 'explain', file(name))
    expect(code).toBe(0)
    const [told] = JSON.parse(stdout)
    expect(told).toMatchObject({ type: 'DFT^P11', version: '2.5.1', controlId: 'MSG131' })
    expect(told.flow).toBeUndefined()
    expect(told.segments[0].fields[6]).toMatchObject({ name: 'Date/Time Of Message', type: 'TS' })
  })

  it('says why a rule refuses a message', async () => {
    const { stdout } = await postern(
      folder,
      'hl7',
      'explain',
      file('medication-order/bad-laboratory-order.in.hl7'),
    )
    expect(stdout).toContain('Flow medication-order refuses it:')
    expect(stdout).toContain('Only medication orders (RXO) are taken in')
  })
})

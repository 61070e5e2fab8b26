import { describe, expect, it } from 'vitest'
import { coverageCounts, watchReads } from '#formats/hl7v2/coverage.ts'
import { explainMessage, explanationText } from '#formats/hl7v2/explain.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { sourceTree } from '#formats/hl7v2/source.ts'

const text = [
  'MSH|^~\\&|A|B|C|D|20250101120102||RDE^O11^RDE_O11|1|P|2.5.1',
  'PID|1||1^^^H&1.2.3&ISO^MR||DOE^JANE',
  'ORC|NW|A1',
  'RXE||197361^Amlodipine^RXNORM^X|5||mg',
  'NTE|1||one~two',
  'ZRX|secret',
].join('\r')

/** Reads a component as a mapping does, step by step. */
function read(from: unknown, ...path: (string | number)[]): unknown {
  return path.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], from)
}

function watched() {
  return watchReads(sourceTree(readMessage(text)))
}

describe('coverage', () => {
  it('knows nothing as mapped before anything was read', () => {
    expect(coverageCounts(watched().coverage({}))).toEqual({ mapped: 0, ignored: 0, unknown: 22 })
  })

  it('tells what was read from what was asked for and from what nobody looked at', () => {
    const { source, coverage } = watched()
    expect(read(source, 'orders', 0, 'RXE', 'RXE_2', 0, '_1')).toBe('197361')
    expect(Array.isArray(read(source, 'orders', 0, 'RXE', 'RXE_5'))).toBe(true)
    const fields = coverage({ MSH: 'the door', 'RXE-2.2': 'display', 'RXE-5': 'never said' })
    expect(fields.filter(({ segment }) => segment === 'RXE')).toEqual([
      { segment: 'RXE', at: 4, field: 2, state: 'mapped', unread: ['3', '4'] },
      { segment: 'RXE', at: 4, field: 3, state: 'unknown' },
      { segment: 'RXE', at: 4, field: 5, state: 'ignored', reason: 'never said' },
    ])
    expect(fields.filter(({ state }) => state === 'ignored')).toHaveLength(12)
  })

  it('counts the whole text of a repetition for all of it, and each repetition for itself', () => {
    const { source, coverage } = watched()
    expect(read(source, 'orders', 0, 'RXE', 'NTE', 0, 'NTE_3', 1, '_')).toBe('two')
    expect(coverage({}).find(({ segment, field }) => segment === 'NTE' && field === 3)).toEqual({
      segment: 'NTE',
      at: 5,
      field: 3,
      state: 'mapped',
      unread: ['1'],
    })
  })

  it('takes a component that is not there for no reading', () => {
    const { source, coverage } = watched()
    expect(read(source, 'PID', 'PID_5', 0, '_7')).toBeUndefined()
    const name = coverage({}).find(({ segment, field }) => segment === 'PID' && field === 5)
    expect(name?.state).toBe('unknown')
  })

  it('counts what is read of a segment that stands in two places of the source once', () => {
    const tree = sourceTree(readMessage(text))
    const { source, coverage } = watchReads({ ...tree, records: [{ slot: 'subject', PID: tree.PID }] })
    expect(read(source, 'records', 0, 'PID', 'PID_5', 0, '_1')).toBe('DOE')
    expect(
      coverage({ PID: 'no' }).filter(({ segment, state }) => segment === 'PID' && state === 'mapped'),
    ).toEqual([{ segment: 'PID', at: 2, field: 5, state: 'mapped', unread: ['2'] }])
  })

  it('goes by the rule for a segment under another one before that for the segment', () => {
    const { coverage } = watched()
    const rules = { 'RXE/NTE-3': 'narrow', 'RXE/NTE': 'under', NTE: 'wide', 'NTE-1': 'never' }
    const reasons = () =>
      coverage(rules).flatMap(({ segment, reason }) => (segment === 'NTE' ? [reason] : []))
    expect(reasons()).toEqual(['under', 'narrow'])
    expect(reasons()).toEqual(['under', 'narrow'])
  })

  it('leaves what it watches equal to what it was', () => {
    expect(JSON.stringify(watched().source)).toBe(JSON.stringify(sourceTree(readMessage(text))))
  })
})

describe('a message explained', () => {
  it('is a tree with names, values and what became of them', () => {
    const { source, coverage } = watched()
    expect(read(source, 'orders', 0, 'RXE', 'RXE_3', 0, '_1')).toBe('5')
    const lines = explanationText(
      explainMessage(readMessage(text), coverage({ PID: 'asked elsewhere' })),
    ).split('\n')
    expect(lines).toContain('PID  Patient Identification (PATIENT), line 2')
    expect(lines).toContain('            .4.2  Assigning Authority, Universal ID: 1.2.3')
    expect(lines).toContain('  PID-5     Patient Name (XPN)   [ignored: asked elsewhere]')
    expect(lines).toContain('  RXE  Pharmacy/Treatment Encoded Order (ORDER), line 4')
    expect(lines).toContain('    RXE-3     Give Amount - Minimum (NM): 5   [mapped]')
    expect(lines).toContain('    RXE-5     Give Units (CE): mg   [UNKNOWN]')
    expect(lines).toContain('      NTE-3[2]  Comment (FT): two   [UNKNOWN]')
    expect(lines).toContain('    ZRX  of the sender’s own, line 6')
  })

  it('of two patients is told without depth', () => {
    const two = readMessage('MSH|^~\\&|A|||||||||2.3\rEVN|A17\rPID|1\rPV1|1\rPID|2')
    expect(explainMessage(two).map(({ depth }) => depth)).toEqual([0, 0, 0, 0, 0])
  })
})

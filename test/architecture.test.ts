import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

/** Which room may import which. Arrows point down only; DESIGN's picture, as a table. */
const floor0 = ['core']
const floor1 = ['access', 'audit', 'care', 'validator', 'formats', 'vault', 'store']
const floor2 = ['intake', 'fhir', 'auth']
const mayImport: Record<string, readonly string[]> = {
  core: [],
  access: floor0,
  audit: floor0,
  care: [...floor0, 'access'],
  validator: floor0,
  formats: floor0,
  vault: floor0,
  store: [...floor0, 'vault'],
  flows: [...floor0, 'formats', 'care'],
  intake: [...floor0, ...floor1, 'flows'],
  fhir: [...floor0, ...floor1],
  auth: [...floor0, ...floor1],
  inbound: [...floor0, ...floor1, ...floor2, 'flows'],
  outbound: [...floor0, ...floor1, ...floor2],
  gateway: [
    ...floor0,
    ...floor1.filter((room) => room !== 'store'),
    ...floor2,
    'flows',
    'inbound',
    'outbound',
  ],
  config: floor0,
  node: ['*'],
  worker: ['*'],
  cli: ['*'],
  postern: ['*'],
}

/** `node:crypto` stands in these rooms only. */
const cryptoRooms = ['vault', 'audit', 'auth']

const root = join(import.meta.dirname, '..')
const files = globSync('src/**/*.{ts,tsx}', { cwd: root }).sort()
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))

interface Import {
  from: string
  specifier: string
  /** File below src, for imports of our own. */
  target?: string
  typeOnly: boolean
}

const imports: Import[] = files.flatMap((from) => importsOf(from, sources.get(from) ?? ''))

describe('the architecture', () => {
  it('lets a room import only the rooms below it', () => {
    const wrong = imports.filter(({ from, target }) => {
      if (!target) return false
      const here = roomOf(from)
      const there = roomOf(target)
      const allowed = mayImport[here]
      return here !== there && !allowed?.includes('*') && !allowed?.includes(there)
    })
    expect(wrong.map(say)).toEqual([])
  })

  it('knows every room', () => {
    expect(files.map(roomOf).filter((room) => !(room in mayImport))).toEqual([])
  })

  it('writes imports of other rooms as #room/file.ts and climbs no folders', () => {
    const wrong = imports.filter(({ from, specifier, target }) => {
      if (!target) return false
      if (specifier.startsWith('..') && roomOf(from) !== roomOf(target)) return true
      return specifier.startsWith('.') && roomOf(from) !== roomOf(target) && from.split('/').length > 2
    })
    expect(wrong.map(say)).toEqual([])
  })

  it('imports files that are there', () => {
    expect(imports.filter(({ target }) => target?.startsWith('src/') && !isThere(target)).map(say)).toEqual(
      [],
    )
  })

  it('keeps node:crypto in the rooms that seal, prove and authenticate', () => {
    const wrong = imports.filter(
      ({ from, specifier }) => specifier === 'node:crypto' && !cryptoRooms.includes(roomOf(from)),
    )
    expect(wrong.map(say)).toEqual([])
  })

  it('keeps every other node module and native driver out of the reach of the Worker', () => {
    const reached = reachable('src/worker.ts')
    const wrong = imports.filter(
      ({ from, specifier }) =>
        reached.has(from) &&
        ((specifier.startsWith('node:') && specifier !== 'node:crypto') || specifier === 'better-sqlite3'),
    )
    expect(wrong.map(say)).toEqual([])
  })

  it('says "Node only" at the head of every file that only the Node entry may reach', () => {
    const wrong = imports
      .filter(({ specifier }) => /^node:(?!crypto$)|^better-sqlite3$/.test(specifier))
      .map(({ from }) => from)
      .filter((file) => !['node', 'cli'].includes(roomOf(file)) && !/node only|node entry/i.test(head(file)))
    expect([...new Set(wrong)]).toEqual([])
  })

  it('has no cycles', () => {
    const cycles = files.filter((file) => reachable(file, true).has(file))
    expect(cycles).toEqual([])
  })

  it('lets no query past authorize: only these rooms hold the store, and each of them authorizes', () => {
    const holders = new Set(
      imports
        .filter(({ target }) => target?.startsWith('src/store/store.ts'))
        .map(({ from }) => roomOf(from)),
    )
    expect([...holders].sort().filter((room) => !['node', 'worker', 'store'].includes(room))).toEqual([])
  })

  it('keeps every file at one idea: under 400 lines', () => {
    const long = [...sources].filter(([, text]) => text.split('\n').length > 400).map(([file]) => file)
    expect(long).toEqual([])
  })
})

function importsOf(from: string, source: string): Import[] {
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/gm
  return [...source.matchAll(pattern)].map((match) => {
    const specifier = match[2] ?? match[3] ?? ''
    const target = targetOf(from, specifier)
    return { from, specifier, typeOnly: match[1] !== undefined, ...(target ? { target } : {}) }
  })
}

/** Our own code. Profiles and mappings are data, which is no room. */
function targetOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('#profiles/')) return undefined
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}`
  const target = specifier.startsWith('.') ? relative(root, join(root, dirname(from), specifier)) : undefined
  return target?.startsWith('src/') ? target : undefined
}

function roomOf(file: string): string {
  const [, room = ''] = file.split('/')
  // The command line is one entry in several files: cli.ts and cli-<group>.ts.
  return room
    .replace(/\.tsx?$/, '')
    .replace(/-artifacts$/, '')
    .replace(/^cli-.*/, 'cli')
}

function reachable(start: string, beyondStart = false): Set<string> {
  const seen = new Set<string>(beyondStart ? [] : [start])
  const queue = [start]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    for (const { from, target, typeOnly } of imports) {
      if (from !== file || typeOnly || !target || seen.has(target)) continue
      seen.add(target)
      queue.push(target)
    }
  }
  return seen
}

function isThere(target: string): boolean {
  return sources.has(target) || target.endsWith('.json')
}

function head(file: string): string {
  return (sources.get(file) ?? '').split('\n').slice(0, 12).join('\n')
}

function say({ from, specifier }: Import): string {
  return `${from} imports ${specifier}`
}

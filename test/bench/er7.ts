/** Reads and writes HL7 v2 with our reader and with three others in one run: `npm run bench -- er7`, or this file by itself. */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Hl7Message } from '@medplum/core'
import { HL7Message } from 'hl7v2'
import { Message as ClientMessage } from 'node-hl7-client'
import { findSegment, readMessage, value, writeMessage } from '#formats/hl7v2/message.ts'
import { sourceTree } from '#formats/hl7v2/source.ts'

const folder = new URL('../../fixtures/third-party/hl7v2/microsoft+FHIR-Converter/', import.meta.url)
const samples = { 'RDE^O11': sample('RDE-O11-01.hl7'), 'ORU^R01': sample('LAB-ORU-1.hl7') }

/** Segment, field, component: fifteen of what an interface looks at first. */
const places: Record<string, readonly (readonly [string, number, number])[]> = {
  'RDE^O11': [
    ...[3, 4, 9, 10, 12].map((field) => ['MSH', field, 1] as const),
    ...[3, 5, 7, 8, 11].map((field) => ['PID', field, 1] as const),
    ...[1, 2].map((field) => ['ORC', field, 1] as const),
    ...[2, 3, 5].map((field) => ['RXE', field, 1] as const),
  ],
  'ORU^R01': [
    ...[3, 4, 9, 10, 12].map((field) => ['MSH', field, 1] as const),
    ...[3, 5, 7, 8, 11].map((field) => ['PID', field, 1] as const),
    ...[3, 4].map((field) => ['OBR', field, 1] as const),
    ...[3, 5, 6].map((field) => ['OBX', field, 1] as const),
  ],
}

/** A library as this bench drives it. What comes back is kept, so that no work can be left out. */
interface Reader<Read = unknown> {
  name: string
  parse(text: string): Read
  field(message: Read, segment: string, field: number, component: number): unknown
  write(message: Read): string
}

const readers: Reader[] = [
  {
    name: 'Postern',
    parse: (text) => readMessage(text),
    field(message, name, field, component) {
      const segment = findSegment(message, name)
      return segment && value(segment, field, 1, component)
    },
    write: writeMessage,
  } satisfies Reader<ReturnType<typeof readMessage>>,
  {
    name: '@medplum/core',
    parse: (text) => Hl7Message.parse(text),
    field: (message, name, field, component) => message.getSegment(name)?.getComponent(field, component),
    write: (message) => message.toString(),
  } satisfies Reader<Hl7Message>,
  {
    name: 'node-hl7-client',
    parse: (text) => new ClientMessage({ text }),
    field: (message, name, field, component) => message.get(`${name}.${field}.${component}`).toString(),
    write: (message) => message.toString(),
  } satisfies Reader<ClientMessage>,
  {
    name: 'hl7v2',
    parse: (text) => HL7Message.parse(text),
    field: (message, name, field, component) => message.getSegment(name)?.field(field).getValue(component),
    write: (message) => message.toHL7String(),
  } satisfies Reader<HL7Message>,
] as Reader[]

const rounds = 5
const sliceSeconds = 0.2

/** Prints messages per CPU-second, the best of five slices taken in turns, and the heap that a parsed message holds. */
export async function er7(): Promise<void> {
  const collect = collector()
  for (const [kind, text] of Object.entries(samples)) {
    process.stdout.write(`\n${kind}, ${text.length} characters: messages per CPU-second\n`)
    process.stdout.write(row(['', 'parse', '+ 15 fields', '+ write', 'source tree', 'heap kB']))
    const steps = readers.map((reader) => stepsOf(reader, kind, text))
    const best = steps.map((all) => all.map(() => 0))
    for (let round = -1; round < rounds; round++) {
      for (const [r, all] of steps.entries()) {
        for (const [s, step] of all.entries()) {
          const measured = rate(step)
          const before = best[r]?.[s] ?? 0
          // The first round warms up.
          if (round >= 0 && best[r]) best[r][s] = Math.max(before, measured)
        }
      }
    }
    for (const [r, reader] of readers.entries()) {
      const rates = (best[r] ?? []).map((each) => Math.round(each).toLocaleString('en'))
      const tree = rates.length > 3 ? [] : ['']
      process.stdout.write(row([reader.name, ...rates, ...tree, heapOf(reader, text, collect).toFixed(1)]))
    }
  }
}

let kept: unknown

function stepsOf(reader: Reader, kind: string, text: string): (() => void)[] {
  const wanted = places[kind] ?? []
  const readFifteen = () => {
    const message = reader.parse(text)
    for (const [segment, field, component] of wanted) kept = reader.field(message, segment, field, component)
    return message
  }
  const steps = [
    () => {
      kept = reader.parse(text)
    },
    () => {
      kept = readFifteen()
    },
    () => {
      kept = reader.write(readFifteen())
    },
  ]
  if (reader.name !== 'Postern') return steps
  const tree = () => {
    kept = sourceTree(readMessage(text))
  }
  return [...steps, tree]
}

function rate(step: () => void): number {
  const start = process.cpuUsage()
  let done = 0
  let spent = 0
  while (spent < sliceSeconds) {
    for (let turn = 0; turn < 20; turn++) step()
    done += 20
    const { user, system } = process.cpuUsage(start)
    spent = (user + system) / 1e6
  }
  return done / spent
}

/** Kilobytes for each parsed message held, fields read, its text included. */
function heapOf(reader: Reader, text: string, collect: () => void): number {
  const count = 200
  const bytes = Buffer.from(text)
  const held: unknown[] = []
  collect()
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < count; n++) {
    const message = reader.parse(bytes.toString())
    for (const [segment, field, component] of places['RDE^O11'] ?? [])
      reader.field(message, segment, field, component)
    held.push(message)
  }
  collect()
  const after = process.memoryUsage().heapUsed
  kept = held
  return (after - before) / count / 1000
}

/** Without byte order mark and line feeds, which not all of them read. */
function sample(file: string): string {
  const text = readFileSync(new URL(file, folder), 'utf8')
  return text.replace(/^\uFEFF/, '').replace(/\r?\n/g, '\r')
}

function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

function row(cells: readonly string[]): string {
  const [name = '', ...figures] = cells
  return `${name.padEnd(15)}${figures.map((figure) => figure.padStart(13)).join('')}\n`
}

if (import.meta.main) {
  await er7()
  if (kept === undefined) throw new Error('Nothing was measured')
}

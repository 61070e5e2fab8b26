/** Runs each mapping over its fixtures, compiled and by jsonata's evaluator in turn: `npm run bench -- mapping`. */

import { readdirSync, readFileSync } from 'node:fs'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import { flows } from '#flows/index.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { codeTable } from '#intake/concept-map.ts'
import { type CompiledMapping, compileMapping } from '#intake/mapping-engine.ts'
import { mappingRun } from '#intake/mapping-functions.ts'
import { wholeMapping } from '#intake/mapping-imports.ts'

const root = new URL('../../', import.meta.url).pathname
const rounds = 7
const sliceMs = 150

/** Prints microseconds of processor time a run, the median of the rounds with the least and the most. */
export async function mapping(): Promise<void> {
  const artifacts = readArtifacts(root)
  const tables = new Map([...artifacts.conceptMaps].map(([name, map]) => [name, codeTable(name, map)]))
  const references = Object.fromEntries(
    ['subject', 'sender', 'requester', 'pharmacy', 'pharmacy-0', 'attester'].map((slot) => [
      slot,
      `Patient/${slot}` as Reference,
    ]),
  )
  const functionsOfRun = () =>
    mappingRun({
      messageId: 'm1',
      references,
      derive: (...parts) => parts.join('.'),
      findTable(name) {
        const table = tables.get(name)
        if (!table) throw new Failure('internal', `There is no code table ${name}`)
        return table
      },
      findQuestionnaire: (canonical) =>
        artifacts.profiles.find(
          (each) => each.resourceType === 'Questionnaire' && `${each.url}|${each.version}` === canonical,
        ),
    }).functions

  process.stdout.write(row('mapping (µs a run)', 'compiled', 'jsonata', 'ratio'))
  for (const flow of flows) {
    const inputs = sourcesOf(flow.name).map((source) => ({
      source,
      message: { id: 'm1', sender: 'platform', received: '2026-01-05T12:00:00.000Z', authorised: true },
    }))
    const { text } = wholeMapping(flow.mapping, artifacts.mappings)
    // A text that names $sum is one that the compiler leaves to jsonata.
    const engines = [text, `($sum; ${text})`].map((each) => compileMapping(flow.mapping, each))
    const samples: number[][] = [[], []]
    for (let round = -2; round < rounds; round++) {
      for (const [at, engine] of engines.entries()) {
        const spent = await microseconds(engine, inputs, functionsOfRun)
        // The first rounds warm up.
        if (round >= 0) samples[at]?.push(spent)
      }
    }
    const [ours = [], theirs = []] = samples
    const ratios = theirs.map((each, at) => each / (ours[at] ?? Number.NaN))
    process.stdout.write(row(flow.name, spreadOf(ours), spreadOf(theirs), spreadOf(ratios, 1)))
  }
}

/** The sources of the fixtures that are not refused before they are mapped. */
function sourcesOf(name: string): unknown[] {
  const flow = flows.find((each) => each.name === name)
  const folder = `${root}fixtures/${name}`
  const bodies = readdirSync(folder)
    .filter((file) => /\.in\.\w+$/.test(file))
    .map((file) => new Uint8Array(readFileSync(`${folder}/${file}`)))
  return bodies.flatMap((body) => {
    try {
      return [flow?.read(body, { timeZone: 'America/Chicago' })]
    } catch (cause) {
      if (cause instanceof Failure) return []
      throw cause
    }
  })
}

async function microseconds(
  engine: CompiledMapping,
  inputs: readonly unknown[],
  functionsOfRun: () => Parameters<CompiledMapping['run']>[1],
): Promise<number> {
  const start = process.cpuUsage()
  let done = 0
  let spent = 0
  while (spent < sliceMs * 1000) {
    for (const input of inputs) await engine.run(input, functionsOfRun())
    done += inputs.length
    const { user, system } = process.cpuUsage(start)
    spent = user + system
  }
  return spent / done
}

function spreadOf(samples: readonly number[], digits = 0): string {
  const sorted = [...samples].sort((one, other) => one - other)
  const [median, least, most] = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)].map((each) =>
    (each ?? Number.NaN).toFixed(digits),
  )
  return `${median} [${least} … ${most}]`
}

function row(...cells: readonly string[]): string {
  return `${cells
    .map((cell) => cell.padEnd(24))
    .join('')
    .trimEnd()}\n`
}

if (import.meta.main) await mapping()

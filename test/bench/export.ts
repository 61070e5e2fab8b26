// npm run bench -- export (P8): a bulk export of everything, prepared and fetched file by file as a client does it.

import type { VolumeBenchSettings } from './search.ts'
import { type Memory, startVolume, type VolumeBench } from './server-process.ts'
import { spread, text } from './spread.ts'
import { volumeIn } from './volume.ts'

/** Closer together the server refuses to be asked. */
const pollMs = 1_050

interface Exported {
  resources: number
  files: number
  prepareSeconds: number
  fetchSeconds: number
  cpuSeconds: number
  memory: Memory
}

/** Prints medians [least … most] of the rounds; every round is an export of its own. */
export async function bulkExport({ rounds, profile, data, resources }: VolumeBenchSettings) {
  const write = (line: string) => void process.stdout.write(`${line}\n`)
  write('| resources | files | prepare s | fetch s | resources/s | CPU µs each | RSS before, most MiB |')
  write('|---|---|---|---|---|---|---|')
  for (const count of resources) {
    const volume = await volumeIn(data, count)
    const bench = await startVolume(volume.folder, profile)
    try {
      const before = await bench.memory()
      const runs: Exported[] = []
      for (let round = 0; round < rounds; round++) {
        const run = await exportAll(bench)
        if (run.resources < volume.resources) throw new Error(`Of ${volume.resources} came ${run.resources}`)
        runs.push(run)
        process.stderr.write(`round ${round + 1} of ${rounds}\n`)
      }
      write(rowOf(runs, before))
    } finally {
      await bench.close()
    }
  }
}

async function exportAll(bench: VolumeBench): Promise<Exported> {
  const began = performance.now()
  const before = await bench.cpu()
  const kickOff = await asked(bench, `${bench.addresses.gateway}/fhir/$export`, 202)
  await kickOff.arrayBuffer()
  const urls = await prepared(bench, kickOff.headers.get('content-location') ?? '')
  const preparedAt = performance.now()
  let resources = 0
  for (const url of urls) resources += await linesOf(await asked(bench, url, 200))
  const after = await bench.cpu()
  return {
    resources,
    files: urls.length,
    prepareSeconds: (preparedAt - began) / 1000,
    fetchSeconds: (performance.now() - preparedAt) / 1000,
    cpuSeconds: (after.user + after.system - before.user - before.system) / 1e6,
    memory: await bench.memory(),
  }
}

async function prepared(bench: VolumeBench, status: string): Promise<string[]> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pollMs))
    const answer = await asked(bench, status, 200, 202)
    const body = await answer.text()
    if (answer.status === 202) continue
    const { output } = JSON.parse(body) as { output: { url: string }[] }
    return output.map(({ url }) => url)
  }
}

/** Tokens live for minutes, exports may take longer: each request has its own. */
async function asked(bench: VolumeBench, url: string, ...expected: number[]): Promise<Response> {
  const { ehr } = await bench.tokens()
  const answer = await fetch(url, { headers: { authorization: `Bearer ${ehr}`, prefer: 'respond-async' } })
  if (!expected.includes(answer.status)) throw new Error(`${answer.status}: ${await answer.text()}`)
  return answer
}

const newline = 10

async function linesOf(answer: Response): Promise<number> {
  let lines = 0
  for await (const chunk of answer.body ?? []) {
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) lines++
  }
  return lines
}

function rowOf(runs: readonly Exported[], before: Memory): string {
  const column = (of: (run: Exported) => number, digits: number) => text(spread(runs.map(of)), digits)
  const [first] = runs
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20)
  const peak = Math.max(...runs.map(({ memory }) => memory.peakBytes))
  const cells = [
    first?.resources.toLocaleString('en'),
    first?.files,
    column((run) => run.prepareSeconds, 1),
    column((run) => run.fetchSeconds, 1),
    column((run) => run.resources / (run.prepareSeconds + run.fetchSeconds), 0),
    column((run) => (run.cpuSeconds * 1e6) / run.resources, 0),
    `${mib(before.rssBytes)}, ${mib(peak)}`,
  ]
  return `| ${cells.join(' | ')} |`
}

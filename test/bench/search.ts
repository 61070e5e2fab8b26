// npm run bench -- search (P3): a page of a patient's messages, newest first, through the whole door, over clinics of
// several sizes in one run.
import type { Bundle } from 'fhir/r4'
import type { LoadPlan } from './load.ts'
import { startVolume, type VolumeBench } from './server-process.ts'
import { spread, text } from './spread.ts'
import { type Volume, volumeIn } from './volume.ts'

/** Patients asked for in turn, where there are as many. */
const maxPatients = 1_000
const connections = [1, 16, 64]
const warmUpSeconds = 3

export interface VolumeBenchSettings {
  rounds: number
  seconds: number
  profile: string | undefined
  /** Folder in which made-up clinics stand, or are made. */
  data: string
  /** How many resources each of the clinics holds. */
  resources: number[]
}

interface Size {
  volume: Volume
  bench: VolumeBench
  figures: Map<number, { rate: number; p50: number; p99: number; cpu: number }[]>
}

/** Prints medians [least … most] of the rounds, the clinics in turn in each; ratios are made within a round. */
export async function search({ rounds, seconds, profile, data, resources }: VolumeBenchSettings) {
  const sizes: Size[] = []
  try {
    for (const count of resources) {
      const volume = await volumeIn(data, count)
      if (volume.busy.length === 0) throw new Error('A clinic this small has nobody with a page of messages')
      const bench = await startVolume(volume.folder, profile)
      sizes.push({ volume, bench, figures: new Map(connections.map((each) => [each, []])) })
    }
    for (const size of sizes) {
      await requirePage(size)
      await measure(size, 16, warmUpSeconds)
    }
    for (let round = 0; round < rounds; round++) {
      for (const each of connections) {
        for (const size of sizes) size.figures.get(each)?.push(await measure(size, each, seconds))
      }
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
    await print(sizes)
  } finally {
    for (const { bench } of sizes) await bench.close()
  }
}

const page = 20
const pathOf = (patient: string) => `/fhir/Communication?patient=${patient}&_sort=-sent&_count=${page}`

/** Empty pages are cheap. */
async function requirePage({ volume, bench }: Size): Promise<void> {
  const { ehr } = await bench.tokens()
  const headers = { authorization: `Bearer ${ehr}` }
  const answer = await fetch(`${bench.addresses.gateway}${pathOf(volume.busy[0] ?? '')}`, { headers })
  const { entry = [], link = [] } = (await answer.json()) as Bundle
  const whole = entry.length === page && link.some(({ relation }) => relation === 'next')
  if (!whole) throw new Error(`A page of ${page} came with ${entry.length} messages (${answer.status})`)
}

async function measure({ volume, bench }: Size, count: number, seconds: number) {
  const { ehr } = await bench.tokens()
  const patients = volume.busy.slice(0, maxPatients)
  const plan: LoadPlan = {
    url: bench.addresses.gateway,
    method: 'GET',
    headers: { authorization: `Bearer ${ehr}` },
    paths: patients.map(pathOf),
    patients: patients.length,
    connections: count,
    seconds,
  }
  const measured = await bench.measure(plan)
  const { requestsPerSecond: rate, p50Ms: p50, p99Ms: p99, answered, refused, lost } = measured
  if (refused + lost > 0) throw new Error(`${refused} searches were refused, ${lost} got no answer`)
  return { rate, p50, p99, cpu: measured.cpuMicroseconds / answered }
}

async function print(sizes: readonly Size[]): Promise<void> {
  const write = (line: string) => void process.stdout.write(`${line}\n`)
  write('| resources | patients asked for | c | searches/s | p50 ms | p99 ms | CPU µs | rate, of the first |')
  write('|---|---|---|---|---|---|---|---|')
  for (const { volume, figures } of sizes) {
    for (const [count, rounds] of figures) {
      const column = (key: 'rate' | 'p50' | 'p99' | 'cpu', digits: number) =>
        text(spread(rounds.map((each) => each[key])), digits)
      const first = sizes[0]?.figures.get(count) ?? []
      const share = spread(rounds.map(({ rate }, round) => rate / (first[round]?.rate ?? Number.NaN)))
      const asked = Math.min(volume.busy.length, maxPatients)
      const cells = [volume.resources.toLocaleString('en'), asked, count, column('rate', 0)]
      write(
        `| ${[...cells, column('p50', 1), column('p99', 1), column('cpu', 0), text(share, 2)].join(' | ')} |`,
      )
    }
  }
  for (const { volume, bench } of sizes) {
    const { peakBytes } = await bench.memory()
    write(
      `server of ${volume.resources.toLocaleString('en')}: RSS ${Math.round(peakBytes / 2 ** 20)} MiB at the most`,
    )
  }
}

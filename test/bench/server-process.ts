import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { LoadPlan, LoadResult } from './load.ts'

/** What a server's process is asked, and what it tells. */
export type Ask = 'cpu' | 'tokens' | 'disk' | 'memory' | 'close'
export type Told = Addresses | VolumeAddresses | NodeJS.CpuUsage | Tokens | VolumeTokens | Disk | Memory

export interface Addresses {
  gateway: string
  ladder: string
  /** Port of MLLP. */
  mllp: number
}

/** Of a gateway over a folder that stands. */
export type VolumeAddresses = Pick<Addresses, 'gateway'>

export interface Tokens {
  platform: string
  ehr: string
}

export type VolumeTokens = Pick<Tokens, 'ehr'>

export interface Disk {
  resources: number
  jsonBytes: number
  bytes: number
  /** Of each table and index, largest first. */
  tables: { name: string; bytes: number }[]
  rssBytes: number
}

export interface Memory {
  rssBytes: number
  /** The most it ever was. */
  peakBytes: number
}

/** A server and a load generator, each a process of its own. */
export interface Processes<First> {
  addresses: First
  /** What the server's process has spent so far. */
  cpu(): Promise<NodeJS.CpuUsage>
  /** Runs a plan in the other process; `cpuMicroseconds` is what the server spent on it. */
  measure(plan: LoadPlan): Promise<LoadResult & { cpuMicroseconds: number }>
  close(): Promise<void>
}

export interface Bench extends Processes<Addresses> {
  tokens(): Promise<Tokens>
  disk(): Promise<Disk>
}

export interface VolumeBench extends Processes<VolumeAddresses> {
  tokens(): Promise<VolumeTokens>
  memory(): Promise<Memory>
}

/** The whole gateway with the ladder beside it. `profile` names a folder for the server's CPU profile. */
export async function startBench(profile: string | undefined): Promise<Bench> {
  const { processes, ask } = await start<Addresses>('ladder-server.ts', [], profile)
  return { ...processes, tokens: () => ask<Tokens>('tokens'), disk: () => ask<Disk>('disk') }
}

/** The whole gateway over a folder made before (volume.ts), which it keeps. */
export async function startVolume(folder: string, profile: string | undefined): Promise<VolumeBench> {
  const { processes, ask } = await start<VolumeAddresses>('volume-server.ts', [folder], profile)
  return { ...processes, tokens: () => ask<VolumeTokens>('tokens'), memory: () => ask<Memory>('memory') }
}

async function start<First extends Told>(file: string, settings: string[], profile: string | undefined) {
  const here = import.meta.dirname
  const execArgv = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const server = fork(`${here}/${file}`, settings, { execArgv })
  const load = fork(`${here}/load.ts`)
  const addresses = (await answer(server)) as First

  async function ask<T extends Told>(question: Ask): Promise<T> {
    server.send(question)
    return (await answer(server)) as T
  }

  const processes: Processes<First> = {
    addresses,
    cpu: () => ask<NodeJS.CpuUsage>('cpu'),
    async measure(plan) {
      const before = await ask<NodeJS.CpuUsage>('cpu')
      load.send(plan)
      const result = (await answer(load)) as LoadResult
      const after = await ask<NodeJS.CpuUsage>('cpu')
      return { ...result, cpuMicroseconds: after.user + after.system - before.user - before.system }
    },
    async close() {
      load.disconnect()
      server.send('close' satisfies Ask)
      await once(server, 'exit')
    },
  }
  return { processes, ask }
}

/** The next message of a process; rejects when it ends instead. */
async function answer(child: ChildProcess): Promise<unknown> {
  const over = new AbortController()
  try {
    const message = once(child, 'message', { signal: over.signal })
    const exit = once(child, 'exit', { signal: over.signal }).then(([code]) => {
      throw new Error(`A process of the bench ended with ${code}`)
    })
    exit.catch(() => {})
    const [told] = await Promise.race([message, exit])
    return told
  } finally {
    over.abort()
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { LoadPlan, LoadResult } from './load.ts'

/** What the server process is asked, and what it tells. */
export type Ask = 'cpu' | 'tokens' | 'disk' | 'close'
export type Told = Addresses | NodeJS.CpuUsage | Tokens | Disk

export interface Addresses {
  gateway: string
  ladder: string
  /** Port of MLLP. */
  mllp: number
}

export interface Tokens {
  platform: string
  ehr: string
}

export interface Disk {
  resources: number
  jsonBytes: number
  bytes: number
  /** Of each table and index, largest first. */
  tables: { name: string; bytes: number }[]
  rssBytes: number
}

export interface Bench {
  addresses: Addresses
  tokens(): Promise<Tokens>
  disk(): Promise<Disk>
  /** What the server's process has spent so far. */
  cpu(): Promise<NodeJS.CpuUsage>
  /** Runs a plan in the other process; `cpuMicroseconds` is what the server spent on it. */
  measure(plan: LoadPlan): Promise<LoadResult & { cpuMicroseconds: number }>
  close(): Promise<void>
}

/** Starts server and load generator, each a process of its own. `profile` names a folder for the server's CPU profile. */
export async function startBench(profile: string | undefined): Promise<Bench> {
  const here = import.meta.dirname
  const execArgv = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const server = fork(`${here}/ladder-server.ts`, { execArgv })
  const load = fork(`${here}/load.ts`)
  const addresses = (await answer(server)) as Addresses

  async function ask<T extends Told>(question: Ask): Promise<T> {
    server.send(question)
    return (await answer(server)) as T
  }

  return {
    addresses,
    tokens: () => ask<Tokens>('tokens'),
    disk: () => ask<Disk>('disk'),
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

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const commandLine = fileURLToPath(new URL('../../src/postern.ts', import.meta.url))

/** What a clinic in a folder is called; the same name must open it again. */
function environment(folder: string, settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_'))
  return { ...Object.fromEntries(inherited), POSTERN_DATA: folder, POSTERN_CLINIC: 'test', ...settings }
}

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs `postern …` on the clinic of a folder to its end. */
export async function postern(folder: string, ...parameters: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [commandLine, ...parameters], { env: environment(folder) })
  const said = gather(child)
  const [code] = await once(child, 'close')
  return { code, stdout: said.stdout(), stderr: said.stderr() }
}

/** Begins `postern …`, for a test that ends it before it is done. */
export function begin(folder: string, ...parameters: string[]): { kill(): Promise<void> } {
  const child = spawn(process.execPath, [commandLine, ...parameters], { env: environment(folder) })
  const ended = once(child, 'close')
  return {
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

export interface ChildGateway {
  baseUrl: string
  mllpPort: number
  /** All it has said so far. */
  output(): string
  /** Ends it with no chance to tidy up, and resolves when it is gone. */
  kill(): Promise<void>
  /** Asks it to end, and resolves with its exit code. */
  stop(): Promise<number | null>
}

/** `postern start` as a process of its own, ready to be asked. */
export async function startGateway(folder: string, settings: Record<string, string>): Promise<ChildGateway> {
  const child = spawn(process.execPath, [commandLine, '--json', 'start'], {
    env: environment(folder, settings),
  })
  const said = gather(child)
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const listening = await Promise.race([
    until(child, () => /"listening": "([^"]+)"/.exec(said.stdout())?.[1]),
    ended.then((code) => {
      throw new Error(`The gateway ended with ${code}: ${said.stderr()}`)
    }),
  ])
  return {
    baseUrl: listening,
    mllpPort: Number(/"mllp": (\d+)/.exec(said.stdout())?.[1] ?? 0),
    output: () => said.stdout() + said.stderr(),
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
    stop: async () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}

function gather(child: ChildProcess): { stdout(): string; stderr(): string } {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  return { stdout: () => stdout, stderr: () => stderr }
}

function until<T>(child: ChildProcess, find: () => T | undefined): Promise<T> {
  return new Promise((resolve) => {
    const look = () => {
      const found = find()
      if (found !== undefined) resolve(found)
    }
    child.stdout?.on('data', look)
    look()
  })
}

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { Caller, Role } from '#core/caller.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { createReplay, noon, type Replayed } from '#intake/replay.ts'
import { createValidator } from '#validator/validator.ts'

/** What a fixture's `.out.json` says: how it was sent, and what came of it. */
export type Expected = Replayed

export { noon }

const root = new URL('../../', import.meta.url).pathname
const artifacts = readArtifacts(root)
const validator = createValidator({
  base: JSON.parse(readFileSync(`${root}profiles/base/r4.json`, 'utf8')),
  profiles: artifacts.profiles,
})

/** One message through its flow, rules and mapping, as `postern push` tries it. */
export const { make, replay, transformer } = createReplay({
  artifacts,
  validator,
  digest: (content) => createHash('sha256').update(content).digest('hex'),
})

export function callerWith(grants: readonly string[], role: Role = 'platform'): Caller {
  return {
    clientId: 'platform',
    name: 'Messaging platform',
    role,
    scopes: [],
    actors: ['Organization/platform'],
    purpose: 'TREAT',
    grants,
  }
}

export function fixturesOf(flow: string): string[] {
  return readdirSync(`${root}fixtures/${flow}`)
    .map((name) => /^(.*\.in\.(?:json|hl7))$/.exec(name)?.[1])
    .filter((name) => name !== undefined)
}

export function readFixture(flow: string, name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${root}fixtures/${flow}/${name}`))
}

export function expectedOf(flow: string, name: string): string {
  return readFileSync(`${root}fixtures/${flow}/${name.replace(/\.in\.\w+$/, '.out.json')}`, 'utf8')
}

/** Indented JSON in which decimals stay as they are. */
export function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

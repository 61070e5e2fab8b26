import { readdirSync, readFileSync } from 'node:fs'
import type { Issue } from '#core/failure.ts'
import type { Resource } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { createValidator } from '#validator/validator.ts'
import base from '../../profiles/base/r4.json' with { type: 'json' }

export { base }

/** Resources of a folder of this project by file name; decimals kept. */
export function readFolder(folder: string): Map<string, Resource> {
  const url = new URL(`../../${folder}/`, import.meta.url)
  const files = readdirSync(url).filter((file) => file.endsWith('.json'))
  return new Map(
    files.map((file) => [
      file,
      parseJson(readFileSync(new URL(file, url)), { maxBytes: 20_000_000 }) as Resource,
    ]),
  )
}

/** The validator as the gateway has it, with further profiles on top. */
export function validatorWith(...profiles: Resource[]) {
  return createValidator({ base, profiles: [...readFolder('profiles').values(), ...profiles] })
}

/** What refuses a resource; warnings do not. */
export function errorsOf(issues: readonly Issue[]): readonly Issue[] {
  return issues.filter((issue) => issue.severity !== 'warning')
}

// Node only: reads mappings/ and profiles/ from the disk.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Artifacts } from '#core/ports.ts'
import type { Resource } from '#core/resource.ts'

/** Loads `mappings/*.jsonata`, `mappings/*.json` (ConceptMaps), `mappings/ignored/*.json` and `profiles/*.json` below a folder. */
export function readArtifacts(root: string): Artifacts {
  const mappings = join(root, 'mappings')
  const ignored = join(mappings, 'ignored')
  const profiles = join(root, 'profiles')
  return {
    mappings: new Map(
      files(mappings, '.jsonata').map((name) => [stem(name, '.jsonata'), text(mappings, name)]),
    ),
    conceptMaps: new Map(
      files(mappings, '.json').map((name) => [stem(name, '.json'), JSON.parse(text(mappings, name))]),
    ),
    ignored: new Map(
      files(ignored, '.json').map((name) => [stem(name, '.json'), JSON.parse(text(ignored, name))]),
    ),
    profiles: files(profiles, '.json').map((name) => JSON.parse(text(profiles, name)) as Resource),
  }
}

function files(folder: string, ending: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort()
}

function stem(name: string, ending: string): string {
  return name.slice(0, -ending.length)
}

function text(folder: string, name: string): string {
  return readFileSync(join(folder, name), 'utf8')
}

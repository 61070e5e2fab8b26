import { globSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** `mappings/dose-unit.json` → `doseUnitJson`, a name that two files cannot share. */
function nameOf(file: string): string {
  return file
    .replace(/^[a-z]+\//, '')
    .replace(/[-./]+([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase())
}

function stemOf(file: string): string {
  return file.replace(/^.*\//, '').replace(/\.[a-z]+$/, '')
}

function writeModule(files: Record<'mappings' | 'conceptMaps' | 'ignored' | 'profiles', string[]>): string {
  const all = [...files.mappings, ...files.conceptMaps, ...files.ignored, ...files.profiles].sort()
  const entries = (list: string[]) => list.map((file) => `    ['${stemOf(file)}', ${nameOf(file)}],`)
  return [
    '// biome-ignore-all assist/source/organizeImports: in the order of the folders, as the test writes them',
    "import type { Artifacts } from '#core/ports.ts'",
    "import type { Resource } from '#core/resource.ts'",
    ...all.map((file) => `import ${nameOf(file)} from '../${file}'`),
    '',
    '/**',
    ' * Mappings, code tables and profiles, bundled with the Worker, which has no disk to read them from. Written by',
    ' * `npx vitest run test/worker -u`; the same test fails when a file is missing here.',
    ' */',
    'export const bundledArtifacts: Artifacts = {',
    '  mappings: new Map<string, string>([',
    ...entries(files.mappings),
    '  ]),',
    '  conceptMaps: new Map<string, unknown>([',
    ...entries(files.conceptMaps),
    '  ]),',
    '  ignored: new Map<string, Record<string, string>>([',
    ...entries(files.ignored),
    '  ]),',
    '  profiles: [',
    ...files.profiles.map((file) => `    ${nameOf(file)},`),
    '  ] as unknown[] as Resource[],',
    '}',
    '',
  ].join('\n')
}

describe('the Worker', () => {
  it('is bundled with every mapping, code table and profile', async () => {
    const list = (pattern: string) => globSync(pattern, { cwd: root }).sort()
    const written = writeModule({
      mappings: list('mappings/*.jsonata'),
      conceptMaps: list('mappings/*.json'),
      ignored: list('mappings/ignored/*.json'),
      profiles: list('profiles/*.json'),
    })
    await expect(written).toMatchFileSnapshot(join(root, 'src/worker-artifacts.ts'))
  })
})

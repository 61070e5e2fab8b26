/** Prints how many Communications one core validates in a second, without and with the profile: `node test/bench/validate.ts`. */
import { readFileSync } from 'node:fs'
import type { Resource } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { createValidator } from '#validator/validator.ts'
import base from '../../profiles/base/r4.json' with { type: 'json' }

const read = (path: string) =>
  parseJson(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')) as Resource
const examples = ['Communication-example', 'Communication-fm-solicited'].map((name) =>
  read(`fixtures/third-party/hl7-r4-examples/${name}.json`),
)
const validator = createValidator({ base, profiles: [] })

function rate(seconds: number): number {
  const end = performance.now() + seconds * 1000
  let checked = 0
  while (performance.now() < end) {
    for (let turn = 0; turn < 100; turn++) {
      for (const example of examples) checked += validator.check(example).length === 0 ? 1 : 0
    }
  }
  return checked / seconds
}

rate(0.5)
process.stdout.write(
  `Communication, base R4: ${Math.round(rate(2)).toLocaleString('en')} validations a second\n`,
)

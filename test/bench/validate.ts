/**
 * Prints how many Communications one core validates in a second, by base R4, with our profile, and with a profile whose
 * invariants run as FHIRPath: `node test/bench/validate.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { StructureDefinition } from 'fhir/r4'
import type { Resource } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { createValidator } from '#validator/validator.ts'
import base from '../../profiles/base/r4.json' with { type: 'json' }

const read = (path: string) =>
  parseJson(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')) as Resource
const folder = new URL('../../profiles/', import.meta.url)
const profiles = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => read(`profiles/${file}`))
const examples = ['Communication-example', 'Communication-fm-solicited'].map((name) =>
  read(`fixtures/third-party/hl7-r4-examples/${name}.json`),
)
const own = 'https://postern.health/fhir/StructureDefinition'
const secureMessage = `${own}/SecureMessage`

/** SecureMessage with invariants that nothing has written out: a profile from elsewhere, as a clinic may load it. */
const withExpressions: StructureDefinition = {
  resourceType: 'StructureDefinition',
  url: `${own}/bench`,
  name: 'Bench',
  status: 'draft',
  kind: 'resource',
  abstract: false,
  type: 'Communication',
  baseDefinition: secureMessage,
  derivation: 'constraint',
  differential: {
    element: [
      {
        path: 'Communication',
        constraint: [
          ['b-1', "status != 'completed' or sent.exists() or received.exists()"],
          ['b-2', 'payload.content.exists() or note.exists()'],
          ['b-3', 'recipient.count() <= 50'],
        ].map(([key = '', expression = '']) => ({ key, severity: 'error', human: key, expression })),
      },
    ],
  },
}
const validator = createValidator({ base, profiles: [...profiles, withExpressions] })

/** Validations of the examples in turn, for each second of processor time: neighbours do not count. */
function rate(seconds: number, profile?: string): string {
  const start = process.cpuUsage()
  let checked = 0
  let spent = 0
  // The issues are counted so that the work cannot be optimised away.
  let issues = 0
  while (spent < seconds) {
    for (let turn = 0; turn < 100; turn++) {
      for (const example of examples) issues += validator.check(example, profile).length
    }
    checked += 100 * examples.length
    const { user, system } = process.cpuUsage(start)
    spent = (user + system) / 1e6
  }
  return `${Math.round(checked / spent).toLocaleString('en')} a second (${issues / checked} issues each)`
}

rate(0.5, secureMessage)
process.stdout.write(`Communication by base R4: ${rate(2)}\n`)
process.stdout.write(`Communication by SecureMessage too: ${rate(2, secureMessage)}\n`)
process.stdout.write(`Communication with three FHIRPath invariants: ${rate(2, withExpressions.url)}\n`)

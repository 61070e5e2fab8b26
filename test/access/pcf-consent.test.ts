import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate } from '#access/consent.ts'
import { isComputable, readConsent } from '#access/consent-rule.ts'
import type { Reference, Resource } from '#core/resource.ts'

const folder = join(import.meta.dirname, '../../fixtures/third-party/pcf-consent')
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
const data = new Map<string, Resource>(
  globSync(`${folder}/data/{Observation,Encounter}*.json`)
    .map(json)
    .map((resource) => [`${resource.resourceType}/${resource.id}`, resource]),
)

interface Case {
  id: string
  consent: string
  request: { actor: Reference; actorGroups: Reference[]; purposeOfUse: string; now: string }
  expect: { token: 'permit' | 'deny'; allowed?: string[]; withheld?: string[] }
}
const cases: Case[] = json(`${folder}/cases.json`).cases

describe('IHE PCF consents decide as their notes say', () => {
  it('has all 52 cases', () => expect(cases).toHaveLength(52))

  it.each(cases.map((each) => [each.id, each] as const))('%s', (_, { consent, request, expect: wanted }) => {
    const rule = readConsent(json(`${folder}/consents/Consent-${consent}.json`))
    const asked = {
      actors: [request.actor, ...request.actorGroups],
      purpose: request.purposeOfUse,
      now: Date.parse(request.now),
      reads: true,
    }
    // Nothing is implied here: silence withholds, as when no token is issued.
    const allowed = [...data].filter(([, datum]) => evaluate([rule], asked, datum).statement === 'permit')
    expect(allowed.map(([name]) => name).sort()).toEqual([...(wanted.allowed ?? [])].sort())
    const withheld = [...data.keys()].filter((name) => !allowed.some(([other]) => other === name))
    expect(withheld.sort()).toEqual([...(wanted.withheld ?? data.keys())].sort())
  })
})

describe('examples of the R4 specification', () => {
  const files = globSync(join(folder, '../fhir-r4-consent/*.json'))

  it.each(files.map((file) => [file.split('/').at(-1) ?? '', file]))('%s is not computable', (_, file) => {
    expect(isComputable(readConsent(json(file)))).toBe(notOrg(file))
  })

  // The only one with an explicit type at its only level: a refusal that can be kept as it stands.
  const notOrg = (file: string) => file.endsWith('notOrg.json')
})

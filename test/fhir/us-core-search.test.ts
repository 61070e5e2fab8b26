import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answered, type OpenFhir, openFhir } from './open-fhir.ts'
import { more } from './us-core-more.ts'

/** What Inferno's US Core kit makes its tests from, one entry a profile and version. */
interface Matrix {
  version: string
  resource: string
  searches: { expectation: string; names: string[] }[]
  search_definitions: Record<string, Definition>
  include_params: string[]
  revincludes: string[]
  must_supports: {
    elements: { path: string; fixed_value?: string }[]
    slices: { path: string; discriminator: Discriminator }[]
    extensions: { path: string; url: string }[]
  }
}

interface Definition {
  paths: string[]
  type: string
  comparators: Record<string, string>
  values: string[]
  multiple_or: string
}

interface Discriminator {
  type: string
  path: string
  code?: string
  system?: string
  values?: { system: string; code: string }[]
}

// biome-ignore lint/suspicious/noExplicitAny: elements of any shape are looked at
type Found = any

function readJson(file: string): Found {
  return JSON.parse(readFileSync(`fixtures/third-party/${file}`, 'utf8'))
}

const matrices: Matrix[] = readJson('inferno-us-core/search-matrix.json')
const types = [...new Set(matrices.map(({ resource }) => resource))]

function examples(): Found[] {
  const published = ['us-core-6.1.0', 'us-core-8.0.0'].flatMap((set): Found[] =>
    readJson(`published-profiles/${set}/examples.json`),
  )
  const official = [
    ...['0301', '0302', '0303', '0325'].map((id) => `MedicationDispense-meddisp${id}`),
    ...['0302', '0304', '0310', '0319'].map((id) => `MedicationRequest-medrx${id}`),
    ...['Patient-example', 'Patient-f201', 'Practitioner-f001', 'QuestionnaireResponse-gcs'],
  ].map((name) => readJson(`hl7-r4-examples/${name}.json`))
  const all = [...official, ...published, ...more]
  const served = all.filter(({ resourceType }) => [...types, 'Medication', 'Endpoint'].includes(resourceType))
  // The same example stands in both versions: the last one stays.
  return [...new Map(served.map((each) => [`${each.resourceType}/${each.id}`, each])).values()]
}

/** The values at a path as Inferno writes it, read without any help of the server. */
function valuesAt(value: Found, steps: readonly string[]): Found[] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, steps))
  const [step, ...rest] = steps
  if (value === undefined || value === null) return []
  if (step === undefined) return [value]
  const [name = ''] = step.split(':')
  if (name.endsWith('[x]')) {
    const chosen = Object.keys(value).filter((key) => key.startsWith(name.slice(0, -3)))
    return chosen.flatMap((key) => valuesAt(value[key], rest))
  }
  return valuesAt(value[name], rest)
}

function allAt(resource: Found, { paths }: Definition): Found[] {
  return paths.flatMap((path) => valuesAt(resource, path.split('.')))
}

/** What to ask for so that an element is found, in every form that the standard allows; the first is Inferno's. */
function formsOf(element: Found, { type }: Definition): string[] {
  if (typeof element === 'string' || typeof element === 'boolean') return [escaped(String(element))]
  if (type === 'Reference') return [element.reference, element.reference?.split('/')[1]].filter(Boolean)
  if (type === 'HumanName')
    return [element.family, element.given?.[0], element.text].filter(Boolean).map(escaped)
  if (type === 'Address') {
    return [element.city, element.state, element.postalCode, element.line?.[0]].filter(Boolean).map(escaped)
  }
  if (type === 'Identifier') return [`${element.system ?? ''}|${element.value}`, element.value].map(escaped)
  if (type === 'Period')
    return [element.start ? `gt${dayFrom(element.start, -1)}` : `lt${dayFrom(element.end, 1)}`]
  const codings: Found[] = element.coding ?? [element]
  return codings.flatMap(({ system, code }) => (code ? [code, `${system ?? ''}|${code}`] : []))
}

/** https://hl7.org/fhir/R4/search.html#escaping; a bar separates the system of a token and stays. */
function escaped(text: string): string {
  return text.replace(/[\\,$]/g, '\\$&')
}

function keysOf({ json }: Answered): string[] {
  return (json.entry ?? []).map(({ resource }: Found) => `${resource.resourceType}/${resource.id}`)
}

let open: OpenFhir
const all = examples()

beforeAll(async () => {
  open = await openFhir()
  // Past the validator: some examples refer to what was not published with them.
  const writes = all.map((resource) => {
    const updated = Date.parse(resource.meta?.lastUpdated ?? '')
    return { resource, version: 1, updated: updated || open.clock.now() }
  })
  await open.store.commit({ audit: [], writes })
})
afterAll(() => open.close())

describe.each(matrices)("Inferno's US Core $version searches of $resource", (matrix) => {
  const stored = all.filter(({ resourceType }) => resourceType === matrix.resource)

  function definitionOf(name: string): Definition {
    const definition = matrix.search_definitions[name]
    if (!definition) throw new Error(`The matrix does not define ${name}`)
    return name === '_lastUpdated' ? { ...definition, paths: ['meta.lastUpdated'] } : definition
  }

  /** By GET and by POST, which must answer alike. */
  async function searched(asked: [string, string][]): Promise<string[]> {
    const query = new URLSearchParams([...asked, ['_count', '200']])
    const byGet = await open.ask('GET', `${matrix.resource}?${query}`)
    expect(byGet.status, `${query} ${byGet.body}`).toBe(200)
    const byPost = await open.ask('POST', `${matrix.resource}/_search`, {
      body: query.toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(keysOf(byPost)).toEqual(keysOf(byGet))
    return keysOf(byGet)
  }

  const [kept, declined] = [false, true].map((isDeclined) =>
    matrix.searches.filter(({ names }) => `${matrix.resource} ${names}` in tooTelling === isDeclined),
  )
  it.runIf(declined?.length).each(declined ?? [])(
    '$names alone is declined, with the reason',
    async ({ names }) => {
      const { status, body } = await open.ask('GET', `${matrix.resource}?${names[0]}=17561000`)
      expect(status).toBe(422)
      expect(body).toContain('patient')
    },
  )

  it.runIf(kept?.length).each(kept ?? [])('$expectation $names', async ({ names }) => {
    const having = stored.filter((resource) =>
      names.every((name) =>
        allAt(resource, definitionOf(name)).some((each) => formsOf(each, definitionOf(name))[0]),
      ),
    )
    expect(having.length, 'no example has these').toBeGreaterThan(0)
    for (const resource of having.slice(0, 2)) {
      const forms = names.map((name) => {
        const [element] = allAt(resource, definitionOf(name)).filter(
          (each) => formsOf(each, definitionOf(name))[0],
        )
        return formsOf(element, definitionOf(name))
      })
      const most = Math.max(...forms.map(({ length }) => length))
      for (let form = 0; form < most; form++) {
        const asked = names.map((name, at): [string, string] => [
          name,
          forms[at]?.[form] ?? forms[at]?.[0] ?? '',
        ])
        const found = await searched(asked)
        expect(found, JSON.stringify(asked)).toContain(`${matrix.resource}/${resource.id}`)
        // Every match has every value that was asked for.
        for (const key of found) {
          const match = stored.find(({ resourceType, id }) => `${resourceType}/${id}` === key)
          for (const [name, text] of asked) {
            const definition = definitionOf(name)
            if (['HumanName', 'Address', 'string', 'date', 'dateTime', 'Period'].includes(definition.type))
              continue
            const all = allAt(match, definition).flatMap((each) => formsOf(each, definition))
            expect(all, `${key} ${name}=${text}`).toContain(text)
          }
        }
        const none = asked.map(([name, text], at): [string, string] =>
          at === asked.length - 1 ? [name, otherThan(text, definitionOf(name))] : [name, text],
        )
        expect(await searched(none), JSON.stringify(none)).not.toContain(`${matrix.resource}/${resource.id}`)
      }
    }
  })

  const compared = Object.entries(matrix.search_definitions).filter(([, { comparators }]) =>
    Object.values(comparators).includes('SHALL'),
  )
  it.runIf(compared.length > 0).each(compared)(
    '%s takes the comparators that it shall',
    async (name, definition) => {
      const resource = stored.find((each) => allAt(each, definition).length > 0)
      const patient = patientOf(resource)
      const [told] = allAt(resource, definition)
      const text = told.start ?? told.end ?? told
      const end = told.end ?? text
      const around = { gt: dayFrom(text, -2), ge: text, lt: dayFrom(end, 2), le: end }
      const key = `${matrix.resource}/${resource.id}`
      for (const [prefix, value] of Object.entries(around)) {
        expect(definition.comparators[prefix]).toBe('SHALL')
        expect(
          await searched([
            ['patient', patient],
            [name, `${prefix}${value}`],
          ]),
          prefix,
        ).toContain(key)
        const beyond = prefix.startsWith('g') ? dayFrom(end, 2) : dayFrom(text, -2)
        expect(
          await searched([
            ['patient', patient],
            [name, `${prefix}${beyond}`],
          ]),
          prefix,
        ).not.toContain(key)
      }
    },
  )

  const listed = Object.entries(matrix.search_definitions).filter(([, each]) => each.multiple_or === 'SHALL')
  it.runIf(listed.length > 0).each(listed)(
    '%s takes several values, as it shall',
    async (name, definition) => {
      const [first] = stored.filter((each) => allAt(each, definition).length > 0)
      const patient = patientOf(first)
      const own = stored.filter((each) => patientOf(each) === patient && allAt(each, definition).length > 0)
      const found = [
        ...new Set(own.flatMap((each) => allAt(each, definition).flatMap((e) => formsOf(e, definition)[0]))),
      ]
      const values = [...new Set([...found, ...definition.values])].join(',')
      const keys = await searched([
        ['patient', patient],
        [name, values],
      ])
      expect(keys.sort()).toEqual(own.map(({ id }) => `${matrix.resource}/${id}`).sort())
    },
  )

  it.runIf(matrix.include_params.length > 0).each(matrix.include_params)('_include=%s', async (include) => {
    const [, name = '', target = ''] = include.split(':')
    const [resource, wanted] =
      stored
        .flatMap((each) => valuesAt(each, linkPaths[name] ?? []).map((link) => [each, link.reference]))
        .filter(([, link]) => all.some(({ resourceType, id }) => `${resourceType}/${id}` === link))
        .find(([, link]) => link.startsWith(`${target}/`) || target === '') ?? []
    expect(wanted, 'no example refers to another').toBeDefined()
    const keys = await searched([
      ['_id', resource.id],
      ['_include', include],
    ])
    expect(keys).toContain(`${matrix.resource}/${resource.id}`)
    expect(keys).toContain(wanted)
  })

  it.runIf(matrix.revincludes.length > 0).each(matrix.revincludes)('_revinclude=%s', async (revinclude) => {
    const [id] = stored.filter((each) =>
      whence?.target?.some(({ reference }) => reference === `${matrix.resource}/${each.id}`),
    )
    expect(
      await searched([
        ['_id', id.id],
        ['_revinclude', revinclude],
      ]),
    ).toEqual([`${matrix.resource}/${id.id}`, 'Provenance/whence'])
  })

  it('every must-support element, slice and extension is served as it was stored', async () => {
    const query = new URLSearchParams({ _id: stored.map(({ id }) => id).join(','), _count: '200' })
    const served: Found[] = (await open.ask('GET', `${matrix.resource}?${query}`)).json.entry.map(
      ({ resource }: Found) => resource,
    )
    expect(served.length).toBe(stored.length)
    for (const { path, fixed_value } of matrix.must_supports.elements) {
      const before = stored.flatMap((each) => valuesAt(each, path.split('.')))
      expect(before.length, `no example has ${path}`).toBeGreaterThan(0)
      if (fixed_value) expect(before, path).toContain(fixed_value)
      const after = served.flatMap((each) => valuesAt(each, path.split('.')))
      expect(sorted(after), path).toEqual(sorted(before))
    }
    for (const { path, discriminator } of matrix.must_supports.slices) {
      const after = served.flatMap((each) => valuesAt(each, [path]))
      expect(
        after.some((each) => isOfSlice(each, discriminator)),
        `${path} ${JSON.stringify(discriminator)}`,
      ).toBe(true)
    }
    for (const { path, url } of matrix.must_supports.extensions) {
      const steps = path === 'extension' ? ['extension'] : [`_${path.split('.')[0]}`, 'extension']
      const urls = served.flatMap((each) => valuesAt(each, steps)).map((each) => each.url)
      expect(urls, path).toContain(url)
    }
  })
})

const day = 86_400_000

function dayFrom(text: string, days: number): string {
  return new Date(Date.parse(text) + days * day).toISOString()
}

const whence = more.find(({ id }) => id === 'whence')

/** Where the parameters stand that are asked to bring others along. */
const linkPaths: Record<string, string[]> = {
  medication: ['medicationReference'],
  participant: ['participant', 'member'],
  practitioner: ['practitioner'],
  endpoint: ['endpoint'],
}

/** SHOULD, and not done: what is indexed under the key of the patient is found together with the patient only (CRY8). */
const tooTelling: Record<string, true> = { 'CareTeam role': true }

function patientOf({ subject, beneficiary, patient }: Found): string {
  return (subject ?? beneficiary ?? patient).reference
}

function otherThan(text: string, { type, values }: Definition): string {
  if (['date', 'dateTime', 'instant', 'Period'].includes(type)) return '1801-01-01'
  if (type === 'Reference') return 'Patient/nobody'
  return values.find((value) => !text.endsWith(value)) ?? 'nobody'
}

function isOfSlice(element: Found, { type, path, code, system, values }: Discriminator): boolean {
  if (type === 'patternIdentifier') return element.system === system
  if (type === 'patternCodeableConcept')
    return valuesAt(element, [path, 'coding']).some((each) => each.system === system && each.code === code)
  return (element.coding ?? []).some((coding: Found) =>
    values?.some((value) => value.system === coding.system && value.code === coding.code),
  )
}

function sorted(values: readonly Found[]): string[] {
  return values.map((value) => JSON.stringify(value)).sort()
}

import type { Resource } from '#core/resource.ts'
import { type BaseTable, type ElementEntries, type ElementLine, readLine } from '#validator/table.ts'
import { breaks } from './breaks.ts'

export const faults = [
  'required element removed',
  'single element repeated',
  'list without brackets',
  'unknown element',
  'bad primitive',
  'bad code',
  'wrong type',
  'two types of a choice',
  'empty value',
  'reference of another type',
  'bad narrative',
  'broken invariant',
] as const
export type Fault = (typeof faults)[number]

/** One place of a resource: an element's property in the object that owns it. */
interface Place {
  owner: Record<string, unknown>
  key: string
  /** In the definition: `Timing.repeat`. */
  path: string
  line: ElementLine
  type: string
  choice?: string
}

/** Values of which no primitive type of that name allows any. */
const wrongForms: Record<string, unknown[]> = {
  base64Binary: ['a', '%%%%'],
  boolean: ['true', 1],
  canonical: ['two words', ''],
  code: [' padded', 'double  space'],
  date: ['2024-13-01', '2023-02-29', '01/02/2024'],
  dateTime: ['2024-01-01T10:00:00', '2024-1-1', '2024-04-31', 'yesterday'],
  decimal: ['1.5', true],
  id: ['has space', 'x'.repeat(65), 'under_score'],
  instant: ['2024-01-01', '2024-01-01T25:00:00Z'],
  integer: [1.5, '3', 2 ** 31],
  markdown: [' ', 3],
  oid: ['1.2.3', 'urn:oid:9.1'],
  positiveInt: [0, -1, '1'],
  string: [' ', 7, 'bell\u0007'],
  time: ['9:00', '24:00:00'],
  unsignedInt: [-1, 0.5],
  uri: ['two words', 5],
  url: ['two words', 5],
  uuid: ['urn:uuid:nothing'],
  xhtml: ['plain text', '<p>no div</p>'],
}

const badNarratives = [
  '<script>alert(1)</script>',
  '<p onclick="go()">text</p>',
  '<iframe src="https://elsewhere.example"/>',
  '<p>text',
  'text</p>',
  '<b><i>text</b></i>',
  ' ',
  'this & that',
  '<a href="javascript:go()">text</a>',
  '<form><input/></form>',
  '<object data="x"/>',
  '<p class=unquoted>text</p>',
]

/** Calls `test` once for each single fault of this kind that can be made in the resource; undone after each call. */
export function eachMutant(
  table: BaseTable,
  resource: Resource,
  fault: Fault,
  test: (where: string) => void,
): void {
  for (const place of placesOf(table, resource)) {
    for (const [where, change] of changes(place, fault)) {
      const before = { ...place.owner }
      change()
      test(where)
      for (const key of Object.keys(place.owner)) delete place.owner[key]
      Object.assign(place.owner, before)
    }
  }
}

function* changes(place: Place, fault: Fault): Generator<[string, () => void]> {
  const { owner, key, line, type } = place
  const value = owner[key]
  const list = Array.isArray(value)
  const set = (changed: unknown) => () => {
    owner[key] = changed
  }
  const instead = (item: unknown) => set(list ? [item, ...value.slice(1)] : item)
  const isPrimitive = type in wrongForms
  if (fault === 'required element removed' && line.min > 0 && owner[`_${key}`] === undefined) {
    yield [`without ${key}`, () => delete owner[key]]
  }
  if (fault === 'single element repeated' && !list) yield [`${key} twice`, set([value, value])]
  if (fault === 'list without brackets' && list) yield [`${key} without brackets`, set(value[0])]
  if (fault === 'unknown element') {
    yield [
      `beside ${key}`,
      () => {
        owner.unheardOf = 'x'
      },
    ]
    yield [
      `${key} misspelled`,
      () => {
        owner[`${key}x`] = value
      },
    ]
  }
  if (fault === 'bad primitive')
    for (const bad of wrongForms[type] ?? []) yield [`${key}: ${type}`, instead(bad)]
  if (fault === 'bad code' && line.codes && type === 'code') yield [key, instead('not-in-the-set')]
  if (fault === 'wrong type') {
    if (isPrimitive) yield [`${key}: object for ${type}`, instead({ text: 'x' })]
    else yield [`${key}: text for ${type}`, instead('x')]
  }
  if (fault === 'two types of a choice' && place.choice && line.types.length > 1) {
    const other = line.types.find(
      (one) => one.code !== type && ['string', 'boolean', 'CodeableConcept'].includes(one.code),
    )
    const extra = other?.code === 'boolean' ? true : other?.code === 'string' ? 'x' : { text: 'x' }
    const name = other && place.choice + other.code.charAt(0).toUpperCase() + other.code.slice(1)
    if (name)
      yield [
        `${key} and ${name}`,
        () => {
          owner[name] = extra
        },
      ]
  }
  if (fault === 'reference of another type') {
    const targets = line.types.find((one) => one.code === 'Reference')?.targets
    const other = ['Binary', 'Patient', 'MedicationRequest'].find(
      (name) => targets && !targets.includes(name),
    )
    if (type === 'Reference' && other) yield [`${key}: ${other}`, instead({ reference: `${other}/1` })]
    if (type === 'Reference') yield [`${key}: no reference`, instead({ reference: 'not a reference' })]
  }
  if (fault === 'bad narrative' && type === 'xhtml') {
    for (const inner of badNarratives) {
      const div = `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`
      yield [`${key}: ${inner}`, instead(div)]
    }
    yield [`${key}: no namespace`, instead('<div>text</div>')]
  }
  if (fault === 'broken invariant') {
    for (const [rule, broken] of breaks(place.path, type, list ? value[0] : value)) {
      yield [`${place.path} ${rule}`, instead(broken)]
    }
  }
  if (fault === 'empty value') {
    yield [`${key}: empty list`, set([])]
    yield [`${key}: nothing`, instead(isPrimitive ? '' : {})]
    yield [`${key}: null`, instead(null)]
  }
}

function* placesOf(
  table: BaseTable,
  value: unknown,
  entries?: ElementEntries,
  path?: string,
): Generator<Place> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  const owner = value as Record<string, unknown>
  const own = entries ?? table.types[String(owner.resourceType)]?.elements
  const at = path ?? String(owner.resourceType)
  if (!own) return
  for (const [name, entry] of Object.entries(own)) {
    if (name === '') continue
    const line = readLine(typeof entry === 'string' ? entry : String(entry['']))
    const stem = name.replace('[x]', '')
    const options = line.contentOf ? [{ code: 'BackboneElement' }] : line.types
    for (const { code } of options) {
      const key = stem === name ? name : stem + code.charAt(0).toUpperCase() + code.slice(1)
      if (owner[key] === undefined) continue
      const choice = stem === name ? undefined : stem
      const inner: ElementEntries | undefined = line.contentOf
        ? contentOf(table, line.contentOf)
        : typeof entry === 'string'
          ? table.types[code]?.elements
          : entry
      const here = line.contentOf ?? `${at}.${name}`
      yield { owner, key, path: here, line, type: code, choice }
      const deeper = line.contentOf || typeof entry !== 'string' ? here : code
      for (const item of [owner[key]].flat()) {
        if (code === 'Resource') yield* placesOf(table, item)
        else yield* placesOf(table, item, inner, deeper)
      }
    }
  }
}

function contentOf(table: BaseTable, path: string): ElementEntries | undefined {
  const [type = '', ...names] = path.split('.')
  let entries: ElementEntries | string | undefined = table.types[type]?.elements
  for (const name of names) entries = typeof entries === 'object' ? entries[name] : undefined
  return typeof entries === 'object' ? entries : undefined
}

import type { Basic, Provenance } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Flow } from '#core/flow.ts'
import type { Artifacts } from '#core/ports.ts'
import { createTransformer } from '#intake/transform.ts'
import { callerWith, noon } from '../flows/replay.ts'

const table = {
  resourceType: 'ConceptMap',
  url: 'urn:colours',
  version: '2',
  group: [{ element: [{ code: 'red', target: [{ code: 'r' }] }] }],
}

/** The least flow: a Basic resource whose mapping is the text at hand. */
const flow: Flow<{ colour: string }> = {
  name: 'paint',
  title: 'Paint',
  door: { kind: 'json', path: '/ingest/paint', schema: () => ({}) },
  read: () => ({ colour: 'red' }),
  messageId: () => 'm1',
  primary: 'Basic',
  parties: () => [],
  rules: [],
  mapping: 'paint',
  profiles: {},
  receivers: [],
}

function transform(
  text: string,
  source = { colour: 'red' },
  messageId = 'm1',
  clientId = 'c1',
  more: object = {},
) {
  const artifacts: Artifacts = {
    mappings: new Map([['paint', text]]),
    conceptMaps: new Map<string, unknown>([['colours', table], ...Object.entries(more)]),
    ignored: new Map(),
    profiles: [],
  }
  const { transform: run } = createTransformer({
    artifacts: () => artifacts,
    deriveId: (...parts) => parts.join('.'),
    digest: () => 'd1',
    restoreDecimals: (resource) => resource,
  })
  return run(flow, source, {
    caller: { ...callerWith([]), clientId },
    messageId,
    received: noon,
    body: new Uint8Array(),
    references: { subject: 'Patient/p1' },
  })
}

const basic =
  '{ "resourceType": "Basic", "subject": $ref("subject"), "code": { "text": source.colour, "coding": [$code("colours", source.colour)] } }'

describe('transform', () => {
  it('asks the rows of its sender before those of everybody, and says in Provenance which table gave', async () => {
    const own = {
      resourceType: 'ConceptMap',
      url: 'urn:own-colours',
      version: '2',
      status: 'active',
      group: [
        {
          target: 'urn:own',
          element: [{ code: 'mauve', target: [{ code: 'M', equivalence: 'equivalent' }] }],
        },
      ],
    }
    const codeOf = async (colour: string, clientId: string) => {
      const { resources, unmapped } = await transform(basic, { colour }, 'm1', clientId, {
        'colours@c2': own,
      })
      const [made, provenance] = resources as [Basic, Provenance]
      return { code: made.code?.coding?.[0]?.code, unmapped, policy: provenance.policy }
    }
    const red = await codeOf('red', 'c1')
    expect(await codeOf('mauve', 'c1')).toMatchObject({
      code: undefined,
      unmapped: [{ table: 'colours', code: 'mauve' }],
    })
    expect(await codeOf('mauve', 'c2')).toMatchObject({ code: 'M', unmapped: [] })
    expect((await codeOf('mauve', 'c2')).policy).toContain('urn:own-colours|2')
    expect(await codeOf('red', 'c2')).toEqual(red)
  })

  it('gives the same message the same ids, and another sender or message others', async () => {
    const ids = async (...parameters: [string?, string?]) =>
      (await transform(basic, { colour: 'red' }, ...parameters)).resources.map(({ id }) => id)
    expect(await ids()).toEqual(['paint.c1.m1.0', 'paint.c1.m1.provenance'])
    expect(await ids('m2')).not.toEqual(await ids())
    expect(await ids('m1', 'c2')).not.toEqual(await ids())
  })

  it('adds a Provenance that names the mapping by hash and the tables by version, in the compartment of the patient', async () => {
    const { resources, mapping } = await transform(basic)
    expect(mapping).toEqual({ name: 'paint', sha256: 'd1' })
    expect(resources.at(-1)).toMatchObject({
      resourceType: 'Provenance',
      target: [{ reference: 'Basic/paint.c1.m1.0/_history/1' }],
      policy: ['https://postern.health/mapping/paint?sha256=d1', 'urn:colours|2'],
    })
  })

  it('keeps the text of a code that is in no table, warns without saying it, and marks the message', async () => {
    const { resources, warnings, unmapped } = await transform(basic, { colour: 'mauve' })
    expect(resources[0]).toMatchObject({ code: { text: 'mauve' } })
    expect(unmapped).toEqual([{ table: 'colours', code: 'mauve' }])
    expect(JSON.stringify(warnings)).not.toContain('mauve')
    expect(await transform(basic)).toMatchObject({ unmapped: [], warnings: [] })
  })

  it('refers to other resources of this message and to other messages of the same sender', async () => {
    const text = '[{ "resourceType": "Basic", "a": $id(1), "b": $idOf("m0") }, { "resourceType": "Basic" }]'
    const { resources } = await transform(text)
    expect(resources[0]).toMatchObject({ a: 'paint.c1.m1.1', b: 'paint.c1.m0.0' })
    expect(resources[1]?.id).toBe('paint.c1.m1.1')
  })

  it('refuses two resources under one id, none at all, and what is no resource', async () => {
    const twice = '[{ "resourceType": "Basic", "id": $id(0) }, { "resourceType": "Basic", "id": $id(0) }]'
    await expect(transform(twice)).rejects.toThrow(/one id/)
    await expect(transform('nothing')).rejects.toThrow(/0 resources/)
    await expect(transform('{ "a": 1 }')).rejects.toThrow(/no resource/)
  })

  it('an id that was not derived from this message is refused', async () => {
    await expect(transform('{ "resourceType": "Basic", "id": "somebody-elses" }')).rejects.toThrow(
      /not of this message/,
    )
  })

  it('a table or mapping that is not there is our fault, not the sender’s', async () => {
    await expect(transform('$code("shapes", "x")')).rejects.toMatchObject({ kind: 'internal' })
  })

  it.each([
    ['202501011230', '2025-01-01T12:30:00-06:00'],
    ['20250701123059.5+0200', '2025-07-01T12:30:59.5+02:00'],
    ['1980', '1980'],
  ])('$dtm(%s) is %s', async (text, expected) => {
    const { resources } = await transform(
      `{ "resourceType": "Basic", "at": $dtm("${text}", "America/Chicago") }`,
    )
    expect(resources[0]).toMatchObject({ at: expected })
  })

  it.each([
    ['.50', '0.50'],
    ['007', '7'],
    ['+2.5', '2.5'],
    ['5.', '5'],
    ['-0.10', '-0.10'],
    ['1.00', '1.00'],
    ['0', '0'],
    ['12345678901234567890.10', '12345678901234567890.10'],
  ])('$nm(%s) is %s', async (text, expected) => {
    const { resources } = await transform(`{ "resourceType": "Basic", "n": $nm("${text}") }`)
    expect(resources[0]).toMatchObject({ n: expected })
  })

  it.each(['10 mg', '1,000', '10-20', '0x10', '', '.'])('$nm(%s) is nothing', async (text) => {
    const { resources } = await transform(`{ "resourceType": "Basic", "n": $nm("${text}") }`)
    expect(resources[0]).not.toHaveProperty('n')
  })
})

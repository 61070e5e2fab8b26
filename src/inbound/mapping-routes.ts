import * as z from 'zod'
import { Failure } from '#core/failure.ts'
import { bodySchema } from '#flows/body-schema.ts'
import { bytesOf } from '#formats/base64.ts'
import type { Shelf } from '#intake/artifact-shelf.ts'
import type { CodeAnswers } from '#intake/code-answers.ts'
import type { Workshop } from '#intake/workshop.ts'
import type { Route } from './http.ts'
import { type Answer, bodyOf, gated, type IntegratorPorts, json, looked } from './integrator-request.ts'

export interface MappingRouteOptions extends IntegratorPorts {
  shelf: Shelf
  workshop: Workshop
  codeAnswers: CodeAnswers
}

const line = z.string().min(1).max(200)
const push = z.strictObject({
  files: z
    .array(z.strictObject({ name: line, text: z.string().max(1_000_000) }))
    .min(1)
    .max(100),
  fixtures: z
    .array(
      z.strictObject({
        flow: line,
        name: line,
        body: z.base64().max(1_000_000),
        expected: z.string().max(1_000_000).optional(),
      }),
    )
    .max(500)
    .default([]),
  accept: z.boolean().default(false),
})
const codeAnswer = z
  .strictObject({
    table: line,
    code: line,
    system: line.optional(),
    client: line.optional(),
    /** `null`: there is no counterpart. */
    target: z.strictObject({ code: line, system: line.optional(), display: line.optional() }).nullable(),
  })
  .transform(({ target, ...rest }) => ({ ...rest, target: target ?? undefined }))
const rollback = z.strictObject({ sha256: line })
const comparison = z.strictObject({
  versions: z.tuple([line, line]),
  /** Its own code rows count. */
  client: line.optional(),
  messages: z
    .array(z.strictObject({ file: line, body: z.base64().max(1_000_000) }))
    .min(1)
    .max(500),
})

/**
 * Mappings and code tables for whoever runs the clinic: `/mappings`. An operator whose scope allows StructureMap, which
 * is what FHIR calls a mapping, may read and change them.
 */
export function mappingRoutes(options: MappingRouteOptions): Route[] {
  const { shelf, workshop, codeAnswers } = options
  const read = (path: string, summary: string, answer: Answer): Route => ({
    policy: 'token',
    method: 'GET',
    path,
    described: { summary },
    answer: (request) => looked(options, request, answer),
  })
  return [
    read('/mappings', 'Mappings and code tables in force', async () => {
      const { active } = await shelf.inForce()
      const names = [...new Set((await shelf.versions()).map(({ name }) => name))].sort()
      const shown = names.map(async (name) => {
        const { sha256 } = (await shelf.active(name)) ?? {}
        return { name, sha256, pushed: name in active, ...active[name] }
      })
      return Promise.all(shown)
    }),
    read('/mappings/unmapped-codes', 'Codes that no table knows, and how many messages wait for them', () =>
      codeAnswers.waiting(),
    ),
    {
      policy: 'token',
      method: 'POST',
      path: '/mappings/unmapped-codes',
      described: {
        summary: 'Answer a code that no table knows; what waits for it goes on',
        takes: { type: 'application/json', name: 'code-answer', schema: () => bodySchema(codeAnswer) },
      },
      async answer(request) {
        const by = await gated(options, request, 'update')
        return json(200, await codeAnswers.answer(await bodyOf(options, request, codeAnswer), by))
      },
    },
    read('/mappings/:name', 'Versions of a mapping or code table', async ({ path }) => {
      const name = path.split('/')[1] ?? ''
      const versions = await shelf.versions(name)
      if (versions.length === 0)
        throw new Failure('not-found', 'There is no mapping or code table of this name')
      const active = await shelf.active(name)
      return versions.map((each) => ({ ...each, active: each.sha256 === active?.sha256 }))
    }),
    {
      policy: 'token',
      method: 'POST',
      path: '/mappings',
      described: {
        summary: 'Push mappings and code tables; 422 where fixtures fail',
        takes: { type: 'application/json', name: 'mapping-push', schema: () => bodySchema(push) },
      },
      async answer(request) {
        const by = await gated(options, request, 'update')
        const pushed = await workshop.push(await bodyOf(options, request, push), by)
        return json(pushed.activated ? 200 : 422, pushed)
      },
    },
    {
      policy: 'token',
      method: 'POST',
      path: '/mappings/$compare',
      described: {
        summary: 'What messages become by two versions, side by side; nothing is stored',
        takes: { type: 'application/json', name: 'mapping-compare', schema: () => bodySchema(comparison) },
      },
      answer: (request) =>
        looked(options, request, async () => {
          const { versions, messages, client } = await bodyOf(options, request, comparison)
          const files = messages.map(({ file, body }) => ({ file, body: bytesOf(body) }))
          return workshop.compare(versions, files, client)
        }),
    },
    {
      policy: 'token',
      method: 'POST',
      path: '/mappings/:name/$rollback',
      described: {
        summary: 'Put an earlier version in force again',
        takes: { type: 'application/json', name: 'mapping-rollback', schema: () => bodySchema(rollback) },
      },
      async answer(request) {
        const by = await gated(options, request, 'update')
        const { sha256 } = await bodyOf(options, request, rollback)
        return json(200, await workshop.rollback(request.path.split('/')[1] ?? '', sha256, by))
      },
    },
  ]
}

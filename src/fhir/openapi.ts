import { generalParameters, type SearchParameter, searchParameters } from '#store/search-parameters.ts'
import { exportRoutes } from './export/exports.ts'
import { fhirJson, jsonPatch } from './negotiate.ts'
import { offeredRoutes, type Route, servedTypes } from './routes.ts'
import { controls } from './search/controls.ts'

/** Operations by path below the FHIR base (`/Communication/{id}`) and by method, as OpenAPI 3.1 writes them. */
export type Paths = Record<string, Record<string, object>>

/** The FHIR server as OpenAPI, from the tables that route it: what is not routed is not there (F11). */
export function fhirPaths(types: readonly string[] = servedTypes): Paths {
  const paths: Paths = {
    '/': { post: { ...operationOf('Bundle', 'post', ''), summary: 'Batch or transaction', ...takesBundle } },
  }
  const add = (path: string, method: string, operation: object) => {
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation }
  }
  for (const type of types) {
    for (const route of offeredRoutes(type)) add(templateOf(route, type), route.method, routed(route, type))
  }
  for (const { template, methods, summary } of exportRoutes) {
    for (const method of methods) {
      const operation = operationOf('Bulk export', method, template)
      add(`/${template}`, method, { ...operation, summary, ...answering({}, anything) })
    }
  }
  return paths
}

/** What bodies and answers are, for `components.schemas`: the standard's own schemas hold the detail. */
export function fhirSchemas(types: readonly string[] = servedTypes): Record<string, object> {
  const named = new Set([...types, 'Bundle', 'OperationOutcome', 'Parameters'])
  return Object.fromEntries(
    [...named].map((type) => [
      type,
      {
        type: 'object',
        required: ['resourceType'],
        properties: { resourceType: { const: type }, id: { type: 'string' } },
        externalDocs: { url: `https://hl7.org/fhir/R4/${type.toLowerCase()}.html` },
      },
    ]),
  )
}

const anything = { type: 'object' }
/** A Binary is also the file that it holds. */
const file = { '*/*': { type: 'string', format: 'binary' } }
const takesBundle = {
  requestBody: taking({ [fhirJson]: schemaOf('Bundle') }),
  ...answering({}, schemaOf('Bundle')),
}

function templateOf({ path }: Route, type: string): string {
  const written = { '[type]': type, '[id]': '{id}', '[version]': '{version}' } as Record<string, string>
  return `/${path.map((segment) => written[segment] ?? segment).join('/')}`
}

function routed(route: Route, type: string): object {
  const isSearch = route.kind === 'search'
  const conditional = route.path.length === 1 && ['PUT', 'PATCH', 'DELETE'].includes(route.method)
  const isQuery = (isSearch && route.method === 'GET') || conditional
  const asked = isQuery ? parametersOf(type) : (route.query ?? []).map((name) => parameter(name, 'operation'))
  const words = route.operation
    ? `$${route.operation.name}`
    : `${conditional ? 'conditional ' : ''}${verbOf(route)}`
  const body = bodyOf(route, type)
  return {
    ...operationOf(type, route.method, templateOf(route, type), asked),
    summary: `${type}: ${words}`,
    ...(route.operation ? { externalDocs: { url: route.operation.definition } } : {}),
    ...(body ? { requestBody: body } : {}),
    ...answering(
      successes[route.operation ? 'operation' : route.kind] ?? {},
      answerOf(route, type),
      type === 'Binary' && !route.operation && ['read', 'vread'].includes(route.kind) ? file : {},
    ),
  }
}

function verbOf({ method, kind }: Route): string {
  return method === 'PATCH' ? 'patch' : kind
}

function answerOf(route: Route, type: string): object {
  const operation = operationAnswers[route.operation?.name ?? '']
  if (operation) return schemaOf(operation)
  if (route.operation || ['search', 'history'].includes(route.kind)) return schemaOf('Bundle')
  return schemaOf(type)
}

/** Operations that answer something else than a Bundle. */
const operationAnswers: Readonly<Record<string, string>> = {
  validate: 'OperationOutcome',
  translate: 'Parameters',
  signable: 'Parameters',
  sign: 'MedicationRequest',
}

/** What an interaction answers beside 200 where it went well. */
const successes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  read: { 304: 'Not changed since If-None-Match or If-Modified-Since' },
  create: { 201: 'Created' },
  update: { 201: 'Created where nothing was' },
  delete: { 204: 'Deleted' },
}

function bodyOf({ method, path, operation }: Route, type: string): object | undefined {
  if (method === 'GET' || method === 'DELETE') return undefined
  if (path.includes('_search')) {
    const properties = Object.fromEntries(parametersOf(type).map(({ name, schema }) => [name, schema]))
    return taking({ 'application/x-www-form-urlencoded': { type: 'object', properties } })
  }
  if (method === 'PATCH')
    return taking({
      [jsonPatch]: { type: 'array', items: anything },
      [fhirJson]: schemaOf('Parameters'),
    })
  if (operation) {
    const oneOf = [schemaOf(type), schemaOf('Parameters')]
    return { content: { [fhirJson]: { schema: { oneOf } } } }
  }
  return taking({ [fhirJson]: schemaOf(type), ...(type === 'Binary' ? file : {}) })
}

interface Parameter {
  name: string
  in: 'query'
  description: string
  schema: object
}

/** Names with modifiers (`status:not`), chains and `_has` cannot be listed: docs/fhir-api.md says which there are. */
function parametersOf(type: string): Parameter[] {
  const own = [...(searchParameters[type] ?? []), ...generalParameters].map(({ name, kind }) => ({
    name,
    kind,
  }))
  const all: { name: string; kind: SearchParameter['kind'] | 'control' }[] = [
    { name: '_id', kind: 'token' },
    { name: '_lastUpdated', kind: 'date' },
    ...own,
    ...[...Object.keys(controls), '_include', '_revinclude'].map((name) => ({
      name,
      kind: 'control' as const,
    })),
  ]
  return all.map(({ name, kind }) => parameter(name, kind))
}

function parameter(name: string, description: string): Parameter {
  return { name, in: 'query', description, schema: { type: 'string' } }
}

function operationOf(tag: string, method: string, path: string, query: readonly Parameter[] = []): object {
  const slots = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9.-]{1,64}$' },
  }))
  const id = `${method.toLowerCase()}${path}`.replace(/[^A-Za-z0-9]+/g, '-').replace(/-$/, '')
  return { tags: [tag], operationId: `fhir-${id}`, parameters: [...slots, ...query] }
}

function taking(types: Readonly<Record<string, object>>): object {
  const content = Object.entries(types).map(([type, schema]) => [type, { schema }])
  return { required: true, content: Object.fromEntries(content) }
}

function answering(
  more: Readonly<Record<string, string>>,
  schema: object,
  forms: Readonly<Record<string, object>> = {},
): { responses: object } {
  const also = Object.entries(forms).map(([type, form]) => [type, { schema: form }])
  const content = { [fhirJson]: { schema }, ...Object.fromEntries(also) }
  const others = Object.entries(more).map(([status, description]) => [status, { description }])
  return {
    responses: {
      200: { description: 'As asked', content },
      ...Object.fromEntries(others),
      default: { $ref: '#/components/responses/Refused' },
    },
  }
}

function schemaOf(type: string): object {
  return { $ref: `#/components/schemas/${type}` }
}

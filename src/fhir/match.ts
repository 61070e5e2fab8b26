import { Failure } from '#core/failure.ts'
import type { DoorRequest } from '#core/http.ts'
import { isServed, type Route, routes, type Segment } from './routes.ts'

export interface Matched {
  route: Route
  type: string
  id: string
  version: string
}

/** The route of a request. Throws Failure `not-found` for a path that no route has, `not-allowed` for its method. */
export function matchRoute(request: DoorRequest, types: readonly string[]): Matched {
  const parts = request.path.split('/')
  const fitting = routes.filter((route) => route.path.length === parts.length && fits(route.path, parts))
  const [type = ''] = parts
  if (fitting.length === 0) throw new Failure('not-found', 'There is nothing at this path.')
  if (!types.includes(type)) throw new Failure('not-found', 'This resource type is not served here.')
  const route = fitting.find((each) => each.method === request.method && isServed(type, each))
  if (!route) throw new Failure('not-allowed', `${type} does not take this method here; see /metadata.`)
  const slot = (name: Segment) => parts[route.path.indexOf(name)] ?? ''
  return { route, type, id: slot('[id]'), version: slot('[version]') }
}

const forms: Record<Segment, RegExp> = {
  '[type]': /^[A-Z][A-Za-z]{1,63}$/,
  '[id]': /^[A-Za-z0-9.-]{1,64}$/,
  '[version]': /^[A-Za-z0-9.-]{1,64}$/,
  _history: /^_history$/,
  _search: /^_search$/,
  $validate: /^\$validate$/,
  $everything: /^\$everything$/,
  $translate: /^\$translate$/,
  $status: /^\$status$/,
  $events: /^\$events$/,
  $signable: /^\$signable$/,
  $sign: /^\$sign$/,
  $viewed: /^\$viewed$/,
}

function fits(path: readonly Segment[], parts: readonly string[]): boolean {
  return path.every((segment, index) => forms[segment].test(parts[index] ?? ''))
}

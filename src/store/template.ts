import type { CompiledQuery } from 'kysely'

/** SQL compiled once, with named holes for its parameters. */
export interface Template<P> {
  readonly sql: string
  bind(values: P): Bound
}

/** SQL with its parameters, ready to run. */
export interface Bound {
  sql: string
  parameters: readonly unknown[]
}

class Hole {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/**
 * Compiles a Kysely query once; `bind` fills in the parameters. Kysely's compilation costs more than SQLite's work on a
 * hot path, so every statement there is a template. `p.name` stands for the parameter `name` while the query is built.
 */
export function template<P extends object>(build: (p: P) => { compile(): CompiledQuery }): Template<P> {
  const holes = new Proxy({} as P, { get: (_, name) => new Hole(String(name)) })
  const { sql, parameters } = build(holes).compile()
  const names = parameters.map((parameter) => (parameter instanceof Hole ? parameter.name : undefined))
  return {
    sql,
    bind: (values) => ({
      sql,
      parameters: parameters.map((constant, i) => {
        const name = names[i]
        return name === undefined ? constant : (values as Record<string, unknown>)[name]
      }),
    }),
  }
}

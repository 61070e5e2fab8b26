import type { Run } from './mapping-limits.ts'

/** The names that a block, a function or a path with variables binds; known when the whole text is compiled. */
export interface Scope {
  readonly parent: Scope | undefined
  readonly slots: Map<string, number>
  /** Names that are bound from the start, so that nothing further out can be meant. */
  readonly always: Set<string>
  size: number
}

/** The variables of a scope at run time. A scope without names has no frame. */
export interface Frame {
  readonly slots: unknown[]
  readonly parent: Frame | undefined
}

export interface Names {
  open(parent: Scope | undefined, parameters?: readonly string[]): Scope
  /** The slot of a name that is bound somewhere in the scope. */
  bind(scope: Scope, name: string): number
  /** Reads a variable: the innermost scope that has bound it by now, else the run's globals. */
  refer(scope: Scope, name: string): (input: unknown, frame: Frame, run: Run) => unknown
  /** When all is compiled: finds out what the references mean, and names what no scope surely binds. */
  settle(): string[]
}

/** A slot that nothing was bound to yet: the name means what it means further out. */
export const unbound = Symbol('unbound')

/** Where a name may be found: `hops` frames out, or as a global when `slot` is below 0. */
interface Target {
  hops: number
  slot: number
  global: number
  outer: Target | undefined
}

export function frameOf(scope: Scope, parent: Frame): Frame {
  if (scope.size === 0) return parent
  const slots: unknown[] = []
  for (let slot = 0; slot < scope.size; slot++) slots.push(unbound)
  return { slots, parent }
}

export function createNames(): Names {
  const references: { scope: Scope; name: string; target: Target }[] = []
  const globals: string[] = []

  function bind(scope: Scope, name: string): number {
    const slot = scope.slots.get(name) ?? scope.size++
    scope.slots.set(name, slot)
    return slot
  }

  function globalOf(name: string): number {
    const known = globals.indexOf(name)
    return known >= 0 ? known : globals.push(name) - 1
  }

  function settleOne(scope: Scope, name: string, first: Target): void {
    let target = first
    let hops = 0
    for (let at: Scope | undefined = scope; at; at = at.parent) {
      const slot = at.slots.get(name)
      if (slot !== undefined) {
        target.hops = hops
        target.slot = slot
        if (at.always.has(name)) return
        target.outer = { hops: 0, slot: -1, global: -1, outer: undefined }
        target = target.outer
      }
      if (at.size > 0) hops++
    }
    target.global = globalOf(name)
  }

  return {
    bind,
    open(parent, parameters = []) {
      const scope: Scope = { parent, slots: new Map(), always: new Set(parameters), size: 0 }
      for (const name of parameters) bind(scope, name)
      return scope
    },
    refer(scope, name) {
      const target: Target = { hops: 0, slot: -1, global: -1, outer: undefined }
      references.push({ scope, name, target })
      return (_input, frame, run) => read(target, frame, run)
    },
    settle() {
      for (const { scope, name, target } of references) settleOne(scope, name, target)
      return globals
    },
  }
}

function read(first: Target, frame: Frame, run: Run): unknown {
  let target: Target | undefined = first
  while (target && target.slot >= 0) {
    let at: Frame | undefined = frame
    for (let hops = target.hops; hops > 0; hops--) at = at?.parent
    const value = at?.slots[target.slot]
    if (value !== unbound) return value
    target = target.outer
  }
  return target && run.globals[target.global]
}

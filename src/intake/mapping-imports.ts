import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Artifacts } from '#core/ports.ts'

type Mappings = Artifacts['mappings']

/** A mapping with what it imports put in its place. */
export interface WholeMapping {
  text: string
  /** The mapping's own name, then those of what it imports, each once, in the order of the text. */
  names: readonly string[]
}

const importLine = /^[ \t]*\$import\("([a-z0-9][a-z0-9-]{0,63})"\);[ \t]*$/gm
/** Comments, and one block of bindings. */
const block = /^\s*(?:\/\*[\s\S]*?\*\/\s*)*\(([\s\S]*)\)\s*$/

/**
 * A line `$import("order-timing");` of a mapping stands for the bindings of `order-timing.jsonata`, which is a block of
 * them: JSONata has no word for it. Who is imported may import too, and of two imports of one name the first counts.
 * Throws Failure `invalid` for what is not here or no block.
 */
export function wholeMapping(name: string, mappings: Mappings): WholeMapping {
  const names = [name]
  const splice = (text: string): string =>
    text.replace(importLine, (_line, imported: string) => {
      if (names.includes(imported)) return ''
      names.push(imported)
      const found = mappings.get(imported)
      if (found === undefined) throw new Failure('invalid', `${name} imports ${imported}, which is not here`)
      const [, bindings] = block.exec(found) ?? []
      if (bindings === undefined)
        throw new Failure('invalid', `${name} imports ${imported}, which is no block of bindings`)
      return splice(bindings)
    })
  const own = mappings.get(name)
  if (own === undefined) throw new Failure('internal', `There is no mapping ${name}`)
  return { text: splice(own), names }
}

/** The mappings that a flow runs. */
export function mappingsOf({ mapping, parts = [] }: Pick<Flow, 'mapping' | 'parts'>): string[] {
  return [mapping, ...parts]
}

/** Whether a flow runs a text of this name, by itself or imported. */
export function runs(flow: Pick<Flow, 'mapping' | 'parts'>, stem: string, mappings: Mappings): boolean {
  return mappingsOf(flow).some((name) => wholeMapping(name, mappings).names.includes(stem))
}

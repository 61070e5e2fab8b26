import type { ConceptMap } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { codeTable } from './concept-map.ts'
import { compileMapping } from './mapping-engine.ts'

/** A mapping or a code table as text. Its name is its file name: `prescription-order.jsonata`, `route.json`. */
export interface ArtifactText {
  name: string
  text: string
}

/** What a name stands for: a mapping, a code table, or one sender's rows of a code table (`route@acme.json`). */
export interface ArtifactKind {
  form: 'mapping' | 'codes'
  /** By which core/ports `Artifacts` knows it. */
  stem: string
}

const mapping = /^([a-z0-9][a-z0-9-]{0,63})\.jsonata$/
const codes = /^([a-z0-9][a-z0-9-]{0,63}(?:@[A-Za-z0-9._-]{1,64})?)\.json$/

/** Throws Failure `invalid` for what is no name of a mapping or code table. */
export function artifactKind(name: string): ArtifactKind {
  const [, ofMapping] = mapping.exec(name) ?? []
  if (ofMapping) return { form: 'mapping', stem: ofMapping }
  const [, ofCodes] = codes.exec(name) ?? []
  if (ofCodes) return { form: 'codes', stem: ofCodes }
  throw new Failure('invalid', 'A mapping is called <name>.jsonata, a code table <name>.json')
}

/**
 * The text in the form in which it is kept and hashed: a mapping as it is, a table as compact JSON, so that its spaces do
 * not make a version. Throws Failure `unsupported` for a mapping that does not compile, `invalid` for what is no table.
 */
export function canonicalText({ name, text }: ArtifactText): string {
  const { form, stem } = artifactKind(name)
  if (form === 'mapping') {
    compileMapping(stem, text)
    return text
  }
  const map = readTable(name, text)
  codeTable(stem, map)
  return JSON.stringify(map)
}

function readTable(name: string, text: string): ConceptMap {
  try {
    return JSON.parse(text) as ConceptMap
  } catch (cause) {
    throw new Failure('invalid', `${name} is not JSON`, { cause })
  }
}

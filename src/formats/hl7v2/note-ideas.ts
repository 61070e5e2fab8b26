import type { Annotation, Extension } from 'fhir/r4'
import { decimalText } from '#core/decimal.ts'
import type { Idea } from './rest.ts'
import { prefixed } from './words.ts'

/** Who wrote each note, and when; what the notes say goes as it is. */
export function authorIdeas(notes: readonly Annotation[]): Idea[] {
  return notes.map((each, index) => ({ path: `note[${index}]`, text: authorWords(each, index) }))
}

export function extensionIdeas(extensions: readonly Extension[]): Idea[] {
  return extensions.map((each, index) => ({ path: `extension[${index}]`, text: extensionWords(each) }))
}

function authorWords({ authorString, authorReference, time }: Annotation, index: number): string {
  const author = authorString ?? authorReference?.display
  const words = [author && `by ${author}`, time && `of ${time}`].filter(Boolean)
  return prefixed(`Note ${index + 1} is `, words.join(' '))
}

/** Whoever made the extension chose its name; the words are its values. */
function extensionWords(extension: Extension): string {
  const values = [...valuesOf(extension)]
  const name = extension.url.split(/[/:#]/).findLast((part) => part !== '')
  return values.length > 0 ? `${name}: ${values.join(', ')}` : ''
}

function* valuesOf(value: unknown): Generator<string> {
  const text = decimalText(value) ?? (typeof value === 'object' ? undefined : String(value))
  if (text !== undefined) yield text
  else if (Array.isArray(value)) for (const item of value) yield* valuesOf(item)
  else
    for (const [name, item] of Object.entries(value ?? {}))
      if (name !== 'url' && name !== 'system') yield* valuesOf(item)
}

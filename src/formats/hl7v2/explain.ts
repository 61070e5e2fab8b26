import { type FieldCoverage, segmentsUnder } from './coverage.ts'
import { unescapeText } from './escape.ts'
import { isDelimiterField, lastField, type Message, rawField, type Segment, value } from './message.ts'
import { sourceTree } from './source.ts'
import { componentElement, type Element, fieldElement, groupsOf, segmentTitle } from './structure.ts'

/** A message for people: what each segment, field and component is called, what it says, what became of it. */
export interface ExplainedSegment {
  segment: string
  /** Place in the message, from 1. */
  at: number
  /** How many segments it stands under. */
  depth: number
  title?: string
  /** Where the message structure puts it, `ORDER/ENCODING`; absent where it may stand in several groups. */
  group?: string
  fields: ExplainedField[]
}

export interface ExplainedField extends Partial<Element> {
  field: number
  repetition: number
  text: string
  components: ExplainedComponent[]
  coverage?: Pick<FieldCoverage, 'state' | 'unread' | 'reason'>
}

export interface ExplainedComponent extends Partial<Element> {
  /** `4`, `4.2` */
  component: string
  text: string
}

export function explainMessage(
  message: Message,
  coverage: readonly FieldCoverage[] = [],
): ExplainedSegment[] {
  const version = versionOf(message)
  const depths = depthsOf(message)
  const [msh] = message.segments
  const structure = msh ? value(msh, 9, 1, 3) || `${value(msh, 9)}_${value(msh, 9, 1, 2)}` : ''
  const covered = new Map(coverage.map((each) => [`${each.at}-${each.field}`, each]))
  return message.segments.map((segment) => {
    const [group, ...others] = groupsOf(version, structure, segment.name) ?? []
    const title = segmentTitle(segment.name)
    return {
      segment: segment.name,
      at: segment.position,
      depth: depths.get(segment.position) ?? 0,
      ...(title ? { title } : {}),
      ...(group && others.length === 0 ? { group } : {}),
      fields: Array.from({ length: lastField(segment) }, (_none, index) => index + 1).flatMap((field) =>
        explainField(segment, field, version).map((each) => {
          const found = covered.get(`${segment.position}-${field}`)
          if (!found) return each
          const { state, unread, reason } = found
          return { ...each, coverage: { state, unread, reason } }
        }),
      ),
    }
  })
}

/** The same as lines of text, one for each value. */
export function explanationText(segments: readonly ExplainedSegment[]): string {
  return segments.flatMap(segmentLines).join('\n')
}

function segmentLines({ segment, at, depth, title, group, fields }: ExplainedSegment): string[] {
  const indent = '  '.repeat(depth)
  const name = title ?? (segment.startsWith('Z') ? 'of the sender’s own' : 'not in the standard we know')
  return [
    `${indent}${segment}  ${name}${group ? ` (${group})` : ''}, line ${at}`,
    ...fields.flatMap((field) => fieldLines(segment, field).map((line) => `${indent}  ${line}`)),
  ]
}

function fieldLines(
  segment: string,
  { field, repetition, name, type, text, components, coverage }: ExplainedField,
) {
  const place = `${segment}-${field}${repetition > 1 ? `[${repetition}]` : ''}`
  const label = `${place.padEnd(9)} ${name ?? 'unnamed'}${type ? ` (${type})` : ''}`
  const became = coverage ? `   ${coverageText(coverage)}` : ''
  if (components.length === 0) return [`${label}: ${text}${became}`]
  return [
    `${label}${became}`,
    ...components.map((each) => {
      const read = coverage?.unread?.includes(each.component) ? '   not read' : ''
      return `          .${each.component.padEnd(4)} ${each.name ? `${each.name}: ` : ''}${each.text}${read}`
    }),
  ]
}

function coverageText({ state, reason }: Pick<FieldCoverage, 'state' | 'reason'>): string {
  if (state === 'unknown') return '[UNKNOWN]'
  return reason === undefined ? `[${state}]` : `[${state}: ${reason}]`
}

function explainField(segment: Segment, field: number, version: string): ExplainedField[] {
  const raw = rawField(segment, field)
  if (raw === '') return []
  const element = fieldElement(version, segment.name, field)
  const { delimiters, charset } = segment.message
  if (isDelimiterField(segment, field))
    return [{ field, repetition: 1, ...element, text: raw, components: [] }]
  return split(raw, delimiters.repetition).flatMap((text, index) => {
    if (text === '') return []
    const components = explainComponents(text, segment, version, element?.type)
    return [
      {
        field,
        repetition: index + 1,
        ...element,
        text: unescapeText(text, delimiters, charset),
        components: components.length === 1 && components[0]?.component === '1' ? [] : components,
      },
    ]
  })
}

function explainComponents(
  text: string,
  { message: { delimiters, charset } }: Segment,
  version: string,
  type = '',
): ExplainedComponent[] {
  return split(text, delimiters.component).flatMap((component, c) => {
    const element = componentElement(version, type, c + 1)
    const subs = split(component, delimiters.subcomponent)
    return subs.flatMap((sub, s) => {
      if (sub === '') return []
      const inner = subs.length > 1 ? componentElement(version, element?.type ?? '', s + 1) : undefined
      const name = [element?.name, inner?.name].filter(Boolean).join(', ')
      return [
        {
          component: s === 0 ? `${c + 1}` : `${c + 1}.${s + 1}`,
          ...(name ? { name } : {}),
          ...(element ? { type: inner?.type ?? element.type } : {}),
          text: unescapeText(sub, delimiters, charset),
        },
      ]
    })
  })
}

/** By the tree that mappings read; a message that has none (two patients) is told flat. */
function depthsOf(message: Message): Map<number, number> {
  const depths = new Map<number, number>()
  try {
    const tree = sourceTree(message)
    const visit = (segments: ReturnType<typeof segmentsUnder>, depth: number) => {
      for (const segment of segments) {
        depths.set(segment.at, depth)
        visit(segmentsUnder(segment), depth + 1)
      }
    }
    const patient = tree.PID ? [tree.PID] : []
    visit([tree.MSH, ...patient], 0)
    for (const order of tree.orders) {
      const owners = Object.values(order)
      for (const owner of owners) visit([owner], owner._ === 'ORC' || !order.ORC ? 0 : 1)
    }
  } catch {
    depths.clear()
  }
  return depths
}

function versionOf(message: Message): string {
  const [msh] = message.segments
  return msh ? value(msh, 12) : ''
}

function split(text: string, separator: string): string[] {
  return separator === '' ? [text] : text.split(separator)
}

import type { Flow } from '#core/flow.ts'
import type { SourceRepetition, SourceTree } from '#formats/hl7v2/source.ts'

/**
 * The id that a message is known by: the sender's own. HL7 v2 control ids are counted by the sending system and not by
 * the partner, who may be an interface engine that speaks for many: there it is `MSH-10@MSH-3/MSH-4` (I10).
 */
export function messageIdOf(flow: Flow, source: unknown): string {
  const id = flow.messageId(source)
  if (flow.door.kind !== 'hl7v2') return id
  // Every flow of that door reads its message as a tree.
  const { MSH } = source as Pick<SourceTree, 'MSH'>
  const [application, facility] = ['MSH_3', 'MSH_4'].map((name) => {
    const [sent] = (MSH[name] ?? []) as SourceRepetition[]
    return sent?._ ?? ''
  })
  return application || facility ? `${id}@${application}/${facility}` : id
}

import type { OrderLink } from '#core/flow.ts'
import type { SourceOrder, SourceRepetition } from '#formats/hl7v2/source.ts'
import { entityIdentifierOf, type Identifier } from './hl7v2-datatypes.ts'
import { fieldOf } from './hl7v2-source.ts'

/** Our own number for the order comes back in ORC-2; the pharmacy's stand in ORC-3, RXD-7 and RXE-15. */
export function orderLinkOf(facility: string, { ORC, RXD, RXE }: SourceOrder, index: number): OrderLink {
  const [placer] = fieldOf(ORC, 2)
  const [filler] = fieldOf(ORC, 3)
  const values = [placer?._1, fieldOf(RXD, 7)[0]?._1, fieldOf(RXE, 15)[0]?._1, filler?._1]
  return {
    slot: `order-${index}`,
    identifiers: [placer, filler].flatMap((number) => orderNumber(facility, number)),
    values: values.filter((value) => value !== undefined),
    place: `ORC[${index + 1}]-2`,
  }
}

/** EI; one whose universal id is a URI carries its system as it is, as we write it (gap_08). */
function orderNumber(facility: string, number: SourceRepetition | undefined): Identifier[] {
  if (!number?._1) return []
  if (number._4 === 'URI' && number._3) return [{ system: number._3, value: number._1 }]
  return [entityIdentifierOf(facility, number)].filter((each) => each !== undefined)
}

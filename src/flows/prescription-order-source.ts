import type { SourceTree } from '#formats/hl7v2/source.ts'

/** The message as its tree (formats/hl7v2/source), and what the tree alone does not say. */
export interface PrescriptionOrder extends SourceTree {
  /** IANA zone of times without offset. */
  timeZone: string
  /** MSH-4, of which our own identifier systems for this sender's numbers are made. */
  facility: string
}

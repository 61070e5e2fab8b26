/** What the rules look at in a prescribed item; a flow's own source has more. */
export interface PrescribedItem {
  dosage: readonly DosageStep[]
  repeats: number
}

export interface DosageStep {
  text: string
  structure?: DosageStructure | undefined
}

export interface DosageStructure {
  dose?: { value: string; unit: string; code?: string | undefined } | undefined
  timing?: DosageTiming | undefined
  asNeeded?: unknown
}

export interface DosageTiming {
  frequency?: number | undefined
  frequencyMax?: number | undefined
  period?: string | undefined
  periodUnit?: string | undefined
  timesOfDay?: readonly string[] | undefined
  when?: readonly string[] | undefined
}

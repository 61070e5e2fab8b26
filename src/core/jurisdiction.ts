/** Whose law says how long a record is kept; `none` where another system keeps it and this gateway need not. */
export const jurisdictions = ['us', 'england', 'de', 'none'] as const
export type Jurisdiction = (typeof jurisdictions)[number]

/** A search, parsed and authorized, as the store understands it. Criteria are ANDed; values of one are ORed. */
export interface SearchQuery {
  type: string
  criteria: Criterion[]
  /** First key wins; ties are broken by id. Default: `_lastUpdated` ascending. */
  sort?: { param: string; descending: boolean }
  /** How many rows to fetch at the most. */
  limit: number
  /** Keyset position: rows strictly after this one in sort order. */
  after?: Cursor
}

export type Criterion =
  /** Token or reference: canonical search values of the parameter (`system|code`, `|code`, `code`, `Patient/1`). */
  | { kind: 'token'; param: string; values: string[]; not?: boolean }
  /** Date ranges in milliseconds since the epoch: the row's [low, high] against a window, inclusive. */
  | { kind: 'date'; param: string; windows: DateWindow[] }
  | { kind: 'id'; values: string[] }

/** Rows match when low ≥ lowFrom, low ≤ lowTo, high ≥ highFrom and high ≤ highTo, as far as given. */
export interface DateWindow {
  lowFrom?: number
  lowTo?: number
  highFrom?: number
  highTo?: number
}

export interface Cursor {
  /** Sort value of the last row, milliseconds since the epoch. */
  key: number
  id: string
}

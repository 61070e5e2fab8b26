import type { Check } from './report.ts'
import type { SystemCodes } from './table.ts'

/** What a profile's constraints need to know of the rest. */
export interface Surroundings {
  resourceTypes: ReadonlySet<string>
  /** Whether a constraint is one of the base definitions', held there. */
  isBase(key: string, expression: string): boolean
  /** Codes of a value set, where it can be enumerated. */
  codes(valueSet: string): SystemCodes | undefined
  /** The constraints of a profile, when it is known. */
  profile(url: string): Check | undefined
  /** Type that a profile is on, when it is known. */
  typeOf(url: string): string | undefined
}

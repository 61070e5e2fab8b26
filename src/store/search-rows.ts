import { patientOf } from '#core/compartment.ts'
import type { Vault } from '#core/ports.ts'
import type { Identified } from '#core/resource.ts'
import { indexRows } from './index-rows.ts'
import type { SearchParameter } from './search-parameters.ts'

/** Search rows as they stand in the database; `params` are the names, `Type.param`, of the dates among them. */
export interface SearchRows {
  hashes: Uint8Array[]
  dates: { param: string; low: number; high: number }[]
  params: string[]
}

/** The owner whose key seals a resource: its patient, else the clinic. */
export function ownerOf(resource: Identified): string {
  return patientOf(resource) ?? 'clinic'
}

/** The search rows of a version, by the parameters given, else by all of its type. */
export async function searchRows(
  resource: Identified,
  vault: Vault,
  parameters?: readonly SearchParameter[],
): Promise<SearchRows> {
  const type = resource.resourceType
  const { tokens, dates } = indexRows(resource, parameters)
  const box = tokens.some((row) => row.perPatient) ? await vault.box(ownerOf(resource)) : undefined
  const hashes = tokens.map((row) => {
    const field = `${type}.${row.param}`
    return row.perPatient && box ? box.index(field, row.value) : vault.index(field, row.value)
  })
  const named = dates.map(({ param, low, high }) => ({ param: `${type}.${param}`, low, high }))
  return { hashes, dates: named, params: [...new Set(named.map((row) => row.param))] }
}

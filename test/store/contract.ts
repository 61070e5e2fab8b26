import { describe } from 'vitest'
import { commitClaims } from './commit-claims.ts'
import { deliveryClaims } from './delivery-claims.ts'
import { exportClaims } from './export-claims.ts'
import { ledgerClaims } from './ledger-claims.ts'
import { logClaims } from './log-claims.ts'
import { reindexClaims } from './reindex-claims.ts'
import { sealClaims } from './seal-claims.ts'
import { searchClaims } from './search-claims.ts'
import { sessionClaims } from './session-claims.ts'
import { subscriptionClaims } from './subscription-claims.ts'
import type { WithStore } from './units.ts'

/** What every database must hold to be a store of this house (S1). */
export function storeContract(name: string, withStore: WithStore): void {
  describe(`the store on ${name}`, () => {
    commitClaims(withStore)
    searchClaims(withStore)
    reindexClaims(withStore)
    logClaims(withStore)
    ledgerClaims(withStore)
    deliveryClaims(withStore)
    exportClaims(withStore)
    subscriptionClaims(withStore)
    sessionClaims(withStore)
    sealClaims(withStore)
  })
}

import { registerClient } from '#auth/clients.ts'
import type { Caller } from '#core/caller.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import type { Gateway } from '#gateway.ts'
import { registerDestination } from '#outbound/destinations.ts'
import type { ClinicSettings } from './settings.ts'

/** Who the log names for what the deployment's settings register. */
const deployment: Caller = {
  clientId: 'deployment',
  name: 'Deployment settings',
  role: 'operator',
  scopes: [],
  actors: [],
  purpose: 'HSYSADMIN',
  grants: [],
}

/**
 * Registers the clients and destinations of the settings. Asked only when the settings changed: what is no longer in
 * them stays registered until it is set to `"active": false`.
 */
export async function registerAll(
  { clients, destinations }: Pick<ClinicSettings, 'clients' | 'destinations'>,
  { store, gateway, clock, ids }: { store: Store; gateway: Gateway; clock: Clock; ids: Ids },
): Promise<void> {
  for (const client of clients) {
    await registerClient(store, gateway.audit, client, {
      requestId: ids.random(),
      at: clock.now(),
      caller: deployment,
    })
  }
  for (const destination of destinations) {
    await registerDestination({ store, audit: gateway.audit, clock, ids }, destination, deployment)
  }
}

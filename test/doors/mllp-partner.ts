import { registerClient } from '#auth/clients.ts'
import { systemPorts } from '../../src/node.ts'
import { type MllpSocket, openMllp } from './mllp-socket.ts'
import type { Scene } from './scene.ts'

/** Registers a partner of the MLLP door, known by an address of this machine's own, and connects it. */
export async function openPartner(
  { clinic }: Scene,
  name: string,
  { role, organization, address }: { role: string; organization: string; address: string },
): Promise<MllpSocket> {
  await registerClient(
    clinic.store,
    clinic.gateway.audit,
    {
      id: `${name}-mllp`,
      name,
      role,
      organization,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: role === 'ehr' ? ['order-source'] : [],
      jwks: { keys: [] },
      active: true,
      hl7v2: { addresses: [address], timeZone: 'America/Chicago' },
    },
    { requestId: 'test-setup', at: systemPorts.clock.now() },
  )
  return openMllp(clinic.mllpPort ?? 0, address)
}

import { type Pharmacy, startPharmacy } from '../peers/pharmacy.ts'
import type { Scene } from './scene.ts'

/** The pharmacy of the scene as one that listens: every prescription for it goes there over MLLP. Close it at the end. */
export async function openMainStreet(scene: Scene): Promise<Pharmacy> {
  const peer = await startPharmacy()
  await scene.destination({
    id: 'main-street',
    name: 'Main Street Pharmacy',
    role: 'pharmacy',
    organization: scene.organizations.mainStreet,
    purpose: 'TREAT',
    channel: {
      kind: 'mllp',
      host: peer.host,
      port: peer.port,
      sending: { application: 'POSTERN', facility: 'TEST' },
      receiving: { application: 'DISPENSE', facility: 'MAIN' },
    },
  })
  return peer
}

// A gateway over a folder that stands (volume.ts), a process of its own: `node volume-server.ts <folder>`.
import { openClinic } from '../open-clinic.ts'
import { organization } from './made-acts.ts'
import type { Ask, Told } from './server-process.ts'
import { clinicName } from './volume.ts'

const [, , folder = ''] = process.argv
const clinic = await openClinic({ POSTERN_CLINIC: clinicName, POSTERN_CLIENT_RATE: '1000000' }, folder)
const ehr = await clinic.client({
  id: 'ehr',
  role: 'ehr',
  organization,
  scopes: ['system/*.rs'],
  purposes: ['TREAT'],
  grants: [],
})
const tell = (told: Told) => process.send?.(told)
tell({ gateway: clinic.baseUrl })

process.on('message', async (ask: Ask) => {
  if (ask === 'cpu') tell(process.cpuUsage())
  if (ask === 'tokens') tell({ ehr: await ehr.token() })
  if (ask === 'memory')
    tell({ rssBytes: process.memoryUsage.rss(), peakBytes: process.resourceUsage().maxRSS * 1024 })
  if (ask === 'close') {
    await clinic.stop()
    process.disconnect()
  }
})

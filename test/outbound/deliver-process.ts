// A process of its own that delivers from the store in a folder until it is killed: folder, then the time of its clock.
import { openOutbox } from './open-outbox.ts'

const [, , folder, start] = process.argv
const outbox = await openOutbox(folder, Number(start))
outbox.deliverer({ leaseMs: 60_000 }).start()
setInterval(() => {}, 60_000)

// A process of its own that writes messages of one patient, two at once, until it is killed: folder, then its name.
import { openStore } from '../open-store.ts'
import { created, message, unitOf } from './units.ts'

const [, , folder, name] = process.argv
const { store } = await openStore(folder)
for (let number = 0; ; number++) {
  const writes = ['a', 'b'].map((half) => created(message('1'), `${name}-${number}-${half}`))
  await Promise.all(writes.map((write) => store.commit(unitOf(write))))
  process.stdout.write(`${writes.map(({ resource }) => resource.id).join('\n')}\n`)
}

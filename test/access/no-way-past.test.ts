import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Communication } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Access, Decision } from '#core/decision.ts'
import { versioned } from '#core/resource.ts'
import { routes } from '#fhir/routes.ts'
import { openFhir } from '../fhir/open-fhir.ts'

/**
 * ACC9: which files may ask the store for resources, why, and the words in them that show that what they found was
 * decided before anybody saw it. A file that is not here may not; a row that no file needs any more must go.
 */
const mayQuery: readonly { files: RegExp; decides: RegExp; because: string }[] = [
  {
    files: /^src\/fhir\/show\.ts$/,
    decides: /access\.decide\(/,
    because: 'the one place of the FHIR room where a stored version becomes something to show',
  },
  {
    files: /^src\/fhir\/definitions\/with-definitions\.ts$/,
    decides: /withDefinitions\(store/,
    because: 'is a store itself, with definitions in it: what is asked of it is decided by who asks it',
  },
  {
    files: /^src\/fhir\/subscription\/end\.ts$/,
    decides: /status: 'off'/,
    because: 'turns off subscriptions whose end has come, and shows them to nobody',
  },
  {
    files: /^src\/fhir\/report-event\.ts$/,
    decides: /access\.decide\(/,
    because: 'looks whose the resources are that a reported event names, and shows none of them',
  },
  {
    files: /^src\/fhir\//,
    decides: /\b(?:requireVisible|findVisible|requireDeletedVisible|findEarlier|requireEarlier)\(/,
    because: 'an interaction, which shows what it found by show.ts only',
  },
  {
    files: /^src\/access\/explain\.ts$/,
    decides: /access\.decide\(/,
    because: 'tells what authorize would say, and hands on no content',
  },
  {
    files: /^src\/access\/(?:relation|patient-context|same-person|security-context)\.ts$/,
    decides: /isTreating|createPatientContexts|recordsOfPerson|wholeOf/,
    because: 'part of authorize itself: consents, care teams and dealings are what it decides by',
  },
  {
    files: /^src\/care\//,
    decides: /CarePorts/,
    because:
      'rules of care: what a write that was decided already refers to or changes along with it; shows nothing',
  },
  {
    files: /^src\/audit\/accounting\.ts$/,
    decides: /type: 'AuditEvent'/,
    because: 'AuditEvents only, which are an office’s by role: audit-routes asks the gate for them first',
  },
  {
    files: /^src\/audit\/watch\.ts$/,
    decides: /read\('Task', taskId\)/,
    because: 'looks whether an alert of its own stands already, before it makes it',
  },
  {
    files: /^src\/outbound\/parcel\.ts$/,
    decides: /access\.decide\(/,
    because: 'what leaves is decided for its destination, at the moment it leaves',
  },
  {
    files: /^src\/outbound\/subscriber\.ts$/,
    decides: /subscriberOf\(/,
    because: 'the Subscription itself, which says whom it is of: its client is the one that is sent to',
  },
  {
    files: /^src\/auth\/break-glass\.ts$/,
    decides: /readGlassRequest/,
    because:
      'whether there is such a patient, for those few who may break the glass; puts the alert on record',
  },
  {
    files: /^src\/auth\/apps\/launch\.ts$/,
    decides: /access\.decide\(/,
    because: 'whether who starts an app may read the record that it is started about; shows nothing of it',
  },
  {
    files: /^src\/auth\/person\.ts$/,
    decides: /active === false/,
    because:
      'whether the person of a token has a record here; nothing of it is shown but the name, to the log',
  },
  {
    files: /^src\/intake\/orders\.ts$/,
    decides: /mayName\(/,
    because:
      'finds the order a message speaks of: its own patient’s, for a pharmacy its own, to ask something one its sender may read; shows nothing of it',
  },
  {
    files: /^src\/intake\/earlier\.ts$/,
    decides: /owner !== patient/,
    because: 'finds what its sender told of before, about the same patient; shows nothing of it',
  },
  {
    files: /^src\/intake\/shared-earlier\.ts$/,
    decides: /access\.decide\(/,
    because: 'finds what an answer answers, where its sender is a party of it; shows nothing of it',
  },
  {
    files: /^src\/intake\/place\.ts$/,
    decides: /access\.decide\(/,
    because: 'reads what a message is to change, which is decided as an update of both versions',
  },
  {
    files: /^src\/intake\/held-message\.ts$/,
    decides: /served by no door/,
    because:
      'reads the messages that wait for a code, which intake kept itself; tells their codes without whose they are',
  },
  {
    files: /^src\/intake\/unknown-patients\.ts$/,
    decides: /intake\.takeUp\(/,
    because:
      'gives the record an office names the number it says; shows numbers, and no record, to who passed the gate',
  },
  {
    files: /^src\/intake\/sent-message\.ts$/,
    decides: /outcomeText: 'message as it was sent'/,
    because: 'gives the command line, whose office holds the keys, a message as it came, and tells the log',
  },
  {
    files: /^src\/intake\/patient-identity\.ts$/,
    decides: /belongsToAnother/,
    because:
      'compares whom a message names with the record its number leads to: tells that they differ, never how',
  },
  {
    files: /^src\/intake\/parties\.ts$/,
    decides: /references\[party\.slot\]/,
    because:
      'finds whom a message names by identifier, and gives back the reference that its sender is writing to',
  },
]

/** Files that may hold a store at all: each is handed it by the gateway or an entry, nothing else can reach one. */
const mayHold: Record<string, string> = {
  'src/access/': 'decides by consents and care teams',
  'src/audit/': 'reads the log, which holds no resources',
  'src/auth/': 'registrations and one-time values',
  'src/fhir/': 'serves resources, by show.ts',
  'src/inbound/health-routes.ts': 'asks whether the database answers',
  'src/inbound/access-routes.ts': 'hands it to explain',
  'src/inbound/audit-routes.ts': 'hands it to the accounting, behind the gate',
  'src/intake/': 'commits what comes in',
  'src/outbound/': 'claims, packs and settles deliveries',
  'src/care/': 'what the rules of care must know of what stands already',
  'src/core/': 'says what a store is',
  'src/store/': 'is it',
  'src/gateway.ts': 'builds the clinic',
  'src/node.ts': 'picks the database',
  'src/worker': 'picks the database',
  'src/cli': 'works on the clinic of a folder',
}

const root = join(import.meta.dirname, '../..')
const sources = new Map(
  globSync('src/**/*.ts', { cwd: root }).map((file) => [file, readFileSync(join(root, file), 'utf8')]),
)

const call = /\bstore\s*\??\.\s*(?:read|readVersion|history|search|changes|snapshot)\b/
const takenApart =
  /\{[^{}]*\b(?:read|readVersion|history|search|changes|snapshot)\b[^{}]*\}\s*=\s*[\w.]*\bstore\b/

function queries(text: string): boolean {
  return call.test(text) || takenApart.test(text)
}

describe('no query gets past authorize', () => {
  const asking = [...sources].filter(([file, text]) => !file.startsWith('src/store/') && queries(text))

  it('only files that are listed here ask the store for resources', () => {
    const unknown = asking.filter(([file]) => !mayQuery.some(({ files }) => files.test(file)))
    expect(unknown.map(([file]) => file)).toEqual([])
  })

  it('each of them decides what it found', () => {
    const undecided = asking.filter(([file, text]) => {
      const row = mayQuery.find(({ files }) => files.test(file))
      return row && !row.decides.test(text)
    })
    expect(undecided.map(([file]) => file)).toEqual([])
  })

  it('and only files that are listed here hold a store', () => {
    const holding = [...sources].filter(([, text]) =>
      /\b(?:Store|createStore)\b[^'\n]*\}\s*from '/.test(text),
    )
    const unknown = holding.filter(([file]) => !Object.keys(mayHold).some((place) => file.startsWith(place)))
    expect(unknown.map(([file]) => file)).toEqual([])
  })

  it('lists nothing that is not there', () => {
    const files = asking.map(([file]) => file)
    const idle = mayQuery.filter((row) => !files.some((file) => row.files.test(file)))
    expect(idle.map(({ because }) => because)).toEqual([])
  })

  it('would notice a query that is written another way', () => {
    for (const text of [
      'ports.store\n  .search(query)',
      'const { read, commit } = call.ports.store',
      'await store.snapshot(query)',
      'store?.history(',
    ]) {
      expect(queries(text), text).toBe(true)
    }
  })
})

describe('when authorize refuses everything that is stored', () => {
  const rules = 'test'
  const decision = (permit: boolean): Decision => ({ permit, reasons: [], consents: [], rules })
  const access = (): Access => ({
    gate: () => decision(true),
    decide: async () => decision(false),
    redact: (_, resource) => resource,
    recordsOf: async (patient) => [patient],
  })

  it('no route of the FHIR door shows a stored word, or differs from there being nothing', async () => {
    const open = await openFhir({ access })
    const at = Date.parse('2026-03-01T08:00:00Z')
    const message = {
      resourceType: 'Communication',
      status: 'completed',
      subject: { reference: 'Patient/canary' },
      payload: [{ contentString: 'canary' }],
    } as Communication
    await open.store.commit({
      audit: [],
      writes: [{ resource: versioned(message, 'there', 1, at), version: 1, updated: at }],
    })
    for (const { method, path, kind } of routes) {
      if (kind === 'create') continue
      const ask = async (id: string) => {
        const parts = { '[type]': 'Communication', '[id]': id, '[version]': '1' } as Record<string, string>
        const url = path.map((part) => parts[part] ?? part).join('/')
        const body = method === 'PUT' ? { ...message, id } : undefined
        const headers: Record<string, string> = method === 'PUT' ? { 'if-match': 'W/"1"' } : {}
        if (path.includes('_search')) headers['content-type'] = 'application/x-www-form-urlencoded'
        const { status, json } = await open.ask(method, url, { body, headers })
        return { status, issue: json?.issue, entry: json?.entry, total: json?.total }
      }
      const answer = await ask('there')
      expect(JSON.stringify(answer), `${method} ${path.join('/')}`).not.toContain('canary')
      expect(answer, `${method} ${path.join('/')}`).toEqual(await ask('never-was'))
    }
    await open.close()
  })
})

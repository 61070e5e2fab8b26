// The Node entry: builds a clinic on SQLite and a file keyring, and opens its doors.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { createLeafMaker } from '#audit/leaf.ts'
import { createSigner, generateSigningKey } from '#audit/note.ts'
import { findHl7v2Peer, peerCaller } from '#auth/peers.ts'
import { lateMessageMs } from '#care/late-message.ts'
import type { Config, MllpTlsFiles } from '#config.ts'
import { Failure } from '#core/failure.ts'
import type { Keyring, KeyStore, Store } from '#core/ports.ts'
import { careUpkeepMs, createGateway, type Gateway } from '#gateway.ts'
import { clientAddress } from '#inbound/forwarded.ts'
import { startMllp } from '#inbound/mllp.ts'
import { createMllpDoor } from '#inbound/mllp-door.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { postCheckpoint } from '#outbound/anchor.ts'
import { createChannels } from '#outbound/channels.ts'
import { createMllpClient } from '#outbound/mllp-client.ts'
import { openSqlite } from '#store/sqlite.ts'
import { createStore } from '#store/store.ts'
import { openFileKeyring } from '#vault/file-keyring.ts'
import { readKeyring } from '#vault/keyring-text.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createVault } from '#vault/vault.ts'

const home = join(import.meta.dirname, '..')

/** Time and randomness of the machine. */
export const systemPorts = {
  clock: { now: () => Date.now() },
  ids: { random: () => crypto.randomUUID() as string },
}

export interface OpenClinic {
  gateway: Gateway
  store: Store
  keyring: Keyring
  keys: KeyStore
  /** SQLite file that the store stands in. */
  file: string
  /** Key that checks the log's checkpoints, in C2SP vkey form. */
  vkey: string
  /** Signs a note with that key: what the clinic gives out can be known again. */
  sign(text: string): string
  /** Checkpoints kept outside of the database. */
  anchored(): string[]
  close(): Promise<void>
}

/** Opens the clinic's folder, making it on first use; nothing listens yet. */
export async function openClinic(config: Config, baseUrl: string): Promise<OpenClinic> {
  mkdirSync(config.data, { recursive: true, mode: 0o700 })
  mkdirSync(config.keyring, { recursive: true, mode: 0o700 })
  const keyring = config.keyringJson
    ? readKeyring(config.keyringJson, 'POSTERN_KEYRING_JSON')
    : openFileKeyring(config.keyring)
  const keys = openSqliteKeyStore(join(config.keyring, 'keys.db'))
  const vault = await createVault({ clinic: config.clinic, keyring, keys })
  const file = join(config.data, 'data.db')
  const store = createStore({
    driver: openSqlite(file),
    vault,
    leaves: createLeafMaker(),
  })
  const signer = createSigner(`postern/${config.clinic}`, checkpointKey(config))
  const anchorFile = join(config.keyring, 'checkpoints.txt')
  const { clock, ids } = systemPorts
  const mllp = createMllpClient()
  const artifacts = readArtifacts(home)
  const gateway = await createGateway(
    {
      store,
      vault,
      artifacts,
      clock,
      ids,
      signer,
      anchor: async (note) => {
        appendFileSync(anchorFile, `${note}\f\n`, { mode: 0o600 })
        if (config.anchorUrl) await postCheckpoint(config.anchorUrl, note)
      },
      channels: createChannels({ clock, ids, sendMllp: mllp.send, profiles: artifacts.profiles }),
      onFault: (fault, requestId) => process.stderr.write(`${requestId} ${faultName(fault)}\n`),
    },
    {
      clinic: config.clinic,
      baseUrl,
      timeZone: config.timeZone,
      clientRate: config.clientRate,
      retention: config.retention,
    },
  )
  return {
    gateway,
    store,
    keyring,
    keys,
    file,
    vkey: signer.vkey,
    sign: signer.sign,
    anchored: () =>
      existsSync(anchorFile) ? readFileSync(anchorFile, 'utf8').split('\f\n').filter(Boolean) : [],
    close: async () => {
      await gateway.resumption.stop()
      await gateway.deliverer.stop()
      mllp.close()
      await gateway.exporter.stop()
      await gateway.gatherer.stop()
      try {
        await gateway.log.checkpoint().catch(unlessUnavailable)
      } finally {
        await store.close()
        keys.close()
      }
    },
  }
}

export interface RunningClinic extends OpenClinic {
  baseUrl: string
  mllpPort?: number
}

/** Opens the clinic and its doors: HTTP, MLLP where a port is set, deliveries, checkpoints. */
export async function startClinic(config: Config): Promise<RunningClinic> {
  const port = config.port === 0 ? await freePort(config.host) : config.port
  const baseUrl = config.baseUrl ?? `http://${config.host}:${port}`
  const clinic = await openClinic(config, baseUrl)
  const { gateway, store } = clinic
  const server = serve({
    hostname: config.host,
    port,
    fetch: (request, { incoming }) => {
      const forwarded = request.headers.get('x-forwarded-for') ?? undefined
      const network = clientAddress(incoming.socket.remoteAddress, forwarded, config.proxies)
      return gateway.http.fetch(request, network ? { network } : {})
    },
  })
  const mllp =
    config.mllpPort === undefined ? undefined : await startMllpDoor(config, clinic, config.mllpPort)
  gateway.deliverer.start()
  gateway.exporter.start()
  gateway.gatherer.start()
  const failed = (fault: unknown) => process.stderr.write(`upkeep ${faultName(fault)}\n`)
  let telling: Promise<unknown> = Promise.resolve()
  const late = setInterval(() => {
    telling = telling.then(() => gateway.lateMessages()).catch(failed)
  }, lateMessageMs)
  let watching: Promise<unknown> = Promise.resolve()
  const upkeep = setInterval(() => {
    watching = watching.then(() => gateway.watch()).catch(failed)
    gateway.log.checkpoint().catch(failed)
    store.sweep(Date.now()).catch(failed)
  }, config.checkpointMs)
  const indexing = catchUp(store, failed)
  // One round at a time: a new one waits for the one before, and closing for the last.
  let caring: Promise<unknown> = indexing.done.then(() => gateway.upkeep()).catch(failed)
  const care = setInterval(() => {
    caring = caring.then(() => gateway.upkeep()).catch(failed)
  }, careUpkeepMs)
  return {
    ...clinic,
    baseUrl,
    ...(mllp ? { mllpPort: mllp.port } : {}),
    async close() {
      clearInterval(upkeep)
      clearInterval(care)
      clearInterval(late)
      await indexing.stop()
      await caring
      await telling
      await watching
      await mllp?.close()
      await new Promise((resolve) => server.close(resolve))
      await clinic.close()
    },
  }
}

/** Resources that are indexed anew, or get their entries, at once, and how long requests come first then. */
const reindexBatch = 100
const reindexPauseMs = 50

/** Builds what an earlier release left behind, entries of ledgers and search rows, a little at a time. */
function catchUp(store: Store, failed: (fault: unknown) => void) {
  const stopped = new AbortController()
  const run = async () => {
    while (!stopped.signal.aborted && (await store.completeLedgers(reindexBatch))) {
      await new Promise((resolve) => setTimeout(resolve, reindexPauseMs))
    }
    while (!stopped.signal.aborted && (await store.reindex(reindexBatch)).parameters.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, reindexPauseMs))
    }
  }
  const done = run().catch(failed)
  return {
    done,
    stop: () => {
      stopped.abort()
      return done
    },
  }
}

function startMllpDoor(config: Config, { gateway, store }: OpenClinic, port: number) {
  const { hl7v2, tell } = gateway
  const onFault = (fault: unknown) => process.stderr.write(`mllp ${faultName(fault)}\n`)
  return startMllp<string>({
    host: config.host,
    port,
    ...(config.mllpTls ? { tls: readTls(config.mllpTls) } : {}),
    ...createMllpDoor({
      findPeer: async (remote) => (await findHl7v2Peer(store, remote))?.id,
      findCaller: (peer, remote) => peerCaller(store, peer, remote),
      hl7v2,
      tell,
      timeZone: config.timeZone,
      onFault,
    }),
    own: { controlId: () => crypto.randomUUID().replaceAll('-', '').slice(0, 20), now: () => Date.now() },
  })
}

function readTls({ cert, key, ca }: MllpTlsFiles) {
  return { cert: readFileSync(cert), key: readFileSync(key), ...(ca ? { ca: readFileSync(ca) } : {}) }
}

/** The key that signs checkpoints stands beside the keyring, where the database's owner need not reach. */
function checkpointKey(config: Config): string {
  const file = join(config.keyring, 'checkpoint-key.pem')
  if (!existsSync(file)) {
    writeFileSync(file, generateSigningKey(`postern/${config.clinic}`).privateKey, {
      mode: 0o600,
      flag: 'wx',
    })
  }
  return readFileSync(file, 'utf8')
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, host, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/** A checkpoint that cannot be taken outside now is taken by the next process. */
function unlessUnavailable(fault: unknown): void {
  if (!(fault instanceof Failure && fault.kind === 'unavailable')) throw fault
  process.stderr.write(`checkpoint ${faultName(fault)}\n`)
}

/** What may be said of a fault in a log: its kind and place, never its words, which may hold data. */
function faultName(fault: unknown): string {
  if (!(fault instanceof Error)) return 'unknown fault'
  const cause = fault.cause instanceof Error ? ` < ${fault.cause.name}` : ''
  const place =
    fault.stack
      ?.split('\n')
      .find((line) => line.includes('/src/'))
      ?.trim() ?? ''
  return `${fault.name}${fault instanceof Failure ? ` ${fault.kind}` : ''}${cause} ${place}`
}

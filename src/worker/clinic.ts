import { DurableObject, type ObjectNamespace } from 'cloudflare:workers'
import { createLeafMaker } from '#audit/leaf.ts'
import { createSigner } from '#audit/note.ts'
import { lateMessageMs } from '#care/late-message.ts'
import { Failure } from '#core/failure.ts'
import { isEvidenceType } from '#core/ledger.ts'
import type { KeyStore, Store, Vault } from '#core/ports.ts'
import { careUpkeepMs, createGateway, type Gateway } from '#gateway.ts'
import { createChannels } from '#outbound/channels.ts'
import type { Deliverer } from '#outbound/deliver.ts'
import { openDurableObject } from '#store/durable-object.ts'
import { createStore } from '#store/store.ts'
import { createVault } from '#vault/vault.ts'
import { bundledArtifacts } from '../worker-artifacts.ts'
import { registerAll } from './bootstrap.ts'
import type { KeyVault } from './key-vault.ts'
import { type ClinicSettings, readSettings } from './settings.ts'

export interface WorkerEnv {
  CLINIC: ObjectNamespace<{ fetch(request: Request): Promise<Response> }>
  KEY_VAULT: ObjectNamespace<Pick<KeyVault, keyof KeyStore | 'anchor' | 'anchored'>>
}

export interface OpenClinic {
  gateway: Gateway
  store: Store
  vault: Vault
  /** Key that checks the log's checkpoints, in C2SP vkey form. */
  vkey: string
}

/** How long after an act the log gets its checkpoint, at the latest. */
const checkpointMs = 60_000
/** Deliveries taken up one after another by one alarm; the next alarm goes on. */
const maxRounds = 50

/** Resources that are indexed anew in one round, after a change of search parameters. */
const reindexBatch = 100

const clock = { now: () => Date.now() }
const ids = { random: () => crypto.randomUUID() as string }

/**
 * One clinic: its whole gateway, over the SQLite of this object. The Worker sends it every request for the clinic's
 * host; the alarm delivers, signs checkpoints and forgets what expired.
 */
export class Clinic extends DurableObject<WorkerEnv> {
  #opening: Promise<OpenClinic> | undefined
  #armed = Number.POSITIVE_INFINITY
  /** When orders and Tasks were last looked at for what time does to them. */
  #cared = 0

  async fetch(request: Request): Promise<Response> {
    const { gateway } = await this.opened(new URL(request.url).host)
    const network = request.headers.get('cf-connecting-ip')
    const response = await gateway.http.fetch(request, network ? { network } : {})
    // A body that nobody read would break the stream it comes in by.
    if (request.body && !request.bodyUsed) await request.body.cancel()
    return response
  }

  async alarm(): Promise<void> {
    this.#armed = Number.POSITIVE_INFINITY
    try {
      const { gateway, store } = await this.opened()
      let rounds = 0
      // What an answer took up before this object was put away goes out with this alarm.
      await gateway.resumption.run()
      const heartbeat = await gateway.gatherer.run()
      while (rounds < maxRounds && (await gateway.deliverer.run()) > 0) rounds += 1
      while (rounds < maxRounds && (await gateway.exporter.run()) > 0) rounds += 1
      let incomplete = true
      while (incomplete && rounds < maxRounds) {
        incomplete = await store.completeLedgers(reindexBatch)
        if (incomplete) rounds += 1
      }
      if (incomplete) await this.#arm(clock.now())
      let { parameters } = await store.reindexLeft()
      while (rounds < maxRounds && parameters.length > 0) {
        rounds += 1
        parameters = (await store.reindex(reindexBatch)).parameters
      }
      if (parameters.length > 0) await this.#arm(clock.now())
      await gateway.lateMessages()
      await gateway.watch()
      await gateway.log.checkpoint()
      await store.sweep(clock.now())
      if (clock.now() - this.#cared >= careUpkeepMs) {
        this.#cared = clock.now()
        await gateway.upkeep()
      }
      await this.#armNext(store, gateway.deliverer)
      if (heartbeat !== undefined) await this.#arm(heartbeat)
    } catch (fault) {
      report('alarm', fault)
      // An alarm that keeps throwing is given up by the platform; this one comes again.
      await this.#arm(clock.now() + checkpointMs)
    }
  }

  /** The clinic, opened on first use; a failure to open is not remembered. */
  opened(host?: string): Promise<OpenClinic> {
    this.#opening ??= this.#open(host).catch((fault) => {
      this.#opening = undefined
      throw fault
    })
    return this.#opening
  }

  async #open(given: string | undefined): Promise<OpenClinic> {
    const { storage } = this.ctx
    const host = given ?? (await storage.get<string>('host'))
    const settings = readSettings(this.env)
    const own = settings.clinics.get(host ?? '')
    if (!host || !own) throw new Failure('not-found', 'There is no clinic at this address')
    await storage.put('host', host)
    // The alarm outlives this object's memory, and a later one set now would push it back.
    this.#armed = (await storage.getAlarm()) ?? Number.POSITIVE_INFINITY

    const keys = this.env.KEY_VAULT.get(this.env.KEY_VAULT.idFromName(own.clinic))
    const vault = await createVault({ clinic: own.clinic, keyring: settings.keyring, keys })
    const store = createStore({ driver: openDurableObject(storage), vault, leaves: createLeafMaker() })
    const signer = createSigner(`postern/${own.clinic}`, settings.checkpointKey)
    const gateway = await createGateway(
      {
        store,
        vault,
        artifacts: bundledArtifacts,
        clock,
        ids,
        signer,
        anchor: (note) => keys.anchor(note),
        channels: createChannels({ clock, ids }),
        onFault: (fault, requestId) => report(requestId, fault),
      },
      { clinic: own.clinic, baseUrl: own.baseUrl, timeZone: own.timeZone },
    )
    store.onCommit((unit) => {
      const begun = unit.exports?.find(({ state }) => state === 'preparing')
      const isToSend = unit.deliveries?.length || unit.releases?.length
      const at = isToSend ? clock.now() : (begun?.lease ?? clock.now() + checkpointMs)
      this.ctx.waitUntil(this.#arm(at))
      const isEvident = unit.writes?.some(({ resource }) => isEvidenceType(resource.resourceType))
      if (isEvident) this.ctx.waitUntil(this.#arm(clock.now() + lateMessageMs))
      if (unit.writes?.length) this.ctx.waitUntil(this.#armForSubscribers(store))
    })
    const opened = { gateway, store, vault, vkey: signer.vkey }
    await this.#bootstrap(own, opened)
    return opened
  }

  /** Registers what the settings name, once for each change of them. */
  async #bootstrap(
    { clients, destinations }: ClinicSettings,
    { gateway, store, vault }: OpenClinic,
  ): Promise<void> {
    const mark = vault.mac('bootstrap', JSON.stringify({ clients, destinations })).join()
    if ((await this.ctx.storage.get<string>('bootstrap')) === mark) return
    await registerAll({ clients, destinations }, { store, gateway, clock, ids })
    await this.ctx.storage.put('bootstrap', mark)
  }

  async #armNext(store: Store, deliverer: Deliverer): Promise<void> {
    const [delivery, begun, size, checkpoint] = await Promise.all([
      deliverer.next(),
      store.nextExport(),
      store.logSize(),
      store.lastCheckpoint(),
    ])
    await this.#arm(this.#cared + careUpkeepMs)
    if (delivery !== undefined) await this.#arm(delivery)
    if (begun !== undefined) await this.#arm(begun)
    if (size > (checkpoint?.size ?? 0)) await this.#arm(clock.now() + checkpointMs)
  }

  /** What was written is looked at for those who are subscribed. */
  async #armForSubscribers(store: Store): Promise<void> {
    if ((await store.liveSubscriptions()).length > 0) await this.#arm(clock.now())
  }

  /** Of all times asked for, the earliest stands. */
  async #arm(at: number): Promise<void> {
    if (at >= this.#armed) return
    this.#armed = at
    await this.ctx.storage.setAlarm(at)
  }
}

/** What may be said of a fault in a log: its kind and place, never its words, which may hold data. */
function report(where: string, fault: unknown): void {
  const name =
    fault instanceof Failure ? `Failure ${fault.kind}` : fault instanceof Error ? fault.name : 'fault'
  const frames = fault instanceof Error ? (fault.stack ?? '').split('\n') : []
  console.error(where, name, frames.find((line) => /^\s+at /.test(line))?.trim() ?? '')
}

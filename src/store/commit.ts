import type { AuditEntry } from '#core/act.ts'
import {
  type CommitUnit,
  type NewDelivery,
  type NewReceipt,
  type Release,
  type ResourceWrite,
  type Settlement,
  unmappedCode,
} from '#core/commit.ts'
import type { LeafMaker, Vault } from '#core/ports.ts'
import * as deliveries from './delivery-statements.ts'
import type { Statement } from './driver.ts'
import { exportStatements, toldStatements } from './exports.ts'
import { entryStatements, evidenceStatements } from './ledger.ts'
import { deleteLate, expectVersion } from './ledger-statements.ts'
import type { SearchIndex } from './search-index.ts'
import { ownerOf, searchRows } from './search-rows.ts'
import { sessionStatements } from './sessions.ts'
import * as statements from './statements.ts'
import { eventStatements, liveStatements, seenStatements } from './subscriptions.ts'
import { insertTokens } from './token-rows.ts'

export interface Sealing {
  vault: Vault
  leaves: LeafMaker
  index: SearchIndex
}

/** Seals everything in a unit and writes it down as statements: guards first, so that a loser does little work. */
export async function compileUnit(unit: CommitUnit, sealing: Sealing): Promise<Statement[]> {
  const parts = await Promise.all([
    ...(unit.nonces ?? []).map(({ issuer, value, expires }) => [
      guarded(
        'nonce',
        statements.insertNonce.bind({ key: sealing.vault.mac('nonce', issuer, value), expires }),
      ),
    ]),
    ...(unit.remembered ?? []).map(({ issuer, value, expires }) => [
      statements.rememberNonce.bind({ key: sealing.vault.mac('nonce', issuer, value), expires }),
    ]),
    ...(unit.expects ?? []).map((each) => [guarded('version', expectVersion.bind({ ...each }))]),
    ...(unit.ledger ?? []).map((each) => entryStatements(each, sealing.vault)),
    ...(unit.lateSeen === undefined ? [] : [[deleteLate.bind({ seq: unit.lateSeen })]]),
    ...(unit.receipt ? [receipt(unit.receipt, sealing)] : []),
    ...(unit.settlements ?? []).map(settlement),
    ...(unit.exports ?? []).map((each) => exportStatements(each, sealing.vault)),
    ...(unit.events ?? []).map((each) => eventStatements(each, sealing.vault)),
    ...(unit.sessions ?? []).map((each) => sessionStatements(each, sealing.vault)),
    ...(unit.changesSeen === undefined ? [] : [seenStatements(unit.changesSeen)]),
    ...(unit.writes ?? []).map(liveStatements),
    ...(unit.told ? [toldStatements(unit.told, sealing.vault)] : []),
    ...(unit.writes ?? []).map((write) => resource(write, sealing)),
    ...(unit.deliveries ?? []).map((each) => delivery(each, unit, sealing)),
    ...(unit.releases ?? []).map((each) => release(each, sealing)),
    ...(unit.registrations ?? []).map(async ({ kind, id, json }) => {
      const box = await sealing.vault.box('clinic')
      const body = box.seal(json, `registration/${kind}/${id}`)
      return [statements.putRegistration.bind({ kind, id, box: box.keyId, body })]
    }),
    ...(unit.counters ?? []).map((name) => [statements.raiseCounter.bind({ name })]),
    ...unit.audit.map((entry) => auditEntry(entry, sealing)),
  ])
  return parts.flat()
}

function guarded(guard: NonNullable<Statement['guard']>, bound: Statement): Statement {
  return { ...bound, guard }
}

export function placeOf(type: string, id: string, version: number): string {
  return `${type}/${id}/${version}/body`
}

async function resource(write: ResourceWrite, { vault, index }: Sealing): Promise<Statement[]> {
  const { resource: next, version, updated } = write
  const { resourceType: type, id } = next
  const building = await index.building()
  const former = building.flatMap((each) => (each.type === type ? each.former : []))
  const gone = write.previous
    ? [
        await searchRows(write.previous, vault),
        ...(former.length > 0 ? [await searchRows(write.previous, vault, former)] : []),
      ]
    : []
  const removed = gone.flatMap(({ hashes, params }) => [
    ...hashes.map((hash) => statements.deleteToken.bind({ hash, id })),
    ...params.map((param) => statements.deleteDates.bind({ id, param })),
  ])
  if (gone.length > 0) removed.push(statements.deleteDates.bind({ id, param: `${type}._lastUpdated` }))
  if (write.deleted) {
    const bound = statements.insertVersion.bind({ type, id, version, updated, box: null, body: null })
    const evidence = { ...write, resource: write.previous ?? next, json: '' }
    return [guarded('version', bound), ...removed, ...(await evidenceStatements(evidence, vault))]
  }
  const box = await vault.box(ownerOf(next))
  const json = JSON.stringify(next)
  const body = box.seal(json, placeOf(type, id, version))
  const { hashes, dates } = await searchRows(next, vault)
  return [
    guarded('version', statements.insertVersion.bind({ type, id, version, updated, box: box.keyId, body })),
    ...removed,
    ...insertTokens(id, hashes),
    ...dates.map((row) => statements.insertDate.bind({ id, ...row })),
    statements.insertDate.bind({ id, param: `${type}._lastUpdated`, low: updated, high: updated }),
    ...(await evidenceStatements({ ...write, json }, vault)),
  ]
}

async function delivery(each: NewDelivery, unit: CommitUnit, { vault }: Sealing): Promise<Statement[]> {
  const box = await vault.box(each.patient ?? 'clinic')
  const { id, destination, due, resources, patient, held, notification } = each
  const state = held ? 'stopped' : 'queued'
  const body = box.seal(JSON.stringify({ resources, patient, notification }), `delivery/${id}`)
  const lane = vault.mac('lane', destination, notification ? '' : (patient ?? id)).subarray(0, 16)
  const created = unit.audit[0]?.recorded ?? due
  return [
    deliveries.insertDelivery.bind({
      id,
      destination,
      lane,
      state,
      reason: held ?? null,
      due,
      created,
      box: box.keyId,
      body,
    }),
  ]
}

async function release({ id, resources, patient, due }: Release, { vault }: Sealing): Promise<Statement[]> {
  const box = await vault.box(patient ?? 'clinic')
  const body = box.seal(JSON.stringify({ resources, patient }), `delivery/${id}`)
  return [deliveries.releaseDelivery.bind({ id, held: unmappedCode, due, box: box.keyId, body })]
}

function settlement({ delivery, attempt, state, reason, due, at }: Settlement): Statement[] {
  const row = { delivery, number: attempt, state, reason: reason ?? null }
  return [
    guarded('attempt', deliveries.insertAttempt.bind({ ...row, at })),
    deliveries.settleDelivery.bind({ ...row, due: due ?? at }),
  ]
}

async function receipt(
  { sender, messageId, body, answer, at, patient }: NewReceipt,
  { vault }: Sealing,
): Promise<Statement[]> {
  const key = receiptKey(vault, sender, messageId)
  if (answer === undefined) {
    return [
      guarded('receipt', statements.insertReceipt.bind({ key, hash: null, box: null, answer: null, at })),
    ]
  }
  const box = await vault.box(patient ?? 'clinic')
  const sealed = box.seal(answer, receiptPlace(key))
  const hash = vault.mac('receipt-body', body)
  return [
    guarded('receipt', statements.insertReceipt.bind({ key, hash, box: box.keyId, answer: sealed, at })),
  ]
}

export function receiptKey(vault: Vault, sender: string, messageId: string): Uint8Array {
  return vault.mac('receipt', sender, messageId)
}

export function receiptPlace(key: Uint8Array): string {
  return `receipt/${Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

async function auditEntry(entry: AuditEntry, { vault, leaves }: Sealing): Promise<Statement[]> {
  const box = await vault.box(auditOwner(entry.received ?? entry.recorded))
  const { sealed, entry: leaf } = leaves.seal(entry, box)
  const found = [
    ...(entry.patient ? [vault.index('AuditEvent.patient', entry.patient)] : []),
    ...entry.entities.map((each) => vault.index('AuditEvent.entity', each.replace(/\/_history\/.*$/, ''))),
    ...(entry.agent ? [vault.index('AuditEvent.agent', entry.agent)] : []),
  ]
  return [
    statements.insertAuditEvent.bind({
      id: entry.id,
      recorded: entry.recorded,
      box: box.keyId,
      body: sealed,
    }),
    ...insertTokens(entry.id, found),
    { ...statements.appendLeaf.bind({ event: entry.id, entry: leaf }), returns: true },
  ]
}

/** Audit bodies are under a key class of their own, a key a day: far below what AES-GCM allows under one key. */
function auditOwner(at: number): string {
  return `audit/${new Date(at).toISOString().slice(0, 10)}`
}

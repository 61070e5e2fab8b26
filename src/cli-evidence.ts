// Node only: the `evidence` commands of the command line.
import { readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { verifyNote } from '#audit/note.ts'
import { collectEvidence, type EvidenceBundle, evidenceForm, overridesSince } from '#care/evidence-export.ts'
import { verifyEvidence } from '#care/evidence-verify.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { hashHex } from '#core/ledger.ts'
import type { Identified } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import type { CommandTools } from './cli-audit.ts'

/** An export, and the clinic's word that it is as it was given out. */
interface SealedEvidence {
  evidence: EvidenceBundle
  /** A signed note over the SHA-256 of `evidence` (audit/note). */
  seal: string
}

export function addEvidenceCommands(program: Command, tools: CommandTools): void {
  const { withClinic, say, commandLine } = tools
  const evidence = program.command('evidence').description('what prescribers had seen when they signed')
  evidence
    .command('export <order> <file>')
    .description(
      'all that shows it for one order, with the messages themselves: keep it as you keep the record',
    )
    .action((order: string, file: string) =>
      withClinic(async ({ gateway, store, sign }) => {
        const ports = { store, access: gateway.access, parse: parseJson }
        const bundle = await collectEvidence(ports, order.replace(/^MedicationRequest\//, ''))
        const patient = patientOf(JSON.parse(bundle.order) as Identified)
        await gateway.tell({
          kind: 'export',
          outcome: 'success',
          outcomeText: 'evidence exported',
          caller: commandLine,
          requestId: crypto.randomUUID(),
          patients: patient ? [patient] : [],
          entities: [`MedicationRequest/${order.replace(/^MedicationRequest\//, '')}`],
        })
        const sealed: SealedEvidence = { evidence: bundle, seal: sign(await sealText(bundle)) }
        writeFileSync(file, `${JSON.stringify(sealed, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
        say({ file, versions: bundle.contents.length }, `Wrote the evidence of ${order} to ${file}`)
      }),
    )
  evidence
    .command('verify <file>')
    .description(
      'come to the verdict anew, from the export alone; with the key, that it is as it was given out',
    )
    .option('--key <vkey>', 'the clinic’s checkpoint verifier key')
    .action(async (file: string, { key }: { key?: string }) => {
      const { evidence: bundle, seal } = readEvidence(file)
      const findings = key ? await sealFindings(bundle, seal, key) : []
      const verdict = await verifyEvidence(bundle, parseJson)
      const all = [...findings, ...verdict.findings]
      const ok = all.length === 0
      const said = `${verdict.order} signed at ${verdict.at} by ${verdict.person} with key ${verdict.key}: ${verdict.verdict}`
      const unseen = verdict.unseen.map((what) => `not seen: ${what}`)
      say(
        { ...verdict, ok, findings: all },
        [ok ? 'The evidence holds' : 'The evidence does NOT hold', said, ...unseen, ...all].join('\n'),
      )
      if (!ok) process.exitCode = 1
    })
  evidence
    .command('overrides')
    .description('repeats that were signed although not all had been seen, with who and why')
    .option('--days <days>', 'how far back', '30')
    .action(({ days }: { days: string }) =>
      withClinic(async ({ gateway, store }) => {
        const since = Date.now() - Number(days) * 86_400_000
        const found = await overridesSince({ store, parse: parseJson }, since)
        await gateway.tell({
          kind: 'read',
          outcome: 'success',
          outcomeText: 'overrides listed',
          caller: commandLine,
          requestId: crypto.randomUUID(),
          patients: [],
          entities: found.map(({ order }) => order),
        })
        say(found, found.map((each) => Object.values(each).join('\t')).join('\n'))
      }),
    )
}

async function sealText(bundle: EvidenceBundle): Promise<string> {
  return `${evidenceForm}\n${await hashHex(JSON.stringify(bundle))}\n`
}

async function sealFindings(bundle: EvidenceBundle, seal: string, key: string): Promise<string[]> {
  try {
    return verifyNote(seal, key) === (await sealText(bundle)) ? [] : ['not what the clinic gave out']
  } catch (cause) {
    if (cause instanceof Failure) return [cause.message]
    throw cause
  }
}

function readEvidence(file: string): SealedEvidence {
  const read = JSON.parse(readFileSync(file, 'utf8')) as Partial<SealedEvidence>
  if (read.evidence?.form !== evidenceForm || typeof read.seal !== 'string')
    throw new Failure('malformed', `Not evidence that Postern exported (${evidenceForm})`)
  return { evidence: read.evidence, seal: read.seal }
}

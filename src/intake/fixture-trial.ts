import type { RegistrationWrite } from '#core/commit.ts'
import type { Flow } from '#core/flow.ts'
import type { Artifacts, Store } from '#core/ports.ts'
import { parseJson } from '#formats/json.ts'
import { type Difference, differencesOf } from './difference.ts'
import { createReplay, type Replayed, type ReplayPorts } from './replay.ts'

/** A message that is tried with every version, and what is to come of it where somebody wrote that down. */
export interface Fixture {
  flow: string
  /** `us-simple.in.hl7` */
  name: string
  /** Base64. Made up: no message of a patient. */
  body: string
  /** Its `.out.json`. */
  expected?: string
}

/** What came of a fixture, against the version in force. */
export interface Tried {
  flow: string
  name: string
  /**
   * `expected`: it comes out otherwise, and as its `.out.json` says. `fails`: it was taken and is not any more, or the
   * mapping itself is at fault.
   */
  state: 'same' | 'expected' | 'differs' | 'fails'
  differences: Difference[]
}

export interface Trial extends Pick<ReplayPorts, 'validator' | 'digest'> {
  flows: readonly Flow[]
  active: Artifacts
  candidate: Artifacts
}

/** Tries fixtures with what is in force and with what may come; of two with one name the last counts. */
export async function tryFixtures(trial: Trial, fixtures: readonly Fixture[]): Promise<Tried[]> {
  const { replay: before } = createReplay({ ...trial, artifacts: trial.active })
  const { replay: after } = createReplay({ ...trial, artifacts: trial.candidate })
  const byPlace = new Map(fixtures.map((each) => [`${each.flow}/${each.name}`, each]))
  const tried: Tried[] = []
  for (const { flow: flowName, name, body, expected } of byPlace.values()) {
    const flow = trial.flows.find((each) => each.name === flowName)
    if (!flow) continue
    const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0))
    const wanted = expected === undefined ? undefined : (parseJson(expected) as Replayed)
    const [was, is] = [await before(flow, bytes, wanted?.given), await after(flow, bytes, wanted?.given)]
    const state = stateOf(was, is, wanted)
    tried.push({ flow: flowName, name, state, differences: differencesOf(was, is) })
  }
  return tried
}

function stateOf(was: Replayed, is: Replayed, wanted: Replayed | undefined): Tried['state'] {
  const text = JSON.stringify(is)
  if (is.refused?.kind === 'internal' || is.refused?.kind === 'unsupported') {
    // A message that is not understood is refused with the same kind as a mapping that does not compile.
    return text === JSON.stringify(was) ? 'same' : 'fails'
  }
  if (text === JSON.stringify(was)) return 'same'
  if (wanted && text === JSON.stringify(wanted)) return 'expected'
  return is.refused ? 'fails' : 'differs'
}

/** The fixtures of earlier pushes. */
export async function keptFixtures(store: Pick<Store, 'registrations'>): Promise<Fixture[]> {
  return (await store.registrations('fixture')).map(({ json }) => JSON.parse(json) as Fixture)
}

export function fixtureWrite(fixture: Fixture): RegistrationWrite {
  return { kind: 'fixture', id: `${fixture.flow}/${fixture.name}`, json: JSON.stringify(fixture) }
}

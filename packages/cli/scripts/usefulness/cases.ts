/** Which networks are run: both sets of rules, and Nacre's with one rule less at a time. */
import { overrideParams, type Params, presets } from '@nacre/protocol'
import type { MinerName } from './miners.ts'

export interface UsefulnessCase {
  readonly name: string
  /** For people. */
  readonly title: string
  readonly preset: 'devnet' | 'pearl-devnet'
  /** `--set` lines: the rule that is switched off. */
  readonly off: readonly string[]
  /** Whose blocks the rules let through: for the first target. */
  readonly earning: readonly MinerName[]
  /** Whom the rule keeps out. */
  readonly freed?: MinerName
  /** The miners that execute nothing ask for jobs too, and deliver made-up answers. */
  readonly isGarbageSold?: true
}

const EVERYBODY: readonly MinerName[] = ['honest', 'random', 'first-layer', 'self-dealing']
const HONEST: readonly MinerName[] = ['honest', 'self-dealing']
const nacre = (
  rest: Pick<UsefulnessCase, 'name' | 'title' | 'off'> & { readonly freed?: MinerName },
): UsefulnessCase => ({
  ...{ preset: 'devnet', earning: rest.freed === undefined ? HONEST : [...new Set([...HONEST, rest.freed])] },
  ...rest,
})

export const CASES: readonly UsefulnessCase[] = [
  {
    ...{ name: 'pearl', title: 'Pearl’s rules', preset: 'pearl-devnet', off: [] },
    earning: EVERYBODY,
  },
  nacre({ name: 'nacre', title: 'Nacre’s rules', off: [] }),
  nacre({
    name: 'nacre without B6',
    title: 'winners are not executed again',
    off: ['bindings.checked=off', 'block.winnerCheck=none'],
    freed: 'random',
  }),
  nacre({
    name: 'nacre without B1',
    title: 'miners choose the prompt',
    off: ['bindings.assignedInputs=off'],
    freed: 'random',
  }),
  nacre({
    name: 'nacre without B4',
    title: 'tickets are drawn before the unit is complete',
    off: ['bindings.completionBeforeDraw=off'],
    freed: 'first-layer',
  }),
  nacre({
    name: 'nacre, clients name the miner',
    title: 'provenance client-signed',
    off: ['bindings.provenance=client-signed'],
  }),
  nacre({
    name: 'nacre, and no mint cap',
    title: 'the same, premiums without a cap, and paid tickets that count in full',
    off: ['bindings.provenance=client-signed', 'emission.mintCapPpm=1000000000', 'jobs.paidDrawPpm=1000000'],
  }),
  {
    ...{ name: 'pearl, garbage for jobs', title: 'cheats deliver made-up answers', preset: 'pearl-devnet', off: [] },
    ...{ earning: EVERYBODY, isGarbageSold: true },
  },
  {
    ...{ name: 'nacre, garbage for jobs', title: 'cheats deliver made-up answers', preset: 'devnet', off: [] },
    ...{ earning: HONEST, isGarbageSold: true },
  },
]

export const paramsOf = ({ preset, off }: UsefulnessCase): Params => overrideParams(presets[preset], off)

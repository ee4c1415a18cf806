/** Everything that docs/results/audits.md reports, for one model and network. */
import type { UnitEngine } from '@nacre/engine'
import { decodeFee, type KeyedHash, type Model, type Params, promptFee, type UnitTask } from '@nacre/protocol'
import { type CheaterRow, cheaters, type Stage } from './cheaters.ts'
import { measureCost } from './cost.ts'
import { campaign, detection } from './detection.ts'
import { adaptiveRate, bestRun, collusion, type Forger, fixedRate, leastBond } from './deterrence.ts'
import { honestRuns } from './honest.ts'
import type { AuditResult, Deterrence } from './result.ts'
import { stepSelection, unitSelection } from './selection.ts'

export interface MeasureOptions {
  readonly model: Model
  readonly engine: UnitEngine
  readonly hash: KeyedHash
  readonly params: Params
  /** A unit of this prompt and answer; it must not stop at end of sequence. */
  readonly task: UnitTask
  readonly isQuick: boolean
  readonly print: (line: string) => void
}

export type Measured = Omit<
  AuditResult,
  'format' | 'date' | 'quick' | 'seconds' | 'machine' | 'othersBusy' | 'model' | 'preset' | 'kernels'
>

/** Registered verifiers with a secret in each epoch. */
const VERIFIERS = 3
const FRACTIONS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4]
const CAMPAIGNS = [0.01, 0.05, 0.2]
/** Units in these, about evenly on a logarithmic axis. */
const CAMPAIGN_UNITS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
const AT_STAKE = 400
const STAGES: readonly Stage[] = [
  { name: 'new key', matured: 0, atStake: 0 },
  { name: `${AT_STAKE} honest units at stake`, matured: 1000, atStake: AT_STAKE },
]
const PRICE_GRAINS = 112_500n

export function measureAudits(options: MeasureOptions): Measured {
  const { model, engine, hash, params, task, isQuick, print } = options
  const scale = (full: number, quick: number): number => (isQuick ? quick : full)
  const { steps } = params.audits
  const rounds = scale(15, 2)
  const cost = measureCost({
    ...{ model, engine, hash, params, task, rounds },
    ...{ warmUps: scale(3, 1), budgetMs: scale(40, 1) },
    onRound: (round) => print(`cost: round ${round + 1} of ${rounds}`),
  })
  const audits = scale(1000, 100)
  const forgedUnits = scale(3, 1)
  const common = { model, hash, task, params, fractions: isQuick ? [0.01, 0.2] : FRACTIONS, audits }
  const found = detection({ ...common, units: forgedUnits }, ({ stepShare, found: { value } }) =>
    print(`detection: ${(100 * stepShare).toFixed(2)} % of the steps forged, found ${(100 * value).toFixed(1)} %`),
  )
  const campaignMiners = scale(400, 20)
  const campaigns = (isQuick ? CAMPAIGNS.slice(-1) : CAMPAIGNS).map((fraction) => {
    print(`campaigns: ${100 * fraction} % of the steps forged`)
    const units = isQuick ? CAMPAIGN_UNITS.slice(0, 5) : CAMPAIGN_UNITS
    return campaign({ ...common, verifiers: VERIFIERS, atStake: AT_STAKE, units, miners: campaignMiners }, fraction)
  })
  print('honest runs')
  const honest = honestRuns({ model, engine, hash, params, steps: scale(10_000, 160) })
  const cheats = cheaters(
    { model, hash, task, params, stages: STAGES, verifiers: VERIFIERS, miners: scale(1000, 20) },
    ({ name, chance }) => print(`cheaters: ${name}, an audit finds it with ${(100 * chance).toFixed(2)} %`),
  )
  print('selection')
  const rates = [params.audits.rateFloorPpm, 300_000]
  const units = rates.map((ppm) => unitSelection(ppm, scale(1000, 100), scale(500, 100)))
  const { promptTokens, maxNewTokens } = task
  const drawn = stepSelection(model.config, promptTokens.length, maxNewTokens, scale(40_000, 1500), steps)
  print('deterrence')
  return {
    ...{ steps, verifiers: VERIFIERS, cost, forgedUnits, audits, detection: found, campaignMiners, campaigns, honest },
    ...{ cheaters: cheats, unitSelection: units, stepSelection: drawn },
    deterrence: deterrence(options, cheats),
  }
}

/** Part of a unit's fee that is the cost of its work. */
const SAVED = 0.8
/** Units that a miner can deliver before the first of them matures, more than it can work off honestly. */
const MOST_UNITS = 2000
const BONDS = [0, 1, 10, 100, 1000]
const RATES = [1, 0.1, 0.02]
const COLLUSION_VERIFIERS = 8

function deterrence({ params, model, task, isQuick }: MeasureOptions, cheats: readonly CheaterRow[]): Deterrence {
  const policies = [
    { name: 'fixed 1 %', policy: fixedRate(0.01), atStake: 0 },
    { name: 'AUD-2, nothing at stake', policy: adaptiveRate(params, 0), atStake: 0 },
    { name: `AUD-2, ${AT_STAKE} honest units at stake`, policy: adaptiveRate(params, AT_STAKE), atStake: AT_STAKE },
  ]
  const forger = ({ policy, atStake }: (typeof policies)[number], chance: number): Forger => ({
    ...{ policy, atStake, chance, verifiers: VERIFIERS, saved: SAVED, most: MOST_UNITS },
  })
  const runChance = cheats[0]!.chance
  const price = PRICE_GRAINS
  const fee =
    promptFee(params, model.config, task.promptTokens.length, price) + decodeFee(model.config, task.maxNewTokens, price)
  return {
    ...{ saved: SAVED, most: MOST_UNITS, policies: policies.map(({ name }) => name), runChance },
    bonds: cheats.map(({ name, chance }) => ({
      ...{ cheat: name, chance },
      bonds: policies.map((each) => leastBond(forger(each, chance))),
    })),
    runs: BONDS.map((bond) => ({ bond, runs: policies.map((each) => bestRun(forger(each, runChance), bond)) })),
    collusion: RATES.flatMap((rate) =>
      [0, 2, 4, 6, 7, 8].map((colluding) => collusion(rate, COLLUSION_VERIFIERS, colluding, isQuick ? 200 : 4000)),
    ),
    bondGrains: params.bonds.minerGrains.toString(),
    feeGrains: fee.toString(),
    priceGrains: price.toString(),
  }
}

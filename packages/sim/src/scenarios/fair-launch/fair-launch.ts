/** An insider with a head start and a faster kernel against emission curves, ramps, premine and team share (ECO-2). */
import { type Params, targetFromBits, workOfTarget } from '@nacre/protocol'
import { MiningNetwork } from '../../chain/mining-network.ts'
import { Simulation } from '../../core/simulation.ts'
import type { Outcome, Scenario } from '../types.ts'
import { DAY_MS } from '../units.ts'
import { changesOf, type Hardware, hardwareOf, powerAt } from './hardware.ts'
import { Holdings } from './holdings.ts'
import { meanField } from './mean-field.ts'
import { checkFairLaunch, FAIR_LAUNCH_PARAMS, type FairLaunchValues } from './params.ts'
import { Payouts, supplyAt } from './payouts.ts'

const INSIDER = 0

/** The launch block by block: who finds each one, when, at which difficulty, with forks. */
function mine(params: Params, values: FairLaunchValues, hardware: Hardware, seed: number): MiningNetwork {
  const simulation = new Simulation()
  const network = new MiningNetwork(params, simulation, seed, values.propagationMs)
  network.addMiner({ name: 'insider', crowd: false })
  let joined = 0
  let joinedHardware = 0
  network.addMiner({
    name: 'public',
    crowd: true,
    member: (stream) => {
      let rest = stream.uniform() * joinedHardware
      for (let i = 0; i < joined; i++) {
        rest -= hardware.cohorts[i]!.hardware
        if (rest < 0) return i
      }
      return joined - 1
    },
  })
  // Hardware has no absolute speed here: the genesis target defines it, as calibrated for whoever mines first.
  const first = powerAt(hardware, 0)
  const genesisWork = Number(workOfTarget(targetFromBits(params.difficulty.genesisBits)))
  const macsPerMs = (genesisWork * values.genesisEase) / params.block.timeMs / (first.insider + first.public)
  for (const timeMs of changesOf(hardware)) {
    simulation.at(timeMs, () => {
      const cohorts = hardware.cohorts.filter((cohort) => cohort.joinMs <= timeMs)
      joined = cohorts.length
      joinedHardware = cohorts.reduce((sum, cohort) => sum + cohort.hardware, 0)
      const power = powerAt(hardware, timeMs)
      network.setSpeed(INSIDER, power.insider * macsPerMs)
      network.setSpeed(INSIDER + 1, power.public * macsPerMs)
    })
  }
  simulation.runUntil(values.horizonDays * DAY_MS)
  return network
}

function run(params: Params, values: FairLaunchValues, seed: number): Outcome {
  const endMs = values.horizonDays * DAY_MS
  const headStartMs = values.headStartDays * DAY_MS
  const hardware = hardwareOf(values)
  const payouts = new Payouts(params, values.coinbase === 'split')
  const expected = meanField(params, values, hardware, payouts)

  const network = mine(params, values, hardware, seed)
  const chain = network.bestChain()
  const holdings = new Holdings(params, hardware.cohorts.length, endMs)
  let headStartHeight = 0
  let majorityMs = 0
  for (const block of chain) {
    const payout = payouts.at(block.height)
    const isInsider = block.miner === INSIDER
    holdings.advanceTo(block.foundMs)
    holdings.add(block.height, payout.team + (isInsider ? payout.miner : 0))
    if (!isInsider) holdings.addCohort(block.member, payout.miner)
    if (block.foundMs <= headStartMs) headStartHeight = block.height
    if (holdings.insiderSharePercent() > 50) majorityMs = block.foundMs
  }
  const { days, sharesPercent } = holdings.finish()
  const height = chain.length
  const supply = supplyAt(params, height)
  const share = holdings.insiderSharePercent()
  const publicHardware = hardware.cohorts.reduce((sum, cohort) => sum + cohort.hardware, 0)
  return {
    metrics: {
      insiderSharePercent: share,
      meanFieldSharePercent: expected.holdings.insiderSharePercent(),
      advantage: share / ((100 * hardware.insider) / (hardware.insider + publicHardware)),
      headStartSupplyPercent: supply === 0 ? 0 : (100 * supplyAt(params, headStartHeight)) / supply,
      majorityDays: majorityMs / DAY_MS,
      gini: holdings.gini(hardware),
      meanFieldGini: expected.gini,
      suppliedPercent: (100 * supply) / Number(params.emission.supplyGrains),
      blocks: height,
      meanBlockTimeS: height === 0 ? values.horizonDays * 86_400 : values.horizonDays * (86_400 / height),
      stalePercent: network.found === 0 ? 0 : (100 * (network.found - height)) / network.found,
    },
    series: {
      insiderSharePercent: { x: days, y: sharesPercent },
      meanFieldSharePercent: { x: days, y: expected.holdings.finish().sharesPercent },
    },
  }
}

export const fairLaunch: Scenario<FairLaunchValues> = {
  name: 'fair-launch',
  doc: 'An insider with a head start and a faster kernel: what part of the supply does it get?',
  preset: 'nacre',
  params: FAIR_LAUNCH_PARAMS,
  metrics: {
    insiderSharePercent: { unit: '%', doc: "the insider's part of the supply at the end" },
    meanFieldSharePercent: { unit: '%', doc: 'the same without chance, on the schedule of block times' },
    advantage: { unit: 'times', doc: "the insider's part of the supply over its part of the final hardware" },
    headStartSupplyPercent: { unit: '%', doc: 'part of the supply at the end that exists when the public starts' },
    majorityDays: { unit: 'days', doc: 'last time at which the insider holds more than half of the supply' },
    gini: { unit: '0 to 1', doc: 'inequality of coins among equal units of hardware at the end' },
    meanFieldGini: { unit: '0 to 1', doc: 'the same without chance' },
    suppliedPercent: { unit: '%', doc: 'supply at the end, premine and faucet included, over emission.supplyGrains' },
    blocks: { unit: 'blocks', doc: 'height at the end' },
    meanBlockTimeS: { unit: 's', doc: 'length of the run over blocks' },
    stalePercent: { unit: '%', doc: 'blocks found that are not on the best branch' },
  },
  series: {
    insiderSharePercent: {
      unit: '%',
      xUnit: 'days',
      group: 'share',
      doc: "the insider's part of the supply to date",
    },
    meanFieldSharePercent: { unit: '%', xUnit: 'days', group: 'share', doc: 'the same without chance' },
  },
  check: checkFairLaunch,
  run,
}

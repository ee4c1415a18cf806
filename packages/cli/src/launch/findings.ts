/** Is the launch fair? Findings about a parameter set. */
import type { Params } from '@nacre/protocol'
import { DAY_MS, duration, ncr, percent, short } from './format.ts'
import type { HeadStartAudit } from './head-start.ts'
import type { SupplyAudit } from './supply.ts'

export type Verdict = 'PASS' | 'WARN' | 'FAIL'

export interface Finding {
  readonly id: string
  readonly verdict: Verdict
  readonly reason: string
}

/** Less notice than this is a warning: people sleep. */
const SHORT_NOTICE_MS = DAY_MS
/** A ramp that ends before a faster kernel is assumed to leak does not protect the time that it is for. */
const SHORT_RAMP_MS = 30 * DAY_MS
/** Limits in percent of the first year's supply for the reference case: five and twenty times the insider's hardware. */
const HEAD_START_PASS_PERCENT = 0.5
const HEAD_START_WARN_PERCENT = 2

/** Coins of a test network are worth nothing: what only makes its launch early is a warning there. */
export function isTestNetwork(params: Params): boolean {
  return params.network.addressPrefix === 'tncr'
}

export function severity(params: Params): Verdict {
  return isTestNetwork(params) ? 'WARN' : 'FAIL'
}

/** Findings that follow from parameters alone. */
export function paramFindings(params: Params, supply: SupplyAudit, headStart: HeadStartAudit): Finding[] {
  return [
    premine(supply),
    teamShare(supply),
    launchDelay(params),
    genesisBeacon(params),
    ramp(params),
    headStartFinding(params, headStart),
    faucet(params, supply),
    fakeDemand(params),
    bindings(params),
    provenance(params),
  ]
}

function premine({ premine }: SupplyAudit): Finding {
  const id = 'premine'
  if (premine.grains === 0n) return { id, verdict: 'PASS', reason: 'nothing is created in genesis for a team' }
  const reason = `${ncr(premine.grains)} are created in genesis for the team: ${percent(premine.percentOfFirstYear)} of the first year's supply, ${percent(premine.percentOfFinal)} of the final one`
  return { id, verdict: 'FAIL', reason }
}

function teamShare({ teamSharePpm, teamFirstYear }: SupplyAudit): Finding {
  const id = 'team-share'
  if (teamSharePpm === 0) return { id, verdict: 'PASS', reason: 'no part of a subsidy goes to a team' }
  const reason = `${percent(teamSharePpm / 10_000)} of each subsidy goes to the team: ${ncr(teamFirstYear.grains)} in the first year`
  return { id, verdict: 'FAIL', reason }
}

function launchDelay(params: Params): Finding {
  const id = 'launch-delay'
  const delay = params.network.launchDelayMs
  if (delay === 0)
    return {
      id,
      verdict: severity(params),
      reason: 'the first block is allowed at genesis: there is no announced launch',
    }
  const text = `the first block is allowed ${duration(delay)} after genesis`
  return delay < SHORT_NOTICE_MS
    ? { id, verdict: 'WARN', reason: `${text}: less than ${duration(SHORT_NOTICE_MS)} of notice` }
    : { id, verdict: 'PASS', reason: text }
}

function genesisBeacon(params: Params): Finding {
  const id = 'genesis-beacon'
  if (/^0*$/.test(params.network.genesisBeacon)) {
    const reason =
      'network.genesisBeacon is zero: everybody knows it beforehand, so blocks can be mined in secret before the launch and dated after it; set it to randomness that does not exist before the announcement'
    return { id, verdict: severity(params), reason }
  }
  const reason = 'set; that it did not exist before the announcement must be checked against the source that was named'
  return { id, verdict: 'PASS', reason }
}

function ramp(params: Params): Finding {
  const id = 'ramp'
  const { ramp, rampBlocks } = params.emission
  if (ramp === 'none')
    return { id, verdict: severity(params), reason: 'no start-up ramp: the first days pay as much as any' }
  const length = rampBlocks * params.block.timeMs
  const reason = `${ramp} over ${rampBlocks.toLocaleString('en-US')} blocks, ${duration(length)} on schedule`
  return length < SHORT_RAMP_MS
    ? { id, verdict: 'WARN', reason: `${reason}: shorter than ${duration(SHORT_RAMP_MS)}` }
    : { id, verdict: 'PASS', reason }
}

function headStartFinding(params: Params, { reference, model }: HeadStartAudit): Finding {
  const { premineGrains, teamSharePpm } = params.emission
  const team = premineGrains > 0n || teamSharePpm > 0 ? ', premine and team share included' : ''
  const reason = `a kernel ${reference.kernelFactor} times as fast, ${reference.headStartDays} days ahead, on ${percent(100 * model.insiderShare)} of the final hardware owns ${percent(reference.percent)} of the first year's supply${team} (at most ${percent(HEAD_START_PASS_PERCENT)} passes, above ${percent(HEAD_START_WARN_PERCENT)} fails)`
  const verdict =
    reference.percent <= HEAD_START_PASS_PERCENT
      ? 'PASS'
      : reference.percent <= HEAD_START_WARN_PERCENT
        ? 'WARN'
        : severity(params)
  return { id: 'head-start', verdict, reason }
}

function faucet(params: Params, { faucet }: SupplyAudit): Finding {
  const id = 'faucet'
  if (faucet.grains === 0n) return { id, verdict: 'PASS', reason: 'none' }
  return isTestNetwork(params)
    ? { id, verdict: 'PASS', reason: `${ncr(faucet.grains)} on a test network, where coins are worth nothing` }
    : { id, verdict: 'FAIL', reason: `${ncr(faucet.grains)} are created in genesis on a network that is no test` }
}

/** ECO-3, ECO-5: what the two lanes pay, and whether a client that mines its own jobs gains by it. */
function fakeDemand({ emission, fees }: Params): Finding {
  const id = 'fake-demand'
  const base = percent(emission.bootstrapFactorPpm / 10_000)
  const lanes = `bootstrap blocks get ${base} of a subsidy, paid blocks as much and a premium of at most ${short(emission.mintCapPpm / 1_000_000)} times what their prompts burned`
  if (emission.mintCapPpm > 1_000_000)
    return { id, verdict: 'FAIL', reason: `${lanes}: whoever pays itself mints more than it burns` }
  if (fees.burnPpm === 0) {
    return {
      id,
      verdict: 'WARN',
      reason: `${lanes}, and nothing burns: fake demand costs nothing, so the useful share says nothing`,
    }
  }
  return {
    id,
    verdict: 'PASS',
    reason: `${lanes}; ${percent(fees.burnPpm / 10_000)} of fees burn: paying oneself loses`,
  }
}

function bindings(params: Params): Finding {
  const id = 'bindings'
  const off = Object.entries(params.bindings).flatMap(([name, value]) => (value === 'off' ? [name] : []))
  return off.length === 0
    ? { id, verdict: 'PASS', reason: 'B1 to B6 are on' }
    : { id, verdict: 'FAIL', reason: `off: ${off.join(', ')}; work can be made up` }
}

function provenance(params: Params): Finding {
  const id = 'provenance'
  const value = params.bindings.provenance
  return value === 'assigned'
    ? { id, verdict: 'PASS', reason: 'inputs are assigned, no miner chooses them' }
    : { id, verdict: 'FAIL', reason: `${value}: inputs can be chosen, so whoever knows a shortcut mines with it` }
}

/** Findings about a running chain. */
import { bytesToHex, genesisOf, partOf } from '@nacre/protocol'
import type { ChainAudit } from './chain.ts'
import { type Finding, severity } from './findings.ts'
import { counted, duration, ncr, percent, short, shortKey } from './format.ts'
import type { ChainData } from './rpc.ts'

/** With fewer blocks, chance alone explains most deviations: the mean of 100 block times is within 20 % of theirs. */
const MIN_JUDGED_BLOCKS = 100
/** Mean block time over the target: below, more was minted early than the schedule says. */
const PACE_PASS = 0.8
const PACE_WARN = 0.5
/** Keys that together have more than half of the blocks. */
const NAKAMOTO_PASS = 4
const NAKAMOTO_WARN = 2

export function chainFindings(data: ChainData, audit: ChainAudit): Finding[] {
  return [
    identity(data),
    schedule(audit, data),
    coinbases(audit, data),
    published(audit),
    rules(audit),
    firstBlock(audit),
    pace(audit, data),
    concentration(audit, data),
  ]
}

function identity({ params, status, blocks }: ChainData): Finding {
  const id = 'chain-id'
  const genesis = genesisOf(params)
  if (bytesToHex(genesis.chainId) !== status.chainId)
    return { id, verdict: 'FAIL', reason: 'the chain id is not the hash of the parameters that the node states' }
  if (bytesToHex(genesis.id) !== blocks[0]?.id)
    return { id, verdict: 'FAIL', reason: 'block 0 is not the genesis block of the parameters that the node states' }
  return { id, verdict: 'PASS', reason: 'chain id and genesis block follow from the stated parameters' }
}

function schedule({ supply, height }: ChainAudit, { params, status }: ChainData): Finding {
  const id = 'supply'
  const wrong: string[] = []
  const compare = (what: string, stated: bigint, right: bigint | undefined): void => {
    if (right !== undefined && stated !== right) wrong.push(`${what} is ${stated} grains instead of ${right}`)
  }
  compare('emission', supply.emittedGrains, supply.scheduledGrains)
  compare('premine', status.premineGrains, params.emission.premineGrains)
  compare('faucet', status.faucetGrains, params.emission.faucetGrains)
  compare('the deferred pot', supply.deferredGrains, supply.computedDeferredGrains)
  if (wrong.length > 0) return { id, verdict: 'FAIL', reason: `at height ${height} ${wrong.join(', ')}` }
  const pot = supply.computedDeferredGrains === undefined ? '' : ', and so is the deferred pot'
  return {
    id,
    verdict: 'PASS',
    reason: `${ncr(supply.emittedGrains)} at height ${height} are what the schedule says${pot}`,
  }
}

/** ECO-3: what a block pays follows from its height and the pot, but for premiums, which what burned bounds. */
function coinbases(
  { wrongCoinbases, premiumGrains, lanes, blocksRead, published }: ChainAudit,
  { params }: ChainData,
): Finding {
  const id = 'coinbases'
  if (wrongCoinbases.length > 0) {
    const reason = `not by the rules: ${counted(wrongCoinbases.length, 'coinbase')}, first at height ${wrongCoinbases[0]}`
    return { id, verdict: 'FAIL', reason }
  }
  const most = partOf(published.burnedGrains, params.emission.mintCapPpm)
  if (premiumGrains > most) {
    const reason = `premiums of ${premiumGrains} grains for paid blocks exceed ${most}, the mint cap's part of all that burned`
    return { id, verdict: 'FAIL', reason }
  }
  const paid = `${counted(lanes.paid, 'paid block')} got ${ncr(premiumGrains)} more than bootstrap blocks would, ${ncr(most)} are allowed`
  return { id, verdict: 'PASS', reason: `coinbases of ${counted(blocksRead, 'block')} follow the rules; ${paid}` }
}

/** E2: the chain says how much of its MACs and of its blocks' work somebody paid for, and how much of what it minted burned. */
function published({ published: figures }: ChainAudit): Finding {
  const id = 'published'
  const { usefulSharePpm, computedUsefulSharePpm, paidMacsPpm, computedPaidMacsPpm } = figures
  const { burnedOverMintedPpm, computedBurnedOverMintedPpm } = figures
  const wrong: string[] = []
  if (computedUsefulSharePpm !== undefined && computedUsefulSharePpm !== usefulSharePpm)
    wrong.push(`useful share ${usefulSharePpm} ppm instead of ${computedUsefulSharePpm} ppm of the blocks' work`)
  if (computedPaidMacsPpm !== undefined && computedPaidMacsPpm !== paidMacsPpm)
    wrong.push(`paid MACs ${paidMacsPpm} ppm instead of ${computedPaidMacsPpm} ppm`)
  if (computedBurnedOverMintedPpm !== burnedOverMintedPpm)
    wrong.push(`burned over minted ${burnedOverMintedPpm} ppm instead of ${computedBurnedOverMintedPpm} ppm`)
  if (wrong.length > 0) return { id, verdict: 'FAIL', reason: `the node states ${wrong.join(', ')}` }
  const read =
    computedUsefulSharePpm === undefined ? ', not compared as not every block is read' : ', as its blocks have it'
  const reason = `somebody paid for ${percent(Number(usefulSharePpm) / 10_000)} of the blocks' work${read}, and, by the node's count of what settled, for ${percent(Number(paidMacsPpm) / 10_000)} of all MACs; burned over minted is ${percent(Number(burnedOverMintedPpm) / 10_000)}`
  return { id, verdict: 'PASS', reason }
}

function rules({ wrongBits, wrongTimes, blocksRead }: ChainAudit): Finding {
  const id = 'difficulty'
  const text = (what: string, heights: readonly number[]): string[] =>
    heights.length === 0 ? [] : [`${what} of ${counted(heights.length, 'block')}, first at height ${heights[0]}`]
  const wrong = [...text('the target', wrongBits), ...text('the time', wrongTimes)]
  return wrong.length > 0
    ? { id, verdict: 'FAIL', reason: `not by the rules: ${wrong.join('; ')}` }
    : { id, verdict: 'PASS', reason: `targets and times of ${counted(blocksRead, 'block')} follow the rules` }
}

function firstBlock({ firstBlockDelayMs }: ChainAudit): Finding {
  const id = 'first-block'
  if (firstBlockDelayMs === undefined) return { id, verdict: 'WARN', reason: 'there is no block yet' }
  return firstBlockDelayMs < 0
    ? { id, verdict: 'FAIL', reason: `the first block is ${duration(-firstBlockDelayMs)} before the launch` }
    : { id, verdict: 'PASS', reason: `the first block came ${duration(firstBlockDelayMs)} after the launch` }
}

function pace({ blockTimes }: ChainAudit, { params }: ChainData): Finding {
  const id = 'pace'
  if (blockTimes === undefined || blockTimes.count < MIN_JUDGED_BLOCKS)
    return { id, verdict: 'WARN', reason: `fewer than ${MIN_JUDGED_BLOCKS} block times: too few to judge` }
  const ratio = blockTimes.meanMs / blockTimes.targetMs
  const reason = `the mean block time is ${duration(blockTimes.meanMs)}, ${short(ratio)} times the target (below ${PACE_PASS} the launch minted ahead of its schedule)`
  return { id, verdict: ratio >= PACE_PASS ? 'PASS' : ratio >= PACE_WARN ? 'WARN' : severity(params), reason }
}

function concentration({ windows, miners, blocksRead }: ChainAudit, { params }: ChainData): Finding {
  const id = 'concentration'
  const all = windows.at(-1)
  if (all === undefined || blocksRead < MIN_JUDGED_BLOCKS)
    return { id, verdict: 'WARN', reason: `fewer than ${MIN_JUDGED_BLOCKS} blocks: too few to judge` }
  const largest = `${shortKey(miners[0]!.minerKey)} has ${percent(all.largestPercent)}`
  const reason = `${counted(all.nakamotoBlocks, 'key')} of ${all.keys} won more than half of ${counted(blocksRead, 'block')}; ${largest}. Keys are not people`
  const keys = all.nakamotoBlocks
  return { id, verdict: keys >= NAKAMOTO_PASS ? 'PASS' : keys >= NAKAMOTO_WARN ? 'WARN' : severity(params), reason }
}

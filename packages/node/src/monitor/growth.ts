/** WORK_JUMP and WORK_OUTGROWS_CAPACITY: has the rate of work changed at some recent height? */
import { logBestGrowth, logGrowthLikelihood } from './likelihood.ts'
import type { MonitorOptions } from './options.ts'
import { exposureOf, workRate } from './rate.ts'
import type { DatedBlock, Finding, GrowthEvidence } from './types.ts'

/** `blocks[from..at)` is the baseline, `blocks[at..)` what came after the change. */
interface Split {
  readonly from: number
  readonly at: number
  readonly logLikelihood: number
}

/** What both tests find at the last of these blocks. */
export function findGrowth(blocks: readonly DatedBlock[], options: MonitorOptions): Finding[] {
  const logThreshold = Math.log(options.blocksPerFalseAlarm)
  const split = likeliestSplit(blocks, options)
  // A change that is older than the window would be seen at its edge, with newcomers among those who won before it.
  if (split === undefined || split.logLikelihood < logThreshold || split.at < blocks.length - options.changeBlocks)
    return []
  const jump = jumpEvidence(blocks, split, options, logThreshold)
  const outgrowth = outgrowthEvidence(blocks, split, options, logThreshold)
  const findings: Finding[] = []
  if (jump.logLikelihood >= logThreshold) findings.push({ code: 'WORK_JUMP', evidence: jump })
  if (outgrowth.logLikelihood >= logThreshold) findings.push({ code: 'WORK_OUTGROWS_CAPACITY', evidence: outgrowth })
  return findings
}

/**
 * Where it is likeliest that work began to grow: tries every height of the window and somewhat further back, the newest first.
 * Its likelihood is an upper bound for both tests.
 */
function likeliestSplit(
  blocks: readonly DatedBlock[],
  { baselineBlocks, leastBaselineBlocks, changeBlocks }: MonitorOptions,
): Split | undefined {
  const end = blocks.length
  const first = Math.max(leastBaselineBlocks, end - changeBlocks - newcomerBlocks(baselineBlocks))
  let from = Math.max(0, end - baselineBlocks)
  let exposureBefore = exposureOf(blocks, from, end)
  let exposureAfter = 0
  let likeliest: Split | undefined
  for (let at = end - 1; at >= first; at--) {
    const { exposure } = blocks[at]!
    exposureBefore -= exposure
    exposureAfter += exposure
    if (from > Math.max(0, at - baselineBlocks)) exposureBefore += blocks[--from]!.exposure
    const logLikelihood = logBestGrowth(at - from, exposureBefore, end - at, exposureAfter)
    if (logLikelihood > (likeliest?.logLikelihood ?? 0)) likeliest = { from, at, logLikelihood }
  }
  return likeliest
}

/** Keys that first won so shortly before a change may belong to it: its height is an estimate. */
const newcomerBlocks = (baselineBlocks: number): number => Math.floor(baselineBlocks / 4)

function jumpEvidence(
  blocks: readonly DatedBlock[],
  split: Split,
  options: MonitorOptions,
  logThreshold: number,
): GrowthEvidence {
  const { from, at } = split
  const { jumpTimes } = options
  const evidence = splitEvidence(blocks, split, options)
  const { before, after } = evidence
  const exposures = [exposureOf(blocks, from, at), exposureOf(blocks, at, blocks.length)] as const
  return {
    ...evidence,
    growthTimes: after.macsPerSecond / before.macsPerSecond,
    allowedTimes: jumpTimes,
    logLikelihood: logGrowthLikelihood(at - from, exposures[0], after.blocks, exposures[1], jumpTimes),
    logThreshold,
  }
}

/** The same keys do more work than before: newcomers may bring whatever they like, and known keys what they declare. */
function outgrowthEvidence(
  blocks: readonly DatedBlock[],
  split: Split,
  options: MonitorOptions,
  logThreshold: number,
): GrowthEvidence {
  const { from, at } = split
  const evidence = splitEvidence(blocks, split, options)
  const { before, after, knownKeyBlocks } = evidence
  const exposureBefore = exposureOf(blocks, from, at)
  const exposureAfter = exposureOf(blocks, at, blocks.length)
  const allowedTimes = explainedTimes(evidence, (at - from) / exposureBefore, options)
  return {
    ...evidence,
    growthTimes: ((knownKeyBlocks / after.blocks) * after.macsPerSecond) / before.macsPerSecond,
    allowedTimes,
    logLikelihood: logGrowthLikelihood(at - from, exposureBefore, knownKeyBlocks, exposureAfter, allowedTimes),
    logThreshold,
  }
}

/**
 * By how much known keys may work more: `growthTimes`, times what the asks added since the split explain. Where asks stood
 * for a part of the work only, new ones are taken to do the same, up to `understatedTimes`.
 * @param rateBefore MACs per ms.
 */
function explainedTimes(
  { roomBeforeMacs, roomAfterMacs }: { readonly roomBeforeMacs: number; readonly roomAfterMacs: number },
  rateBefore: number,
  { blockTimeMs, growthTimes, understatedTimes }: MonitorOptions,
): number {
  const addedMacs = Math.max(0, roomAfterMacs - roomBeforeMacs)
  if (addedMacs === 0) return growthTimes
  const workPerBlock = rateBefore * blockTimeMs
  const understated = Math.min(understatedTimes, Math.max(1, workPerBlock / roomBeforeMacs))
  return growthTimes * (1 + (understated * addedMacs) / workPerBlock)
}

type SplitEvidence = Omit<GrowthEvidence, 'growthTimes' | 'allowedTimes' | 'logLikelihood' | 'logThreshold'>

function splitEvidence(
  blocks: readonly DatedBlock[],
  { from, at }: Split,
  { baselineBlocks }: MonitorOptions,
): SplitEvidence {
  const end = blocks.length
  const knownTo = Math.max(from + 1, at - newcomerBlocks(baselineBlocks))
  const known = new Set(blocks.slice(from, knownTo).map(({ sample }) => sample.minerKey))
  // Weighted by exposure, so that a change of capacity inside the baseline weighs as the change of work does.
  const weighted = blocks
    .slice(from, at)
    .reduce((sum, { exposure, sample }) => sum + exposure * sample.capacity.roomMacs, 0)
  const { sample } = blocks[at]!
  return {
    splitHeight: sample.height,
    splitId: sample.id,
    before: workRate(blocks, from, at),
    after: workRate(blocks, at, end),
    knownKeys: known.size,
    knownKeyBlocks: blocks.slice(at).filter((block) => known.has(block.sample.minerKey)).length,
    roomBeforeMacs: weighted / exposureOf(blocks, from, at),
    roomAfterMacs: blocks[end - 1]!.sample.capacity.roomMacs,
  }
}

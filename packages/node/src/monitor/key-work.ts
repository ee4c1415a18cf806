/** KEY_OUTWORKS_DECLARED: does a key win more than the capacity that it declares explains? */
import { logExcessLikelihood } from './likelihood.ts'
import type { MonitorOptions } from './options.ts'
import type { DatedBlock, Finding, KeyEvidence } from './types.ts'

interface Tally {
  wins: number
  /** The largest capacity that the key declared at any of these wins. */
  declaredMacs: number
  /** It won without any ask before. */
  isEnded: boolean
  best: KeyEvidence | undefined
}

/**
 * Keys whose wins up to the last of these blocks exceed `keyTimes` what they declare. Each win of a key is tried as the first
 * of a run; a run goes back no further than the key had asks. The threshold grows with the number of keys that are tested.
 */
export function findKeyWork(blocks: readonly DatedBlock[], options: MonitorOptions): Finding[] {
  const { blockTimeMs, changeBlocks, blocksPerFalseAlarm, keyTimes } = options
  const tallies = new Map<string, Tally>()
  const end = blocks.length
  let exposure = 0
  for (let i = end - 1; i >= Math.max(0, end - changeBlocks); i--) {
    exposure += blocks[i]!.exposure
    const { minerKey, minerDeclaredMacs, height } = blocks[i]!.sample
    const tally = tallies.get(minerKey) ?? { wins: 0, declaredMacs: 0, isEnded: false, best: undefined }
    tallies.set(minerKey, tally)
    tally.isEnded ||= minerDeclaredMacs === 0
    if (tally.isEnded) continue
    tally.wins++
    tally.declaredMacs = Math.max(tally.declaredMacs, minerDeclaredMacs)
    const expectedWins = (exposure * tally.declaredMacs) / blockTimeMs
    const logLikelihood = logExcessLikelihood(tally.wins, keyTimes * expectedWins)
    if (logLikelihood <= (tally.best?.logLikelihood ?? 0)) continue
    tally.best = {
      minerKey,
      fromHeight: height,
      toHeight: blocks[end - 1]!.sample.height,
      wins: tally.wins,
      expectedWins,
      declaredMacsPerBlock: tally.declaredMacs,
      workMacsPerBlock: (tally.wins * blockTimeMs) / exposure,
      logLikelihood,
      logThreshold: 0,
    }
  }
  const tested = [...tallies.values()].filter(({ wins }) => wins > 0)
  const logThreshold = Math.log(blocksPerFalseAlarm * Math.max(1, tested.length))
  return tested.flatMap(({ best }): Finding[] =>
    best !== undefined && best.logLikelihood >= logThreshold
      ? [{ code: 'KEY_OUTWORKS_DECLARED', evidence: { ...best, logThreshold } }]
      : [],
  )
}

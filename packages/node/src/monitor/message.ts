import type { Finding, GrowthEvidence } from './types.ts'

/** A finding in one line, for logs and people. */
export function messageOf(finding: Finding): string {
  switch (finding.code) {
    case 'WORK_JUMP':
      return `${growthText(finding.evidence)}, more than ${figure(finding.evidence.allowedTimes)} times`
    case 'WORK_OUTGROWS_CAPACITY': {
      const { knownKeyBlocks, knownKeys, growthTimes, allowedTimes } = finding.evidence
      return `${growthText(finding.evidence)}; ${knownKeyBlocks} of these blocks are of ${knownKeys} keys that won before, which is ${figure(growthTimes)} times their work, and asks explain ${figure(allowedTimes)} times at most`
    }
    case 'KEY_OUTWORKS_DECLARED': {
      const { minerKey, wins, expectedWins, fromHeight, toHeight, declaredMacsPerBlock } = finding.evidence
      return `key ${minerKey} won ${wins} blocks from height ${fromHeight} to ${toHeight}, where the ${figure(declaredMacsPerBlock)} MACs per block that it declares stand for ${figure(expectedWins)}`
    }
    default: {
      const { fromHeight, toHeight, rewardGrainsPerGmac, costGrainsPerGmac } = finding.evidence
      const word = finding.code === 'REWARD_ABOVE_COST' ? 'more' : 'less'
      return `from height ${fromHeight} to ${toHeight} mining pays ${figure(rewardGrainsPerGmac)} grains per GMAC, much ${word} than the ${figure(costGrainsPerGmac)} that clients pay for the same work`
    }
  }
}

function growthText({ splitHeight, before, after }: GrowthEvidence): string {
  return `work went from ${figure(before.macsPerSecond)} to ${figure(after.macsPerSecond)} MACs/s at about height ${splitHeight} (${before.blocks} blocks before, ${after.blocks} after)`
}

const figure = (value: number): string => String(Number(value.toPrecision(3)))

/** REWARD_ABOVE_COST and REWARD_BELOW_COST: is mining worth what the market pays for the same work? */
import type { MonitorOptions } from './options.ts'
import type { BlockSample, Finding } from './types.ts'

const GMAC = 1e9

/** Grains that a block pays for 10^9 MACs of its expected work. */
export const rewardPerGmac = (sample: BlockSample): number => (sample.rewardGrains * GMAC) / sample.workMacs

/** What the last `rewardBlocks` of these blocks show: a factor of `rewardTimes` in every one of them, on the same side. */
export function findReward(samples: readonly BlockSample[], options: MonitorOptions): Finding[] {
  const { rewardBlocks, rewardTimes } = options
  const recent = samples.slice(-rewardBlocks)
  if (recent.length < rewardBlocks || recent.some((sample) => sample.costGrainsPerGmac === 0)) return []
  const ratios = recent.map((sample) => rewardPerGmac(sample) / sample.costGrainsPerGmac)
  const least = Math.min(...ratios)
  const most = Math.max(...ratios)
  if (least < rewardTimes && most > 1 / rewardTimes) return []
  const isAbove = least >= rewardTimes
  return [
    {
      code: isAbove ? 'REWARD_ABOVE_COST' : 'REWARD_BELOW_COST',
      evidence: {
        fromHeight: recent[0]!.height,
        toHeight: recent.at(-1)!.height,
        rewardGrainsPerGmac: mean(recent.map(rewardPerGmac)),
        costGrainsPerGmac: mean(recent.map((sample) => sample.costGrainsPerGmac)),
        leastRatio: isAbove ? least : most,
        factor: rewardTimes,
      },
    },
  ]
}

export const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length

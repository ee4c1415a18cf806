/** What written times can move within the rules (BLK-6). */
import { nextBits, presets, targetFromBits } from '@nacre/protocol'
import { simulate, surplusBlocks, withDifficulty } from '../../../../packages/protocol/test/difficulty-simulation.ts'
import type { Attack } from '../../attack.ts'

const { nacre } = presets
/** H in block times. */
const RATIO = 148
const BLOCKS = 600

/** Blocks beyond one per block time of a miner of every block that writes times early six times, then in five long steps. */
function surplusOf(rule: 'wtema' | 'asert'): number {
  const params = withDifficulty(nacre, rule, RATIO)
  const stepMs = (RATIO * nacre.block.timeMs) / 8 + nacre.block.timeMs
  const chain = simulate({
    params,
    blocks: BLOCKS,
    stamp: (before, _, earliest) => (before.length % 11 < 6 ? earliest : before.at(-1)!.timeMs + stepMs),
  })
  return surplusBlocks(params, chain)
}

export const times: readonly Attack[] = [
  {
    id: 'chain/jagged-times',
    actor: 'coalition',
    targets: 'P9',
    story:
      'A miner of all blocks writes six times as early as allowed and five in long steps: the step back is clamped, the steps forward count in full.',
    on: 'protocol',
    because:
      'under `wtema` the clamp is symmetric and the median lets times go backwards, so that eleven blocks in a row ease the target without bound. `nacre` has `asert`, where the same times gain less than 6 blocks for ever; with 60 % of the work they gain nothing at H = 148 T under `wtema` either.',
    run: () => surplusOf('wtema') > BLOCKS / 4 && surplusOf('asert') < 6,
  },
  {
    id: 'chain/late-anchor',
    actor: 'miner',
    targets: 'P9',
    story:
      'The miner of block 1 dates it at the launch although it was found later: all that follow look late, and targets rise.',
    on: 'protocol',
    because:
      'the anchor of `asert` is the time that its miner wrote, between the launch and its own clock. Each half-life of pretended lateness doubles the target once, which is 148 blocks on `nacre`, while the ramp pays almost nothing.',
    run: () => {
      const params = withDifficulty(nacre, 'asert', RATIO)
      const { genesisBits, halfLifeMs } = params.difficulty
      const target = (anchorMs: number): bigint =>
        targetFromBits(
          nextBits(params, [
            { height: 1, timeMs: anchorMs, bits: genesisBits },
            { height: 2, timeMs: halfLifeMs + nacre.block.timeMs, bits: genesisBits },
          ]),
        )
      const ratio = Number((1000n * target(0)) / target(halfLifeMs)) / 1000
      return Math.abs(ratio - 2) < 0.01
    },
  },
]

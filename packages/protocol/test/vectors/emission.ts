import { bootstrapCoinbase } from '../../src/emission/coinbase.ts'
import { cumulativeEmission, subsidy } from '../../src/emission/subsidy.ts'
import { presets } from '../../src/params/presets.ts'
import type { EmissionParams, Params } from '../../src/params/types.ts'

const HEIGHTS = [0, 1, 2, 99, 100, 101, 3117, 13360, 40640, 40641, 162556, 650226, 10_000_000, 100_000_000, 2 ** 31]
const CURVES = ['hyperbolic', 'halving', 'linear', 'constant'] as const
const RAMPS = ['none', 'linear', 'quadratic'] as const

const withEmission = (emission: Partial<EmissionParams>): Params => ({
  ...presets.nacre,
  emission: { ...presets.nacre.emission, ...emission },
})

/** ECO-2 and ECO-3 by example: cumulative emission and subsidy of every curve and ramp, tails, and divisions. */
export function emissionVectors(): unknown {
  const schedules = CURVES.flatMap((curve) =>
    RAMPS.flatMap((ramp) =>
      [0n, 10_000_000_000n].map((tailGrains) => {
        const params = withEmission({ curve, ramp, tailGrains })
        const { supplyGrains, curveBlocks, rampBlocks } = params.emission
        return {
          emission: {
            curve,
            supplyGrains: String(supplyGrains),
            curveBlocks,
            ramp,
            rampBlocks,
            tailGrains: String(tailGrains),
          },
          heights: HEIGHTS.map((height) => ({
            height,
            cumulative: String(cumulativeEmission(params, height)),
            subsidy: String(subsidy(params, height)),
          })),
        }
      }),
    ),
  )
  const coinbases = [
    { height: 1, deferred: 0n },
    { height: 40641, deferred: 650_225n },
    { height: 40641, deferred: 650_226n },
    { height: 1_000_000, deferred: 123_456_789_012_345n },
  ].map(({ height, deferred }) => ({
    height,
    deferredBefore: String(deferred),
    parts: Object.fromEntries(
      Object.entries(bootstrapCoinbase(presets.nacre, height, deferred)).map(([name, grains]) => [
        name,
        String(grains),
      ]),
    ),
  }))
  return {
    description: 'ECO-2: C(height) and subsidy in grains. ECO-3: division of a bootstrap coinbase under preset nacre.',
    schedules,
    coinbases,
  }
}

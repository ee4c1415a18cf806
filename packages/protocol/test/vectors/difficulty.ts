import { bitsFromTarget, targetFromBits, workOfTarget } from '../../src/difficulty/bits.ts'
import { type DifficultyHeader, medianTimePast, nextBits } from '../../src/difficulty/next-bits.ts'
import { presets } from '../../src/params/presets.ts'
import type { DifficultyAlgorithm, Params } from '../../src/params/types.ts'

const hex = (bits: number): string => `0x${bits.toString(16).padStart(8, '0')}`
const T = 194_000
const H = 28_800_000
const params = (algorithm: DifficultyAlgorithm): Params => ({
  ...presets.nacre,
  difficulty: { algorithm, halfLifeMs: H, genesisBits: 0x195f1618, maxTargetBits: 0x20100000 },
})
const header = (height: number, timeMs: number, bits: number): DifficultyHeader => ({ height, timeMs, bits })

/** Times from the grandparent to the parent that show normal solve times, both clamps and their neighbours. */
const SOLVE_TIMES = [
  T,
  0,
  1,
  T - 1,
  T + 1,
  2 * T,
  -T,
  T + H / 8,
  T + H / 8 + 1,
  T - H / 8,
  T - H / 8 - 1,
  10 * H,
  -10 * H,
]
/** Lateness against the anchor's schedule, in ms. */
const LATENESS = [
  0,
  1,
  -1,
  H,
  -H,
  H / 2,
  -H / 2,
  2 * H,
  7 * H + 12_345,
  -7 * H - 12_345,
  60 * H,
  -300 * H,
  2 ** 45,
  -(2 ** 45),
]
const BITS = [0x195f1618, 0x1c2bfaff, 0x20100000, 0x03010000, 0x01010000]

/** BLK-6 by example: compact targets, both rules, the median time. */
export function difficultyVectors(): unknown {
  const wtema = BITS.flatMap((bits) =>
    SOLVE_TIMES.map((solveTimeMs) => {
      const headers = [header(10, 1_000_000_000, 0x195f1618), header(11, 1_000_000_000 + solveTimeMs, bits)]
      return {
        headers: headers.map((h) => ({ ...h, bits: hex(h.bits) })),
        bits: hex(nextBits(params('wtema'), headers)),
      }
    }),
  )
  const asert = BITS.flatMap((bits) =>
    LATENESS.map((late) => {
      const anchorMs = 2 ** 46
      const headers = [header(1, anchorMs, bits), header(1001, anchorMs + 1000 * T + late, 0x1b00ffff)]
      return {
        headers: headers.map((h) => ({ ...h, bits: hex(h.bits) })),
        bits: hex(nextBits(params('asert'), headers)),
      }
    }),
  )
  const medians = [
    [5],
    [5, 9],
    [9, 5, 7],
    [4, 3, 2, 1],
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    [99, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  ]
  return {
    description:
      'BLK-6. Required bits of the child of the last header under preset nacre with the named rule and halfLifeMs; headers are oldest first.',
    blockTimeMs: T,
    halfLifeMs: H,
    maxTargetBits: '0x20100000',
    targets: BITS.map((bits) => ({
      bits: hex(bits),
      target: targetFromBits(bits).toString(16).padStart(64, '0'),
      work: String(workOfTarget(targetFromBits(bits))),
    })),
    invalidBits: ['0x00000000', '0x01000000', '0x03800001', '0x1d000001', '0x22000100', '0xff010000', '0x01010101'],
    rounding: ['1', 'ff', '80', '8000', '800000', '7fffff', '1234567', 'ffffffffffff'].map((target) => ({
      target,
      bits: hex(bitsFromTarget(BigInt(`0x${target}`))),
    })),
    wtema,
    asert,
    medians: medians.map((times) => ({ times, median: medianTimePast(times) })),
  }
}

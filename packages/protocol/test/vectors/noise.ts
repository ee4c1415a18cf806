/** Builds `vectors/noise.json`: random blocks, factors and seeds of the noise (WRK-2). */
import { bytesToHex, hexToBytes } from '../../src/bytes.ts'
import {
  noiseMatrix,
  operandNoise,
  operandNoiseSeed,
  permutedSparseFactor,
  randomBlock,
  uniformFactor,
  weightNoise,
  weightNoiseSeed,
} from '../../src/lottery/index.ts'
import type { TicketOp } from '../../src/trace/types.ts'

const repeat = (byte: string): string => byte.repeat(32)

/** Published by the Pearl project for its random blocks: label, slot, index, digest under the key 91..91. */
const PUBLISHED_BLOCKS: readonly (readonly [string, number, number, string])[] = [
  ['A_tensor', 0, 0, 'f7fe837e11790e50be4db71f12532f6fba10a5ca10d2f8a41cb458bba8b94453'],
  ['A_tensor', 0, 1, 'dca5ec27b8d8ba5db7973454b425919914d2250ed3e932970613e7fdc6585f84'],
  ['A_tensor', 0, 7, '983262e16c4d5408b1a5113e84575b9f86acd4046529ac4fe135896a636365a9'],
  ['A_tensor', 1, 0, '1df878f9f7a9576b1dc22f68fe65664c684b0829f36f2d4500c9a632d5075080'],
  ['A_tensor', 1, 1, '55521a0a1f6408a78c40eaf1ec1a21c434101ceed68c1e10e4f0d9f66d1613e0'],
  ['B_tensor', 0, 0, '6de8e1f932e6da2254994310bad24b28e7e41fafdedc27402cea0cd871eee94d'],
  ['B_tensor', 1, 0, 'a63e5b591e687d08d9fe48444c12246a9bade7d2bedd9413451a30be42fac0d9'],
]

/** Published by the Pearl project: a uniform factor of 4 rows of 32 under the label A_tensor and the key c5..c5. */
const PUBLISHED_UNIFORM: readonly number[] = [
  -12, -4, -32, -10, -21, -19, 11, -6, -20, -31, -8, 9, -25, -31, -26, -8, -11, 20, -16, 24, -13, 7, -20, 30, 29, 25,
  18, -23, -31, 19, 14, -7, -11, -1, 9, -17, -29, 17, -10, 21, -28, 16, -6, -27, -31, 8, 23, -32, 31, 23, 20, -8, 4,
  -19, -1, 12, 0, 3, -28, 12, -10, 1, -26, 26, -22, -1, 15, 7, 8, -2, 18, -16, -1, 26, 1, -3, -7, -4, -14, -31, -29, 21,
  -5, 1, 2, 0, 23, -13, -29, 10, -23, -30, 10, 22, -26, 0, -4, 0, 17, 22, -10, 8, -9, -11, 11, 4, -26, -16, -8, -29,
  -20, -15, -18, 11, -13, 11, 13, -8, 28, 6, -15, 23, 24, -2, 13, -26, -10, 30,
]

/** Published by the Pearl project: its own sparse factor (another rule than ours, the same words of slot 1). */
const PUBLISHED_PAIRS: readonly (readonly [number, number])[] = [
  [12, 13],
  [8, 26],
  [2, 26],
  [14, 25],
  [18, 7],
  [10, 14],
  [17, 28],
  [11, 19],
  [20, 23],
  [10, 12],
  [26, 29],
  [23, 19],
  [25, 24],
  [15, 9],
  [26, 10],
  [23, 26],
  [15, 22],
  [17, 4],
  [19, 17],
  [17, 16],
  [15, 6],
  [10, 3],
  [14, 22],
  [17, 21],
  [21, 30],
  [0, 14],
  [5, 8],
  [24, 28],
  [19, 14],
  [12, 28],
  [16, 22],
  [28, 15],
  [15, 28],
  [27, 5],
  [3, 5],
  [26, 18],
  [16, 22],
  [18, 4],
  [23, 9],
  [4, 21],
  [24, 2],
  [24, 30],
  [29, 5],
  [13, 9],
  [5, 7],
  [30, 0],
  [18, 0],
  [30, 13],
  [15, 21],
  [2, 9],
  [18, 28],
  [2, 6],
  [29, 5],
  [5, 1],
  [29, 8],
  [3, 26],
  [19, 3],
  [8, 14],
  [22, 12],
  [2, 0],
  [2, 29],
  [21, 18],
  [5, 12],
  [25, 5],
]

const OWN_BLOCKS: readonly (readonly [string, number, number])[] = [
  ['A_tensor', 2, 0],
  ['B_tensor', 2, 5],
  ['B_tensor', 0, 2 ** 31 - 2],
]
const FACTORS = [
  { label: 'A_tensor', key: repeat('c5'), rank: 32, k: 64, rows: 2 },
  { label: 'B_tensor', key: repeat('2a'), rank: 8, k: 32, rows: 5 },
  { label: 'B_tensor', key: repeat('00'), rank: 2, k: 6, rows: 17 },
]
const WEIGHT_SEEDS: readonly { layer: number; op: TicketOp; k: number; n: number; r: number }[] = [
  { layer: 0, op: 0, k: 192, n: 384, r: 32 },
  { layer: 5, op: 1, k: 192, n: 1024, r: 32 },
]
const OPERAND_SEEDS = [
  { m: 64, k: 192 },
  { m: 18, k: 32 },
]

export function noiseVectors(): unknown {
  return {
    about: 'Noise of the lottery (WRK-2). Hex is bytes in order. Entries marked "published" are check values of Pearl.',
    randomBlock: [
      ...PUBLISHED_BLOCKS.map(([label, slot, index, digest]) => ({
        source: 'published',
        label,
        slot,
        index,
        key: repeat('91'),
        digest,
      })),
      ...OWN_BLOCKS.map(([label, slot, index]) => ({
        source: 'nacre',
        label,
        slot,
        index,
        key: repeat('91'),
        digest: bytesToHex(randomBlock(index, label, hexToBytes(repeat('91')), slot)),
      })),
    ],
    uniformFactor: [
      { source: 'published', label: 'A_tensor', key: repeat('c5'), rows: 4, rank: 32, values: PUBLISHED_UNIFORM },
      ...FACTORS.map(({ label, key, rank, rows }) => ({
        source: 'nacre',
        label,
        key,
        rows,
        rank,
        values: [...uniformFactor(label, hexToBytes(key), rows, rank)],
      })),
    ],
    pearlSparseFactor: [{ label: 'A_tensor', key: repeat('a3'), rank: 32, k: 64, pairs: PUBLISHED_PAIRS }],
    permutedSparseFactor: FACTORS.map(({ label, key, rank, k }) => {
      const { plus, minus } = permutedSparseFactor(label, hexToBytes(key), k, rank)
      return { label, key, rank, k, plus: [...plus], minus: [...minus] }
    }),
    noise: [
      { side: 'operand', noise: operandNoise(hexToBytes(repeat('07')), 16, 8, 0, 3) },
      { side: 'weights', noise: weightNoise(hexToBytes(repeat('07')), 16, 8, 0, 3) },
    ].map(({ side, noise }) => ({
      side,
      seed: repeat('07'),
      k: 16,
      rank: 8,
      rows: 3,
      values: [...noiseMatrix(noise)],
    })),
    weightNoiseSeed: WEIGHT_SEEDS.map((input) => ({
      parentBeacon: repeat('b1'),
      modelId: repeat('0d'),
      ...input,
      seed: bytesToHex(
        weightNoiseSeed({ parentBeacon: hexToBytes(repeat('b1')), modelId: hexToBytes(repeat('0d')), ...input }),
      ),
    })),
    operandNoiseSeed: OPERAND_SEEDS.map((input) => ({
      weightSeed: repeat('5e'),
      unitId: repeat('01'),
      minerKey: repeat('3e'),
      preRoot: repeat('99'),
      ...input,
      seed: bytesToHex(
        operandNoiseSeed({
          weightSeed: hexToBytes(repeat('5e')),
          unitId: hexToBytes(repeat('01')),
          minerKey: hexToBytes(repeat('3e')),
          preRoot: hexToBytes(repeat('99')),
          ...input,
        }),
      ),
    })),
  }
}

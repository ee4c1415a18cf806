/** Builds `vectors/numerics.json`: the pinned arithmetic (MOD-2 to MOD-5). */
import { bytesToHex } from '../../src/bytes.ts'
import { chooseToken } from '../../src/inference/next-token.ts'
import type { QuantMatrix } from '../../src/model/types.ts'
import { expF32, MIN_NORMAL_F32, rmsNorm, rotateHead, siluF32, sumF32, sumSquaresF32 } from '../../src/numerics/f32.ts'
import { groupedLinearRow, linearRow } from '../../src/numerics/linear.ts'
import { quantiseRow } from '../../src/numerics/quantise.ts'
import { hexF32, hexInt8 } from './inference-bits.ts'

const f = Math.fround

/** Value i of a fixed stream: 23-bit fractions in [-1, 1) by a linear congruence. */
export function stream(seed: number, length: number, magnitude = 1): Float32Array {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return f(f((state >>> 8) / 2 ** 23 - 1) * magnitude)
  })
}

const POINTS: readonly number[] = [
  ...[0, -0, 1, -1, 0.5, -0.5, 2 ** -149, 2 ** -126, 0.34657359, 0.3465736, -0.34657362, 88, 87.99, -87, -86.99],
  ...[-87.5, 100, -100, 3.4028234663852886e38, -3.4028234663852886e38],
  ...stream(1, 24, 80),
].map(f)

const ROWS: Readonly<Record<string, Float32Array>> = {
  zeros: Float32Array.of(0, -0, 0, -0, 0),
  ties: Float32Array.of(63, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 62.5),
  'least normal scale': Float32Array.of(MIN_NORMAL_F32 * 63, -MIN_NORMAL_F32),
  'scale just subnormal': Float32Array.of(f(MIN_NORMAL_F32 * 62.999996), 1e-40),
  'not finite': Float32Array.of(Number.POSITIVE_INFINITY, 12.5, Number.NaN, -3, Number.NEGATIVE_INFINITY),
  'nothing finite': Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY),
  largest: Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 1e38, 0),
  random: stream(2, 33, 7),
  'random small': stream(3, 32, 1e-30),
}

const Q = Int8Array.from(stream(4, 24, 63))
const MATRIX: QuantMatrix = {
  rows: 5,
  columns: 24,
  q: Int8Array.from(stream(5, 120, 63)),
  scale: Float32Array.of(0.01, 0, 3e38, MIN_NORMAL_F32, 0.125),
}

export function buildNumericsVectors(): unknown {
  const rotated = stream(6, 8, 3)
  const [cos, sin] = [stream(7, 4), stream(8, 4)]
  rotateHead(rotated, cos, sin)
  const logits = stream(9, 40, 6)
  return {
    about:
      'Pinned binary32 arithmetic (MOD-2 to MOD-5). binary32 values are hex of little-endian bytes, eight digits each; int8 values two digits each; rows are concatenated.',
    exp: POINTS.map((x) => ({ x: hexF32([x]), y: hexF32([expF32(x)]) })),
    silu: POINTS.map((x) => ({ x: hexF32([x]), y: hexF32([siluF32(x)]) })),
    reductions: [1, 3, 4, 7, 32, 101].map((length) => {
      const row = stream(length, length, 1000)
      return { row: hexF32(row), sum: hexF32([sumF32(row)]), sumSquares: hexF32([sumSquaresF32(row)]) }
    }),
    rmsNorm: [1, 1e-20, 1e30].map((magnitude) => {
      const row = stream(10, 20, magnitude)
      const gain = stream(11, 20, 2)
      const eps = f(1e-5)
      return { row: hexF32(row), gain: hexF32(gain), eps: hexF32([eps]), out: hexF32(rmsNorm(row, gain, eps)) }
    }),
    rotateHead: [{ head: hexF32(stream(6, 8, 3)), cos: hexF32(cos), sin: hexF32(sin), out: hexF32(rotated) }],
    quantise: Object.entries(ROWS).map(([name, row]) => {
      const { q, scale } = quantiseRow(row)
      return { name, row: hexF32(row), q: hexInt8(q), scale: hexF32([scale]) }
    }),
    linear: [0.02, 0, 1e10].map((rowScale) => ({
      q: hexInt8(Q),
      rowScale: hexF32([rowScale]),
      matrix: { rows: 5, columns: 24, q: hexInt8(MATRIX.q), scale: hexF32(MATRIX.scale) },
      out: hexF32(linearRow(Q, f(rowScale), MATRIX, 0, 5)),
    })),
    groupedLinear: [1, 2, 3, 8].map((groups) => {
      const scales = stream(12 + groups, groups).map((value) => Math.abs(value))
      return {
        q: hexInt8(Q),
        groupScales: hexF32(scales),
        matrix: { rows: 5, columns: 24, q: hexInt8(MATRIX.q), scale: hexF32(MATRIX.scale) },
        out: hexF32(groupedLinearRow(Q, scales, MATRIX)),
      }
    }),
    chooseToken: [0, 1, 300, 1000, 65_535].flatMap((temperatureMilli) =>
      [0, 1, 4095].map((position) => {
        const seed = new Uint8Array(32).fill(0x5e)
        const decoding = { temperatureMilli, seed, stopAtEos: false }
        return {
          logits: hexF32(logits),
          temperatureMilli,
          seed: bytesToHex(seed),
          position,
          token: chooseToken(logits, decoding, position),
        }
      }),
    ),
  }
}

import { scalarGlue } from './scalar-glue.ts'
import type { GlueKernels, KernelFactory } from './types.ts'

/** Where the pieces lie; every one has room for the largest case. */
const PIECE_BYTES = 4096
const at = (piece: number): number => 64 + piece * PIECE_BYTES
const PIECES = 18
const NO_LIMITS = { rows: 0, k: 0, noisedK: 0, noisedN: 0, rank: 0 }

/** Finite values of all sizes, subnormals and zeros among them, and int8 values where a call wants those. */
function fill(buffer: ArrayBufferLike, seed: number): void {
  const f32 = new Float32Array(buffer)
  const i8 = new Int8Array(buffer)
  let state = seed >>> 0
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const value = (): number => (next() < 0.1 ? 0 : (next() - 0.5) * 2 ** Math.floor(next() * 12 - 6))
  for (let piece = 0; piece < PIECES; piece++) {
    for (let i = 0; i < PIECE_BYTES / 4; i++) f32[(at(piece) >> 2) + i] = next() < 0.02 ? 2 ** -140 : value()
  }
  for (const piece of [QUERY, KEYS, VALUES]) {
    for (let i = 0; i < PIECE_BYTES; i++) i8[at(piece) + i] = Math.floor(next() * 127) - 63
  }
  const sums = new Int32Array(buffer, at(SUMS), PIECE_BYTES / 4)
  for (let i = 0; i < sums.length; i++) sums[i] = Math.floor((next() - 0.5) * 2 ** 20)
  for (const piece of [SCALES, COLUMNS, KEY_SCALES, VALUE_SCALES]) {
    for (let i = 0; i < PIECE_BYTES / 4; i++) f32[(at(piece) >> 2) + i] = Math.abs(f32[(at(piece) >> 2) + i]!)
  }
}

const [ROWS, GAIN, SUMS, SCALES, COLUMNS, ROPE, QUERY, KEYS, VALUES, KEY_SCALES, VALUE_SCALES] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
] as [number, number, number, number, number, number, number, number, number, number, number]
const [TMP, OUT, OUT_SCALES, QUERIES, WEIGHTS, HEADS, RESIDUALS] = [11, 12, 13, 14, 15, 16, 17] as const

/** Rotations as `HeadCall` wants them: each cosine twice, each sine with both signs. */
function fillRope(buffer: ArrayBufferLike, headDim: number): void {
  const f32 = new Float32Array(buffer, at(ROPE), 4 * headDim)
  for (let d = 0; d < f32.length; d += 2) {
    const isSine = Math.floor(d / headDim) % 2 === 1
    f32[d + 1] = f32[d]!
    if (isSine) f32[d] = -f32[d]!
  }
}

/** Every call once on a width, with heads of `headDim`. */
function run(glue: GlueKernels, width: number, headDim: number): void {
  const rows = 2
  const groups = 2
  const heads = 4
  const scales = at(SCALES)
  const columns = at(COLUMNS)
  glue.normRows({
    ...{ rows, row: at(ROWS), gain: at(GAIN), n: width, trueN: width, eps: 2 ** -16, tmp: at(TMP), q: at(OUT) },
    ...{ lda: width, scales: at(OUT_SCALES) },
  })
  glue.groupRows({ rows, acc: at(SUMS), groups, n: width, scales, columns, base: at(ROWS), out: at(RESIDUALS) })
  glue.residualRows({
    ...{ rows, acc: at(SUMS), ldacc: 4 * width, n: width, scales, columns, base: at(ROWS), out: at(RESIDUALS) + 1024 },
  })
  const cache = { k: at(KEYS), v: at(VALUES), kScale: at(KEY_SCALES), vScale: at(VALUE_SCALES) }
  glue.headRows({
    ...{
      rows,
      acc: at(SUMS),
      ldacc: 4 * (heads + 2 * groups) * headDim,
      scales,
      columns,
      rope: at(ROPE),
      heads,
      groups,
    },
    ...{ headDim, wide: at(TMP), q: at(QUERIES), qScale: at(QUERIES) + 2048 },
    ...{ k: at(HEADS), v: at(HEADS) + 1024, kScale: at(HEADS) + 2048, vScale: at(HEADS) + 3072 },
  })
  glue.attendRows({
    ...{ rows, count: 5, q: at(QUERY), qScale: scales, ...cache, groups, groupHeads: heads / groups, headDim },
    ...{ invSqrt: 0.25, weights: at(WEIGHTS), tmp: at(TMP), out: at(OUT) + 1024, outScale: at(OUT_SCALES) + 1024 },
  })
  glue.gateRows({
    ...{
      rows,
      acc: at(SUMS),
      ldacc: 8 * width,
      n: width,
      scales,
      columns,
      tmp: at(TMP),
      q: at(OUT) + 2048,
      lda: width,
    },
  })
}

/** Throws unless the glue leaves the same results, bit for bit, as the plain TypeScript one, on widths and heads of several sizes. */
export function glueTest(factory: KernelFactory): void {
  const bytes = at(PIECES)
  for (const [seed, width, headDim] of [
    [1, 64, 8],
    [2, 32, 16],
    [3, 128, 24],
    [4, 16, 32],
  ] as const) {
    const memory = factory.memory(bytes + factory.scratchBytes(NO_LIMITS))
    const expected = new ArrayBuffer(memory.buffer.byteLength)
    for (const buffer of [memory.buffer, expected]) {
      fill(buffer, seed)
      fillRope(buffer, headDim)
    }
    run(factory.attach(memory, bytes, NO_LIMITS), width, headDim)
    run(scalarGlue(expected), width, headDim)
    for (const piece of [OUT, OUT_SCALES, RESIDUALS, QUERIES, HEADS, SCALES]) {
      const actual = new Uint32Array(memory.buffer, at(piece), PIECE_BYTES / 4)
      const wanted = new Uint32Array(expected, at(piece), PIECE_BYTES / 4)
      if (actual.every((word, i) => word === wanted[i])) continue
      throw new Error(`${factory.name}: the glue fails its self-test at width ${width}, heads of ${headDim}`)
    }
  }
}

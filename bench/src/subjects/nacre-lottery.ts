/** The engine's products in the lottery, on shapes far larger than the devnet's. */
import { type KeyedHash, OPERAND_NOISE_LABEL, WEIGHT_NOISE_LABEL } from '@nacre/protocol'
import { Arena } from '../../../packages/engine/src/kernels/arena.ts'
import { operandStride } from '../../../packages/engine/src/kernels/product-layout.ts'
import {
  type FactoredNoise,
  type KernelFactory,
  type NoisedCall,
  padN,
  padRows,
} from '../../../packages/engine/src/kernels/types.ts'
import { noiseFactors } from '../../../packages/engine/src/run/noise.ts'
import { jobKey, type LotteryJob, type LotteryPart, type Measured } from '../jobs.ts'
import { checksum, OPERAND_SEED, operand, WEIGHT_SEED } from '../operands.ts'
import { timeRuns } from '../timing.ts'

/**
 * A tile that the rules allow: its rows as binary32 fit a ticket proof (WRK-7) with their openings, and it has at most 4096 sums. A
 * multiple of 12 rows suits register tiles of six rows and of four.
 */
const TILE_COLUMNS = 64
const PROOF_BYTES = 240 * 1024
const tileRows = (k: number): number => Math.min(60, 12 * Math.floor(PROOF_BYTES / (4 * k) / 12))

/** A product in a memory of its own. */
interface Placed {
  readonly call: NoisedCall
  plain(): void
  /** A W by way of noise; which one is in `call`. */
  noised(call: NoisedCall): void
  /** Packs W' of the weights' first columns with other noise. */
  noiseWeights(noise: FactoredNoise, denoises: boolean): void
  checksum(): number
}

export function nacreLottery(factory: KernelFactory, hash: KeyedHash): (job: LotteryJob, budgetMs: number) => Measured {
  const placed = new Map<string, Placed>()
  const operandNoise = (seed: Uint8Array, m: number, k: number, r: number): FactoredNoise =>
    noiseFactors(OPERAND_NOISE_LABEL, seed, m, k, r, hash)
  const weightNoise = (seed: Uint8Array, n: number, k: number, r: number): FactoredNoise =>
    noiseFactors(WEIGHT_NOISE_LABEL, seed, n, k, r, hash)

  const placeOf = (job: LotteryJob): Placed => {
    const { k, r } = job
    const [m, n] = job.part === 'tile' ? [tileRows(k), TILE_COLUMNS] : [job.m, job.n]
    const key = jobKey({ ...job, m, n, part: job.part === 'tile' ? 'tile' : 'whole' })
    const known = placed.get(key)
    if (known !== undefined) return known
    const made = place(factory, { m, k, n, r }, operandNoise(bytes32(1), m, k, r), weightNoise(bytes32(2), n, k, r))
    placed.set(key, made)
    return made
  }

  let draw = 0
  const works: Record<LotteryPart, (placed: Placed, job: LotteryJob) => void> = {
    plain: ({ plain }) => plain(),
    unfolded: ({ noised, call }) => noised({ ...call, tiles: { ...call.tiles, rowTiles: 0, columnTiles: 0 } }),
    fold: ({ noised, call }) => noised(call),
    whole: ({ noised, call }, { m, k, r }) => noised({ ...call, noise: operandNoise(bytes32(draw++ & 255), m, k, r) }),
    tile: ({ noised, noiseWeights, call }, { k, r }) => {
      const seed = bytes32(draw++ & 255)
      noiseWeights(weightNoise(seed, TILE_COLUMNS, k, r), false)
      noised({ ...call, noise: operandNoise(seed, tileRows(k), k, r), denoise: false })
    },
  }

  return (job, budgetMs) => {
    const at = placeOf(job)
    const measured = timeRuns(() => works[job.part](at, job), budgetMs)
    return job.part === 'tile' ? measured : { ...measured, checksum: at.checksum() }
  }
}

type Shape = NoisedCall['shape']

function place(factory: KernelFactory, shape: Shape, noise: FactoredNoise, weightNoise: FactoredNoise): Placed {
  const { m, k, n, r } = shape
  const lda = operandStride(k)
  const ldc = 4 * padN(n)
  const limits = { rows: m, k, noisedK: k, noisedN: n, rank: r }
  const tile = { h: tileRows(k), w: TILE_COLUMNS }
  const [rowTiles, columnTiles] = [Math.floor(m / tile.h), Math.floor(n / tile.w)]
  const arena = new Arena()
  const a = arena.reserve(padRows(m) * lda)
  const c = arena.reserve(padRows(m) * ldc)
  const states = arena.reserve(64 * rowTiles * columnTiles)
  const plain = arena.reserve(factory.packedBytes(n, k))
  const w = arena.reserve(factory.noisedBytes(n, k, r))
  const scratch = arena.reserve(factory.scratchBytes(limits))
  const kernels = factory.attach(factory.memory(arena.bytes), scratch, limits)
  const rows = operand(m * k, OPERAND_SEED)
  const weights = operand(n * k, WEIGHT_SEED)
  for (let i = 0; i < m; i++) new Int8Array(kernels.buffer).set(rows.subarray(i * k, (i + 1) * k), a + i * lda)
  kernels.pack(plain, weights, n, k)
  const noiseWeights = (fresh: FactoredNoise, denoises: boolean): void =>
    kernels.noiseWeights(w, weights, fresh, n, k, r, denoises)
  noiseWeights(weightNoise, true)
  const tiles = { ...tile, rowTiles, columnTiles, states }
  return {
    call: { shape, a, lda, noise, w, c, ldc, tiles, denoise: true },
    plain: () => kernels.gemm({ a, lda, w: plain, c, ldc, m, n, k }),
    noised: (call) => {
      if (!kernels.noisedProduct(call)) throw new Error('the kernels cannot denoise this shape')
    },
    noiseWeights,
    checksum: () => checksum(new Int32Array(kernels.buffer, c, m * padN(n)), m, n, padN(n)),
  }
}

const bytes32 = (value: number): Uint8Array => new Uint8Array(32).fill(value)

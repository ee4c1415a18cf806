/** The engine's products in the lottery, on shapes far larger than the devnet's. */
import {
  emptyTrace,
  foldTile,
  type KeyedHash,
  noisedOperandRows,
  noisedWeightColumns,
  OP_GATE_UP,
  operandNoise,
  preRootOf,
  type QuantMatrix,
  syntheticModel,
  type Trace,
  weightNoise,
} from '@nacre/protocol'
import { packPanels, panelBytes } from '../../../packages/engine/src/kernels/pack.ts'
import type { KernelFactory } from '../../../packages/engine/src/kernels/types.ts'
import { NoisedProducts } from '../../../packages/engine/src/run/noised-product.ts'
import { jobKey, type LotteryJob, type LotteryPart, type Measured } from '../jobs.ts'
import { NOISED_MAX, OPERAND_SEED, operand, WEIGHT_SEED } from '../operands.ts'
import { elapsed, timeRuns } from '../timing.ts'

/** The largest tile that the rules allow, square. */
const TILE = 64

/** One piece of work; `besides` is what it does that does not belong to it. */
interface Work {
  run(): void
  besides?(): void
}

export function nacreLottery(factory: KernelFactory, hash: KeyedHash): (job: LotteryJob, budgetMs: number) => Measured {
  const works = new Map<string, Work>()
  const prepare: Record<LotteryPart, (job: LotteryJob) => Work> = {
    plain: (job) => product(factory, job),
    unfolded: (job) => product(factory, job),
    fold: (job) => product(factory, job),
    whole: (job) => whole(factory, hash, job),
    tile: (job) => tile(hash, job),
  }
  return (job, budgetMs) => {
    const key = jobKey(job)
    const work = works.get(key) ?? prepare[job.part](job)
    works.set(key, work)
    const measured = timeRuns(() => work.run(), budgetMs)
    return work.besides === undefined ? measured : { ...measured, ms: measured.ms - elapsed(() => work.besides!()) }
  }
}

/** A product of the kernels, plain or folded; the plain lottery-free one has quantised operands, the others noised ones. */
function product(factory: KernelFactory, { m, k, n, r, part }: LotteryJob): Work {
  const max = part === 'plain' ? undefined : NOISED_MAX
  const a = 64
  const w = align(a + 2 * m * k)
  const c = align(w + panelBytes(n, k))
  const states = align(c + 4 * m * n)
  const scratch = align(states + 64 * Math.ceil(m / TILE) * Math.ceil(n / TILE))
  const kernels = factory.instantiate(scratch + (16 * k) / r)
  new Int16Array(kernels.buffer, a, m * k).set(operand(m * k, OPERAND_SEED, max))
  packPanels(new Int8Array(kernels.buffer, w), operand(n * k, WEIGHT_SEED, max), n, k)
  const call = { a, lda: 2 * k, w, c, ldc: 4 * n, k }
  if (part !== 'fold') return { run: () => kernels.gemm8({ ...call, m, n, add: false }) }
  const tiles = { tileRows: TILE, tileColumns: TILE, rowTiles: m / TILE, columnTiles: n / TILE }
  return { run: () => kernels.fold({ ...call, r, ...tiles, states, scratch }) }
}

/** A ticket operation of a model of one layer with the shape that is asked for. */
function whole(factory: KernelFactory, hash: KeyedHash, { m, k, n, r }: LotteryJob): Work {
  const dims = {
    dModel: k,
    nLayers: 1,
    nHeads: 1,
    nKvHeads: 1,
    headDim: 64,
    ffnDim: n / 2,
    vocabSize: 260,
    maxSeqLen: m,
  }
  const model = syntheticModel({ name: 'bench', dims, seed: 'bench', tiedHead: true })
  const params = { noiseRank: r, tileRows: TILE, tileColumns: TILE }
  const products = new NoisedProducts(model, params, factory, hash)
  const trace: Trace = emptyTrace({ promptTokens: m, newTokens: 1, dims: model.config })
  const values = Int16Array.from(operand(m * k, OPERAND_SEED))
  const rows = { values, start: 0, stride: k, rows: m }
  const keys = { parentBeacon: bytes32(1), minerKey: bytes32(2) }
  let unit = 0
  return {
    run: () => {
      products.begin()
      products.product({ ...keys, unitId: bytes32(unit++ & 255) }, trace, 0, OP_GATE_UP, rows)
    },
    // The root that the noise commits to is part of the trace, lottery or not.
    besides: () => preRootOf(trace, 0, OP_GATE_UP, hash),
  }
}

/** What `verifyTicketProof` does besides hashes of the opening: noise, product and fold of one tile. */
function tile(hash: KeyedHash, { k, n, r }: LotteryJob): Work {
  const rows = operand(TILE * k, OPERAND_SEED)
  const matrix: QuantMatrix = { rows: n, columns: k, q: operand(n * k, WEIGHT_SEED), scale: new Float32Array(n) }
  const shape = { h: TILE, w: TILE, k, r }
  let draw = 0
  return {
    run: () => {
      const seed = bytes32(draw++ & 255)
      const a = noisedOperandRows(rows, operandNoise(seed, k, r, TILE, TILE, hash))
      foldTile(a, noisedWeightColumns(matrix, weightNoise(seed, k, r, TILE, TILE, hash)), shape)
    },
  }
}

const bytes32 = (value: number): Uint8Array => new Uint8Array(32).fill(value)
const align = (bytes: number): number => Math.ceil(bytes / 64) * 64

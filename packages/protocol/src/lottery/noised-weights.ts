/** W' of a ticket operation, the part of the lottery that all units on one parent share (WRK-2). */
import { equalBytes } from '../bytes.ts'
import type { KeyedHash } from '../hash.ts'
import type { Model } from '../model/types.ts'
import type { TicketOp } from '../trace/types.ts'
import { type Noise, noisedWeightColumns, weightNoise } from './noise.ts'
import { ticketMatrix } from './operand.ts'
import { weightNoiseSeed } from './seeds.ts'
import { type LotteryParams, ticketShape } from './tickets.ts'

/** Some consecutive columns of W'. A pure function of (beacon, model, layer, operation, rank), so callers may keep it. */
export interface NoisedWeights {
  /** Seed of F: it identifies beacon, model, layer, operation and dimensions. */
  readonly seed: Uint8Array
  /** F of these columns. */
  readonly noise: Noise
  readonly firstColumn: number
  readonly columns: number
  /** columns x k values in [-126, 126]: row j is output column firstColumn + j. */
  readonly noised: Int8Array
}

/** Names one ticket operation on one parent. */
export interface WeightSide {
  readonly modelParams: LotteryParams
  readonly model: Model
  /** Beacon of the parent block, 32 bytes. */
  readonly parentBeacon: Uint8Array
  readonly layer: number
  readonly op: TicketOp
}

/** What a cache holds of W': see {@link NoisedWeights}. */
export type KeptColumns = Pick<NoisedWeights, 'seed' | 'firstColumn' | 'columns' | 'noised'>

/**
 * Where callers keep W': they return these columns of the operation, or more, or undefined. Nothing trusts it blindly: a value
 * with another seed or without the columns is ignored.
 */
export type WeightNoiseCache = (side: WeightSide, firstColumn: number, columns: number) => KeptColumns | undefined

/** Seed of F of a ticket operation. */
export function weightSeedOf(side: WeightSide): Uint8Array {
  const { model, parentBeacon, layer, op } = side
  const { k, n, r } = ticketShape(model.config, side.modelParams, op, 0)
  return weightNoiseSeed({ parentBeacon, modelId: model.modelId, layer, op, k, n, r })
}

/** Columns firstColumn .. firstColumn + columns - 1 of W'; all of them by default. */
export function noiseWeights(
  side: WeightSide,
  firstColumn = 0,
  columns: number = ticketShape(side.model.config, side.modelParams, side.op, 0).n,
  hash?: KeyedHash,
): NoisedWeights {
  const { k, r } = ticketShape(side.model.config, side.modelParams, side.op, 0)
  const seed = weightSeedOf(side)
  const noise = weightNoise(seed, k, r, firstColumn, columns, hash)
  const noised = noisedWeightColumns(ticketMatrix(side.model, side.layer, side.op), noise)
  return { seed, noise, firstColumn, columns, noised }
}

/**
 * Columns firstColumn .. firstColumn + columns - 1 of W' as columns x k values: a view of what `cache` holds if that has the
 * right seed and all of them, freshly computed otherwise. A stale value costs time, never a wrong verdict.
 */
export function noisedColumns(
  side: WeightSide,
  firstColumn: number,
  columns: number,
  cache?: WeightNoiseCache,
  hash?: KeyedHash,
): Int8Array {
  const k = side.model.config.dModel
  const kept = cache?.(side, firstColumn, columns)
  const holds =
    kept !== undefined &&
    firstColumn >= kept.firstColumn &&
    firstColumn + columns <= kept.firstColumn + kept.columns &&
    equalBytes(kept.seed, weightSeedOf(side))
  if (!holds) return noiseWeights(side, firstColumn, columns, hash).noised
  const start = firstColumn - kept.firstColumn
  return kept.noised.subarray(start * k, (start + columns) * k)
}

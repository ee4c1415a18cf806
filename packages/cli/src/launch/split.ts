/** Who gets the subsidies (ECO-3): block by block with the protocol's own coinbase, every block a bootstrap block. */
import { bootstrapCoinbase, type Params } from '@nacre/protocol'
import { percentOf } from './format.ts'
import { HORIZONS, heightAfter } from './supply.ts'

/** Blocks that are followed one by one: a year of 194 s blocks. Longer horizons are left out. */
export const MAX_SPLIT_BLOCKS = 200_000

/** Sums over blocks 1..height, in grains. emitted = minerDirect + released + deferredPot + verifiers + team. */
export interface SplitRow {
  readonly label: string
  readonly height: number
  readonly emitted: bigint
  /** The miners' part of the subsidies. */
  readonly minerDirect: bigint
  /** Paid to miners out of the deferred pot. */
  readonly released: bigint
  /** Withheld and not yet released. */
  readonly deferredPot: bigint
  readonly verifiers: bigint
  readonly team: bigint
  /** minerDirect + released, of emitted. */
  readonly minerPercent: number
}

export interface SplitAudit {
  readonly bootstrapFactorPpm: number
  readonly verifierSharePpm: number
  readonly rows: readonly SplitRow[]
  /** Labels of the horizons beyond {@link MAX_SPLIT_BLOCKS}. */
  readonly leftOut: readonly string[]
}

export interface Split {
  readonly audit: SplitAudit
  /** What the miner of block i + 1 gets without fees, in grains. */
  readonly minerPaid: Float64Array
}

/** Follows the coinbases up to the last horizon that is near enough. */
export function splitOf(params: Params): Split {
  const { bootstrapFactorPpm, verifierSharePpm } = params.emission
  const horizons = HORIZONS.map(({ label, days }) => ({ label, height: heightAfter(params, days) }))
  const near = horizons.filter(({ height }) => height > 0 && height <= MAX_SPLIT_BLOCKS)
  const leftOut = horizons.filter(({ height }) => height > MAX_SPLIT_BLOCKS).map(({ label }) => label)
  const last = Math.max(0, ...near.map(({ height }) => height))
  const minerPaid = new Float64Array(last)
  const rows: SplitRow[] = []
  const sum = { emitted: 0n, minerDirect: 0n, released: 0n, deferredPot: 0n, verifiers: 0n, team: 0n }
  for (let height = 1; height <= last; height++) {
    const parts = bootstrapCoinbase(params, height, sum.deferredPot)
    sum.emitted += parts.subsidy
    sum.minerDirect += parts.minerSubsidy
    sum.released += parts.release
    sum.deferredPot += parts.deferred - parts.release
    sum.verifiers += parts.verifierShare
    sum.team += parts.teamShare
    minerPaid[height - 1] = Number(parts.minerSubsidy + parts.release)
    for (const { label } of near.filter((each) => each.height === height))
      rows.push({ label, height, ...sum, minerPercent: percentOf(sum.minerDirect + sum.released, sum.emitted) })
  }
  return { audit: { bootstrapFactorPpm, verifierSharePpm, rows, leftOut }, minerPaid }
}

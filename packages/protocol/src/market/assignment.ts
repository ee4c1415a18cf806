/** ECO-6: the order of miners for one job, by weighted sampling without replacement. Pure arithmetic. */
import { bigintFromLe, u32le } from '../bytes.ts'
import { PPM } from '../emission/coinbase.ts'
import { taggedHash } from '../hash.ts'

/** A miner that may get a job. */
export interface Candidate {
  /** See {@link samplingWeights}. */
  readonly weight: bigint
  /** MACs that it can still take in this block. */
  readonly room: bigint
}

/**
 * Weights for drawing from the matured work of each candidate. Whoever has none is a newcomer: all of them share
 * `newcomerSharePpm` of the draw, the others the rest in proportion to their work. With only one kind of candidate
 * that kind has everything. Same order as `work`.
 */
export function samplingWeights(work: readonly bigint[], newcomerSharePpm: number): bigint[] {
  const total = work.reduce((sum, each) => sum + each, 0n)
  if (total === 0n) return work.map(() => 1n)
  const newcomers = BigInt(work.filter((each) => each === 0n).length)
  if (newcomers === 0n) return [...work]
  const share = BigInt(newcomerSharePpm)
  return work.map((each) => (each === 0n ? total * share : each * (PPM - share) * newcomers))
}

/**
 * Indices of the candidates in the order of their ranks, at most `ranks` of them. Rank 0 is drawn from those whose room
 * holds the job, or, if none has room, from all: capacities of several miners may hold a job that no single one does.
 * The others are drawn from whoever is left. Rank k uses u = H[assignment](beacon | jobId | u32 k) as a little-endian
 * integer and takes the first candidate whose cumulative weight exceeds floor(u * total / 2^256).
 */
export function drawRanks(
  candidates: readonly Candidate[],
  macs: bigint,
  ranks: number,
  beacon: Uint8Array,
  jobId: Uint8Array,
): number[] {
  const all = candidates.map((_, index) => index)
  const withRoom = all.filter((index) => candidates[index]!.room >= macs && candidates[index]!.weight > 0n)
  const order: number[] = []
  while (order.length < ranks) {
    const from = order.length === 0 && withRoom.length > 0 ? withRoom : all.filter((index) => !order.includes(index))
    const total = from.reduce((sum, index) => sum + candidates[index]!.weight, 0n)
    if (total === 0n) break
    const draw = bigintFromLe(taggedHash('assignment', beacon, jobId, u32le(order.length)))
    let left = (draw * total) >> 256n
    const drawn = from.find((index) => {
      left -= candidates[index]!.weight
      return left < 0n
    })
    order.push(drawn!)
  }
  return order
}

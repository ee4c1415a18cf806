import { bitsFromTarget, TARGET_LIMIT, targetFromBits, workOfTarget } from '../src/difficulty/bits.ts'
import { type DifficultyHeader, medianTimePast, nextBits } from '../src/difficulty/next-bits.ts'
import type { DifficultyAlgorithm, Params } from '../src/params/types.ts'

/** A seeded generator of numbers in [0, 1) (mulberry32): the same seed, the same run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** MACs of a block at genesis in simulations; the hash rate 1 finds such a block in one block time. */
export const GENESIS_WORK: bigint = 10n ** 15n

/** `params` with a difficulty rule, and genesis calibrated for hash rate 1. */
export function withDifficulty(params: Params, algorithm: DifficultyAlgorithm, blocksPerHalfLife: number): Params {
  return {
    ...params,
    difficulty: {
      algorithm,
      halfLifeMs: blocksPerHalfLife * params.block.timeMs,
      genesisBits: bitsFromTarget(TARGET_LIMIT / GENESIS_WORK),
      maxTargetBits: 0x20100000,
    },
  }
}

/** A block as it was found: `nowMs` is the true time, `timeMs` what its miner wrote. */
export interface SimulatedBlock extends DifficultyHeader {
  readonly nowMs: number
}

export interface Simulation {
  readonly params: Params
  readonly blocks: number
  /** Hash rate in units of the calibrated one, by true time in block times. */
  readonly hashRate?: (blockTimes: number) => number
  /** Solve times are exponential with this generator; without one they are exactly the expected ones. */
  readonly random?: () => number
  /** What the miner writes as time; the rules of BLK-6 are enforced on it. */
  readonly stamp?: (chain: readonly SimulatedBlock[], nowMs: number, earliestMs: number) => number
}

/** Mines a chain by the protocol's own difficulty rule; genesis, at time 0, included. */
export function simulate({
  params,
  blocks,
  hashRate = () => 1,
  random,
  stamp = (_, now) => now,
}: Simulation): SimulatedBlock[] {
  const chain: SimulatedBlock[] = [{ height: 0, timeMs: 0, nowMs: 0, bits: params.difficulty.genesisBits }]
  const blockTime = params.block.timeMs
  let now = 0
  for (let height = 1; height <= blocks; height++) {
    const bits = nextBits(params, height > 2 ? [chain[1]!, ...chain.slice(Math.max(2, height - 2))] : chain)
    const difficulty = Number(workOfTarget(targetFromBits(bits))) / Number(GENESIS_WORK)
    const luck = random === undefined ? 1 : -Math.log(1 - random())
    now += (luck * difficulty * blockTime) / hashRate(now / blockTime)
    const earliest = medianTimePast(chain.slice(-11).map((block) => block.timeMs)) + 1
    const latest = Math.floor(now) + params.block.maxFutureMs
    const timeMs = Math.min(latest, Math.max(earliest, Math.floor(stamp(chain, Math.floor(now), earliest))))
    chain.push({ height, timeMs, nowMs: now, bits })
  }
  return chain
}

/** Mean true time between blocks, in block times, from one height to another. */
export function meanBlockTime(params: Params, chain: readonly SimulatedBlock[], from: number, to: number): number {
  return (chain[to]!.nowMs - chain[from]!.nowMs) / (to - from) / params.block.timeMs
}

/** Blocks found beyond one per block time, at the end of the chain. */
export function surplusBlocks(params: Params, chain: readonly SimulatedBlock[]): number {
  const last = chain.at(-1)!
  return last.height - last.nowMs / params.block.timeMs
}

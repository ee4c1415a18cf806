import {
  ANCHOR_HEIGHT,
  DIFFICULTY_ANCESTORS,
  type DifficultyHeader,
  isBetterBranch,
  MEDIAN_TIME_SPAN,
  medianTimePast,
  nextBits,
  type Params,
  targetFromBits,
  workOfTarget,
} from '@nacre/protocol'
import { createStream, type RandomStream } from '../core/random.ts'
import type { Scheduled, Simulation } from '../core/simulation.ts'

/** A block of the simulated chain. */
export interface SimBlock extends DifficultyHeader {
  readonly parent: SimBlock | undefined
  /** The block at the height that anchors `asert` on this branch; undefined below it. */
  readonly anchor: SimBlock | undefined
  /** Accumulated expected work of the branch, in MACs (BLK-5). */
  readonly branchWork: bigint
  /** Expected work of this block alone, in MACs. */
  readonly workMacs: number
  /** Simulated time at which it was found, in ms since the launch; `timeMs` is the header's, an absolute integer. */
  readonly foundMs: number
  /** Index of the miner, -1 for genesis. */
  readonly miner: number
  /** What the miner's `member` function said, 0 without one. */
  readonly member: number
}

export interface MinerOptions {
  readonly name: string
  /**
   * A crowd stands for many small miners: they get each other's blocks only after the propagation delay. Otherwise the
   * miner is one machine room that knows its own blocks at once.
   */
  readonly crowd: boolean
  /** Called for each block found: which member of the crowd found it. */
  readonly member?: (stream: RandomStream) => number
  /** Called when the miner's best block changes, before it goes on; `nextWorkMacs`: expected MACs of the next block. */
  readonly onTip?: (tip: SimBlock, nextWorkMacs: number) => void
}

interface Miner {
  readonly options: MinerOptions
  readonly luck: RandomStream
  readonly choice: RandomStream
  tip: SimBlock
  /** Bits and expected MACs of the block that it works on. */
  bits: number
  workMacs: number
  macsPerMs: number
  /** Expected blocks still to go through until the next find: exponential with mean 1, used up by working. */
  remaining: number
  sinceMs: number
  spentMacs: number
  /** Blocks to be expected of the work spent, at the difficulties it was spent at. */
  expectedBlocks: number
  pending: Scheduled | undefined
}

/**
 * Miners on one chain. Finding is a Poisson process of rate (MACs per ms) / (expected MACs of the block), each miner with
 * its own stream; what a miner has used up of its waiting time survives changes of tip, difficulty and speed. Difficulty,
 * median time and fork choice are the protocol's functions. Blocks reach other miners after a constant delay.
 */
export class MiningNetwork {
  readonly genesis: SimBlock
  readonly #params: Params
  readonly #simulation: Simulation
  readonly #seed: number
  readonly #propagationMs: number
  readonly #launchMs: number
  readonly #miners: Miner[] = []
  readonly #workOfBits = new Map<number, bigint>()
  #found = 0
  /** The last answer of `nextBits`: all miners ask for the same block, one after the other. */
  #latest: { readonly parent: SimBlock; readonly bits: number } | undefined

  /** The simulation's time 0 is the announced launch, genesis time plus launch delay: no block is earlier. */
  constructor(params: Params, simulation: Simulation, seed: number, propagationMs: number) {
    this.#params = params
    this.#simulation = simulation
    this.#seed = seed
    this.#propagationMs = propagationMs
    this.#launchMs = params.network.genesisTimeMs + params.network.launchDelayMs
    this.genesis = {
      height: 0,
      timeMs: params.network.genesisTimeMs,
      bits: params.difficulty.genesisBits,
      parent: undefined,
      anchor: undefined,
      branchWork: 0n,
      workMacs: 0,
      foundMs: 0,
      miner: -1,
      member: 0,
    }
  }

  /** Blocks found so far, stale ones included. */
  get found(): number {
    return this.#found
  }

  /** Adds a miner that stands still until {@link setSpeed}; returns its index. */
  addMiner(options: MinerOptions): number {
    const luck = createStream(this.#seed, `${options.name}/luck`)
    const bits = this.#bitsAfter(this.genesis)
    this.#miners.push({
      options,
      luck,
      choice: createStream(this.#seed, `${options.name}/choice`),
      tip: this.genesis,
      bits,
      workMacs: this.workOf(bits),
      macsPerMs: 0,
      remaining: luck.exponential(),
      sinceMs: this.#simulation.nowMs,
      spentMacs: 0,
      expectedBlocks: 0,
      pending: undefined,
    })
    return this.#miners.length - 1
  }

  /** Sets how many MACs per ms a miner works at; 0 stops it. */
  setSpeed(index: number, macsPerMs: number): void {
    const miner = this.#miners[index]!
    this.#useUp(miner)
    miner.macsPerMs = macsPerMs
    this.#schedule(index, miner)
  }

  /** MACs that a miner has worked so far, and the blocks to be expected of them at the difficulties of the time. */
  effortOf(index: number): { macs: number; expectedBlocks: number } {
    const miner = this.#miners[index]!
    this.#useUp(miner)
    this.#schedule(index, miner)
    return { macs: miner.spentMacs, expectedBlocks: miner.expectedBlocks }
  }

  /** The best branch that any miner knows, heights 1 and up in order. */
  bestChain(): SimBlock[] {
    let best = this.genesis
    for (const { tip } of this.#miners) if (isBetterBranch(tip.branchWork, best.branchWork)) best = tip
    const chain: SimBlock[] = []
    for (let block: SimBlock | undefined = best; block?.parent !== undefined; block = block.parent) chain.push(block)
    return chain.reverse()
  }

  /** Expected MACs of a block with these bits (BLK-5). */
  workOf(bits: number): number {
    return Number(this.#exactWorkOf(bits))
  }

  #exactWorkOf(bits: number): bigint {
    let work = this.#workOfBits.get(bits)
    if (work === undefined) {
      work = workOfTarget(targetFromBits(bits))
      this.#workOfBits.set(bits, work)
    }
    return work
  }

  #useUp(miner: Miner): void {
    const { nowMs } = this.#simulation
    const macs = (nowMs - miner.sinceMs) * miner.macsPerMs
    miner.remaining = Math.max(0, miner.remaining - macs / miner.workMacs)
    miner.spentMacs += macs
    miner.expectedBlocks += macs / miner.workMacs
    miner.sinceMs = nowMs
  }

  #schedule(index: number, miner: Miner): void {
    if (miner.pending !== undefined) miner.pending.cancelled = true
    miner.pending =
      miner.macsPerMs > 0
        ? this.#simulation.after((miner.remaining * miner.workMacs) / miner.macsPerMs, () => this.#find(index, miner))
        : undefined
  }

  #find(index: number, miner: Miner): void {
    this.#useUp(miner)
    miner.remaining = miner.luck.exponential()
    this.#found++
    const block = this.#extend(miner, index)
    if (miner.options.crowd) this.#schedule(index, miner)
    this.#miners.forEach((other, at) => {
      if (this.#propagationMs === 0 || (at === index && !miner.options.crowd)) this.#receive(at, other, block)
      else this.#simulation.after(this.#propagationMs, () => this.#receive(at, other, block))
    })
  }

  #extend(miner: Miner, index: number): SimBlock {
    const parent = miner.tip
    const foundMs = this.#simulation.nowMs
    const height = parent.height + 1
    const block = {
      height,
      timeMs: Math.max(this.#launchMs + Math.floor(foundMs), medianTimePast(timesUpTo(parent)) + 1),
      bits: miner.bits,
      parent,
      anchor: parent.anchor,
      branchWork: parent.branchWork + this.#exactWorkOf(miner.bits),
      workMacs: miner.workMacs,
      foundMs,
      miner: index,
      member: miner.options.member?.(miner.choice) ?? 0,
    }
    if (height === ANCHOR_HEIGHT) block.anchor = block as SimBlock
    return block
  }

  #receive(index: number, miner: Miner, block: SimBlock): void {
    if (!isBetterBranch(block.branchWork, miner.tip.branchWork)) return
    this.#useUp(miner)
    miner.tip = block
    miner.bits = this.#bitsAfter(block)
    miner.workMacs = this.workOf(miner.bits)
    miner.options.onTip?.(block, miner.workMacs)
    this.#schedule(index, miner)
  }

  #bitsAfter(parent: SimBlock): number {
    if (this.#latest?.parent !== parent) {
      const heights = DIFFICULTY_ANCESTORS[this.#params.difficulty.algorithm](parent.height + 1)
      const headers = heights.map((height) => ancestorOf(parent, height))
      this.#latest = { parent, bits: nextBits(this.#params, headers) }
    }
    return this.#latest.bits
  }
}

function ancestorOf(block: SimBlock, height: number): SimBlock {
  if (height === ANCHOR_HEIGHT && block.anchor !== undefined) return block.anchor
  let at = block
  while (at.height > height && at.parent !== undefined) at = at.parent
  return at
}

function timesUpTo(block: SimBlock): number[] {
  const times: number[] = []
  for (let at: SimBlock | undefined = block; at !== undefined && times.length < MEDIAN_TIME_SPAN; at = at.parent)
    times.push(at.timeMs)
  return times.reverse()
}

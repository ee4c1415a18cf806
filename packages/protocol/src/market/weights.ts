/** ECO-6: the weight that draws jobs, an exponential average of the work of a key's matured winning blocks. Integers only. */
import { PPM } from '../emission/coinbase.ts'
import { boundedWork } from '../ledger/published.ts'
import type { StateDraft, StateReader } from '../ledger/state.ts'
import type { Params } from '../params/types.ts'
import { readWeight, writeWeight } from './entries.ts'

/** Fixed point of the fading factor. */
const ONE_BITS = 64n
const ONE = 1n << ONE_BITS

/**
 * `work` after `blocks` blocks: floor(work * q^blocks / 2^64), q = 2^64 - floor(2^64 / weightBlocks), the power by squaring
 * from the lowest bit with each product divided by 2^64 and rounded down.
 */
export function fadedWork(work: bigint, blocks: number, weightBlocks: number): bigint {
  let factor = ONE
  let base = ONE - ONE / BigInt(weightBlocks)
  for (let left = blocks; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) factor = (factor * base) >> ONE_BITS
    base = (base * base) >> ONE_BITS
  }
  return (work * factor) >> ONE_BITS
}

/** The sum of a key's matured work at `height`, each win faded by its age, in MACs; 0 for a newcomer. */
export function weightAt(params: Params, reader: StateReader, publicKey: Uint8Array, height: number): bigint {
  const weight = readWeight(reader, publicKey)
  return weight === undefined ? 0n : fadedWork(weight.work, height - weight.height, params.jobs.weightBlocks)
}

/** Average work per block that a weight stands for: about the key's share of the network's work, in MACs per block. */
export function averageWork(params: Params, weight: bigint): bigint {
  return weight / BigInt(params.jobs.weightBlocks)
}

/** A win counts from the height on at which its coinbase matures. */
export function addWin(params: Params, draft: StateDraft, publicKey: Uint8Array, work: bigint, height: number): void {
  const sum = weightAt(params, draft, publicKey, height) + work
  writeWeight(draft, publicKey, { work: boundedWork(sum), height })
}

/** Non-delivery costs a part of the weight. Returns false if there was none to lose. */
export function loseWeight(params: Params, draft: StateDraft, publicKey: Uint8Array, height: number): boolean {
  const before = weightAt(params, draft, publicKey, height)
  writeWeight(draft, publicKey, { work: (before * (PPM - BigInt(params.jobs.nonDeliveryPpm))) / PPM, height })
  return before > 0n
}

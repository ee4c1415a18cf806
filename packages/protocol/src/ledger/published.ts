/** What the chain says of itself (E2): how much of its work and of its MACs somebody paid for, and how much of what it minted burned. */
import { type Codec, defineCodec, u128 } from '../codec.ts'
import { PPM } from '../emission/coinbase.ts'
import { LANE_BOOTSTRAP, LANE_OPEN, LANE_PAID, type Lane } from '../unit/types.ts'
import { readAmount, readEntry } from './entries.ts'
import { SETTLED_MACS_KEY, workKey } from './keys.ts'
import type { StateDraft, StateReader } from './state.ts'

/** Work in one entry is at most this many MACs. */
export const MAX_WORK: bigint = (1n << 128n) - 1n
/** Expected work in MACs. */
export const workCodec: Codec<bigint> = defineCodec('work', u128, 16)

/** `work`, or the most that an entry holds. */
export function boundedWork(work: bigint): bigint {
  return work < MAX_WORK ? work : MAX_WORK
}

/** Expected work of all blocks of a lane so far, in MACs. */
export function readWork(reader: StateReader, lane: Lane): bigint {
  return readEntry(reader, workKey(lane), workCodec) ?? 0n
}

/** Counts a block's work for its lane. */
export function addWork(draft: StateDraft, lane: Lane, work: bigint): void {
  draft.set(workKey(lane), workCodec.encode(boundedWork(readWork(draft, lane) + work)))
}

/** MACs of all jobs that have settled: what clients have paid for. */
export function readSettledMacs(reader: StateReader): bigint {
  return readEntry(reader, SETTLED_MACS_KEY, workCodec) ?? 0n
}

/** Counts the MACs of jobs that settle. */
export function addSettledMacs(draft: StateDraft, macs: bigint): void {
  if (macs > 0n) draft.set(SETTLED_MACS_KEY, workCodec.encode(boundedWork(readSettledMacs(draft) + macs)))
}

/**
 * Part of the chain's MACs that somebody paid for, in parts per million: those of settled jobs, over these and the expected work of all
 * blocks but the paid ones, which were drawn over the same jobs. 0 before the first.
 */
export function paidMacsPpm(reader: StateReader): bigint {
  const settled = readSettledMacs(reader)
  const all = settled + readWork(reader, LANE_BOOTSTRAP) + readWork(reader, LANE_OPEN)
  return all === 0n ? 0n : (settled * PPM) / all
}

/** Part of all blocks' work that paid units did, in parts per million; 0 before the first block. */
export function usefulSharePpm(reader: StateReader): bigint {
  const paid = readWork(reader, LANE_PAID)
  const all = paid + readWork(reader, LANE_BOOTSTRAP) + readWork(reader, LANE_OPEN)
  return all === 0n ? 0n : (paid * PPM) / all
}

/** Grains burned over grains emitted, in parts per million; 0 before anything is emitted. */
export function burnedOverMintedPpm(reader: StateReader): bigint {
  const emitted = readAmount(reader, 'emitted')
  return emitted === 0n ? 0n : (readAmount(reader, 'burned') * PPM) / emitted
}

/** What the chain says of itself (E2): how much of its work somebody paid for, and how much of what it minted burned. */
import { type Codec, defineCodec, u128 } from '../codec.ts'
import { PPM } from '../emission/coinbase.ts'
import { LANE_BOOTSTRAP, LANE_OPEN, LANE_PAID, type Lane } from '../unit/types.ts'
import { readAmount, readEntry } from './entries.ts'
import { workKey } from './keys.ts'
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

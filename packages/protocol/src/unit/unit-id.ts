import * as P from 'micro-packed'
import { bytes32, type Codec, defineCodec, u8, u32 } from '../codec.ts'
import { check } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import type { Toggle } from '../params/types.ts'
import { LANE_BOOTSTRAP, LANE_OPEN, LANE_PAID, type UnitDescriptor } from './types.ts'

interface KeyedUnit extends UnitDescriptor {
  readonly minerKey: Uint8Array
}

const coder: P.CoderType<KeyedUnit> = P.struct({
  lane: u8,
  parentId: bytes32,
  minerKey: bytes32,
  modelId: bytes32,
  jobId: bytes32,
  counter: u32,
}) as unknown as P.CoderType<KeyedUnit>

/** 133 bytes: what the unit id commits to. */
const keyedUnit: Codec<KeyedUnit> = defineCodec('unit', coder, 1 + 4 * 32 + 4)

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/**
 * UNT-1: a bootstrap unit has a counter and no job, a paid unit a job and no counter, so that one unit has one
 * descriptor. Without `bindings.singleUse` (B5) a paid unit may have a counter too. Open work has no model.
 * Throws UNIT_LANE.
 */
export function checkLane(unit: UnitDescriptor, singleUse: Toggle = 'on'): void {
  const isLane = unit.lane === LANE_BOOTSTRAP || unit.lane === LANE_PAID || unit.lane === LANE_OPEN
  check(isLane, 'UNIT_LANE', `there is no lane ${String(unit.lane)}`)
  if (unit.lane === LANE_OPEN) check(isZero(unit.modelId), 'UNIT_LANE', 'open work names no model')
  else if (unit.lane === LANE_BOOTSTRAP) check(isZero(unit.jobId), 'UNIT_LANE', 'a bootstrap unit has no job')
  else {
    check(!isZero(unit.jobId), 'UNIT_LANE', 'a paid unit has a job')
    check(unit.counter === 0 || singleUse === 'off', 'UNIT_LANE', `a paid unit has no counter, not ${unit.counter}`)
  }
}

/**
 * `unitId` (UNT-1): the hash of lane, parent, miner key, model, job and counter. Without `bindings.singleUse` the counter counts
 * as 0: it changes neither prompt nor noise, only the tickets' key (B5).
 * @param minerKey 32 bytes.
 * @returns 32 bytes. Throws UNIT_LANE, or CODEC_MALFORMED for a field of the wrong size.
 */
export function unitId(unit: UnitDescriptor, minerKey: Uint8Array, singleUse: Toggle = 'on'): Uint8Array {
  checkLane(unit, singleUse)
  const counter = singleUse === 'on' ? unit.counter : 0
  return taggedHash('unitId', keyedUnit.encode({ ...unit, counter, minerKey }))
}

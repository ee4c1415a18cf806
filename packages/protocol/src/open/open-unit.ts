/** Units of the open lane (chapter 12): work over matrices that the miner brings, under the rules of the Pearl baseline. */
import { concatBytes } from '../bytes.ts'
import { type Configuration, decodeConfiguration, encodeConfiguration } from '../pearl/configuration.ts'
import type { PearlHeader } from '../pearl/header.ts'
import { LANE_OPEN, type UnitDescriptor } from '../unit/types.ts'
import { unitId } from '../unit/unit-id.ts'

/** Bytes of a configuration that a unit names; the rest of the 52 are zero. */
const NAMED_BYTES = 32
/** Version and time of the Pearl header of open work: nothing that a miner could choose. */
const PEARL_VERSION = 1
const PEARL_TIME = 0

/**
 * The descriptor of open work: it names no model, and its configuration in place of a job.
 * @param counter any u32: with another one the same operands are other work. Throws PEARL_CONFIGURATION and PEARL_PATTERN.
 */
export function openUnit(parentId: Uint8Array, configuration: Configuration, counter: number): UnitDescriptor {
  const jobId = encodeConfiguration(configuration).slice(0, NAMED_BYTES)
  return { lane: LANE_OPEN, modelId: new Uint8Array(32), parentId, jobId, counter }
}

/** The configuration that an open unit names. Throws PEARL_CONFIGURATION and PEARL_PATTERN. */
export function openConfiguration(unit: Pick<UnitDescriptor, 'jobId'>): Configuration {
  return decodeConfiguration(configurationBytes(unit))
}

/** The 52 bytes of an open unit's configuration. */
export function configurationBytes({ jobId }: Pick<UnitDescriptor, 'jobId'>): Uint8Array {
  return concatBytes(jobId, new Uint8Array(52 - NAMED_BYTES))
}

/**
 * The Pearl header under which open work is committed to: the parent as previous block, the unit id (and with it miner, counter and
 * configuration) as root of the transactions, and the bits that the parent requires. The block's own time is not in it (BLK-3).
 * Throws UNIT_LANE.
 * @param minerKey 32 bytes. @param bits those of the block.
 */
export function openPearlHeader(unit: UnitDescriptor, minerKey: Uint8Array, bits: number): PearlHeader {
  return {
    version: PEARL_VERSION,
    previousBlock: unit.parentId,
    merkleRoot: unitId(unit, minerKey),
    time: PEARL_TIME,
    bits,
  }
}

import {
  equalBytes,
  type Params,
  ROLE_MINER,
  readImmature,
  readRegistration,
  type StateReader,
  subsidy,
} from '@nacre/protocol'

/**
 * Whether a key has bond plus immature rewards of at least one subsidy (BLK-4): then its blocks are forwarded before they
 * are re-executed, because a false one costs it more than it could gain. Reads at most `maturityBlocks` entries.
 */
export function standingOf(params: Params, reader: StateReader, minerKey: Uint8Array, height: number): boolean {
  const needed = subsidy(params, height + 1)
  const bond = readRegistration(reader, ROLE_MINER, minerKey)?.bond ?? 0n
  let atStake = bond
  for (let at = height + 1; atStake < needed && at <= height + params.block.maturityBlocks; at++) {
    for (const entry of readImmature(reader, at)) if (equalBytes(entry.minerKey, minerKey)) atStake += entry.grains
  }
  return needed > 0n && atStake >= needed
}

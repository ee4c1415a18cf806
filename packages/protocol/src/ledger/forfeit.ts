/** What proven misbehaviour costs (BLK-3, AUD-6, ECO-8): everything immature of the key, and its bonds. */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { partOf } from '../emission/coinbase.ts'
import { readImmature, readRegistration, writeBarred, writeImmature, writeRegistration } from './entries.ts'
import { ROLE_MINER, ROLE_VERIFIER } from './keys.ts'
import type { StateDraft } from './state.ts'

/** Grains that a key lost: immature + bonds = bounty + returned + burned. */
export interface Forfeiture {
  readonly minerKey: Uint8Array
  readonly immature: bigint
  readonly bonds: bigint
  /** For whoever reported, out of the bonds only. */
  readonly bounty: bigint
  /** To the client of a wrong unit, out of the immature grains: what that unit paid its miner (AUD-4). */
  readonly returned: bigint
  readonly burned: bigint
}

/**
 * Heights at which each miner key has immature amounts, for one block: built once, from the heights that the maturity
 * leaves open, however many forfeitures the block contains.
 */
export class ImmatureIndex {
  readonly #firstHeight: number
  readonly #lastHeight: number
  #heights: Map<string, number[]> | undefined

  /** @param height of the block: what matures at `height` has been paid, its own coinbase is not in the state yet. */
  constructor(height: number, maturityBlocks: number) {
    this.#firstHeight = height + 1
    this.#lastHeight = height + maturityBlocks - 1
  }

  /** Heights with immature amounts of `minerKey`. Reads at most `maturityBlocks` entries, on the first call. */
  heightsOf(draft: StateDraft, minerKey: Uint8Array): readonly number[] {
    this.#heights ??= this.#build(draft)
    return this.#heights.get(bytesToHex(minerKey)) ?? []
  }

  #build(draft: StateDraft): Map<string, number[]> {
    const index = new Map<string, number[]>()
    for (let height = this.#firstHeight; height <= this.#lastHeight; height++) {
      for (const { minerKey } of readImmature(draft, height)) {
        const key = bytesToHex(minerKey)
        const heights = index.get(key)
        if (heights === undefined) index.set(key, [height])
        else if (heights.at(-1) !== height) heights.push(height)
      }
    }
    return index
  }
}

/**
 * Takes everything immature and every bond of `minerKey` out of the state and bars the key. The caller credits the
 * bounty and counts what is burned. The key must not be barred yet.
 *
 * The bounty, `audits.bountyPpm` and at most a tenth, comes from the bonds alone: those are matured grains that the key itself
 * locked, so accusing oneself returns a tenth of what it destroys. A bounty on immature rewards would let a miner cash a tenth of rewards that no
 * audit has passed.
 */
export function forfeit(
  draft: StateDraft,
  index: ImmatureIndex,
  minerKey: Uint8Array,
  height: number,
  bountyPpm: number,
): Forfeiture {
  let immature = 0n
  for (const at of index.heightsOf(draft, minerKey)) {
    const entries = readImmature(draft, at)
    const kept = entries.filter((entry) => !equalBytes(entry.minerKey, minerKey))
    for (const entry of entries) if (!kept.includes(entry)) immature += entry.grains
    writeImmature(draft, at, kept)
  }
  let bonds = 0n
  for (const role of [ROLE_MINER, ROLE_VERIFIER] as const) {
    const registration = readRegistration(draft, role, minerKey)
    if (registration === undefined) continue
    bonds += registration.bond
    writeRegistration(draft, role, minerKey, undefined)
  }
  writeBarred(draft, minerKey, height)
  const bounty = partOf(bonds, bountyPpm)
  return { minerKey, immature, bonds, bounty, returned: 0n, burned: immature + bonds - bounty }
}

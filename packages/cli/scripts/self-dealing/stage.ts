/** Where a case is played: a network with real nodes and miners, seen through the RPC of one of them. */
import type { KeyPair, Params } from '@nacre/protocol'
import type { SelfDealingCase } from './cases.ts'

export interface Stage {
  readonly params: Params
  /** Of a node that neither mines nor verifies. */
  readonly rpc: string
  /** Hex, the operator's first. */
  readonly minerKeys: readonly string[]
  /** Until the best chain is so many blocks higher. */
  advance(blocks: number): Promise<void>
  stop(): Promise<void>
}

export interface StageOptions {
  readonly play: SelfDealingCase
  readonly params: Params
  /** Grains for the account with this key. */
  readonly client: { readonly keys: KeyPair; readonly grains: bigint }
  readonly seed: string
  readonly signal: AbortSignal
}

/** Resolves once every miner asks, a verifier is active, and the client has its coins. */
export type StartStage = (options: StageOptions) => Promise<Stage>

/** Parts of the operator's keys: the largest coalition that is read is the one that plays the trick. */
export const ownMiners = ({ owned, isWithholding }: SelfDealingCase): number =>
  isWithholding === true ? Math.max(...owned) : owned[0]!

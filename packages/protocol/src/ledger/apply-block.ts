/** The state transition of one block: what matures, its transactions, its coinbase (ECO-1 to ECO-3, ECO-8). */

import { hexToBytes } from '../bytes.ts'
import { bootstrapCoinbase } from '../emission/coinbase.ts'
import { checkHeight } from '../emission/subsidy.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import { MAX_BLOCK_TRANSACTIONS } from '../limits.ts'
import { type LtHash, stateRootOf } from '../lthash.ts'
import type { Params } from '../params/types.ts'
import { LANE_BOOTSTRAP, type Lane } from '../unit/types.ts'
import { applyTransaction, type EquivocationChecker } from './apply-transaction.ts'
import {
  addAmount,
  credit,
  type ImmatureEntry,
  isBarred,
  readAmount,
  readImmature,
  readRegistration,
  readUnbonding,
  writeImmature,
  writeRegistration,
  writeUnbonding,
} from './entries.ts'
import { type Forfeiture, ImmatureIndex } from './forfeit.ts'
import { applyChanges, type StateChange, StateDraft, type StateReader } from './state.ts'
import { decodeTransaction, transactionIdOfBytes } from './transactions.ts'

/** A block's content and the state after its parent. */
export interface BlockInput {
  readonly params: Params
  readonly chainId: Uint8Array
  readonly reader: StateReader
  /** LtHash of the state behind `reader`. */
  readonly ltHash: LtHash
  readonly height: number
  readonly lane: Lane
  /** Public key of the miner, 32 bytes. */
  readonly minerKey: Uint8Array
  /** Encoded transactions in order. */
  readonly transactions: readonly Uint8Array[]
  readonly checkEquivocation: EquivocationChecker
}

/** What a block did, in grains. */
export interface BlockSummary {
  readonly transactionIds: readonly Uint8Array[]
  /** Coinbases and bonds that became spendable. */
  readonly matured: bigint
  readonly fees: bigint
  readonly subsidy: bigint
  readonly verifierShare: bigint
  readonly teamShare: bigint
  readonly deferred: bigint
  readonly release: bigint
  /** What the miner gets after maturity: its part of the subsidy, release and fees. */
  readonly minerReward: bigint
  readonly forfeitures: readonly Forfeiture[]
}

export interface AppliedBlock {
  /** Sorted by key: the undo journal. */
  readonly changes: readonly StateChange[]
  readonly ltHash: LtHash
  readonly stateRoot: Uint8Array
  readonly summary: BlockSummary
}

/**
 * The state after a block. Pure; `reader` is only read.
 *
 * Any ProtocolError proves that a block with this content is invalid after this parent. The verdict of a TX_* code
 * judges the lone transaction, not the block: a nonce gap is `ignore` in the mempool and an invalid block here.
 * Throws BLOCK_HEIGHT, BLOCK_KEY_BARRED, BLOCK_TOO_MANY_TRANSACTIONS, KEY_INVALID, UNIT_LANE, LEDGER_OVERFLOW, and what
 * {@link decodeTransaction} and {@link applyTransaction} throw.
 */
export function applyBlock(input: BlockInput): AppliedBlock {
  const { params, height, minerKey, transactions } = input
  checkHeight(height)
  check(height > 0, 'BLOCK_HEIGHT', 'genesis is not applied, it is given')
  check(minerKey.length === 32, 'KEY_INVALID', `a miner key has 32 bytes, not ${minerKey.length}`)
  check(input.lane === LANE_BOOTSTRAP, 'UNIT_LANE', `lane ${input.lane} has no rewards: there are no paid units`)
  const most = Math.min(params.block.maxTransactions, MAX_BLOCK_TRANSACTIONS)
  check(transactions.length <= most, 'BLOCK_TOO_MANY_TRANSACTIONS', `${transactions.length} of at most ${most}`)

  const draft = new StateDraft(input.reader)
  check(!isBarred(draft, minerKey), 'BLOCK_KEY_BARRED', 'the miner is barred')
  const matured = mature(draft, height)
  const { fees, transactionIds, forfeitures } = applyTransactions(input, draft)
  check(!isBarred(draft, minerKey), 'BLOCK_KEY_BARRED', 'the block bars its own miner')
  const paid = payCoinbase(input, draft, fees)

  const changes = draft.finish()
  const ltHash = applyChanges(input.ltHash, changes)
  const summary = { transactionIds, matured, fees, ...paid, forfeitures }
  return { changes, ltHash, stateRoot: stateRootOf(ltHash), summary }
}

/** ECO-8: immature amounts and bonds whose height has come turn into balances. Returns their sum. */
function mature(draft: StateDraft, height: number): bigint {
  let sum = 0n
  for (const { account, grains } of readImmature(draft, height)) {
    credit(draft, account, grains)
    sum += grains
  }
  writeImmature(draft, height, [])
  for (const { role, publicKey } of readUnbonding(draft, height)) {
    const registration = readRegistration(draft, role, publicKey)
    if (registration === undefined) continue // forfeited since
    credit(draft, accountOf(publicKey), registration.bond)
    writeRegistration(draft, role, publicKey, undefined)
    sum += registration.bond
  }
  writeUnbonding(draft, height, [])
  return sum
}

function applyTransactions(
  input: BlockInput,
  draft: StateDraft,
): { fees: bigint; transactionIds: Uint8Array[]; forfeitures: Forfeiture[] } {
  const { params, chainId, height, checkEquivocation } = input
  const immature = new ImmatureIndex(height, params.block.maturityBlocks)
  const context = { params, chainId, height, draft, checkEquivocation, immature }
  let fees = 0n
  const transactionIds: Uint8Array[] = []
  const forfeitures: Forfeiture[] = []
  for (const [i, bytes] of input.transactions.entries()) {
    try {
      const transaction = decodeTransaction(bytes)
      const forfeiture = applyTransaction(context, transaction)
      if (forfeiture !== undefined) forfeitures.push(forfeiture)
      fees += transaction.fee
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      const reason = cause.message.slice(cause.code.length + 2)
      throw new ProtocolError(cause.code, `transaction ${i}: ${reason}`, { cause })
    }
    transactionIds.push(transactionIdOfBytes(bytes))
  }
  return { fees, transactionIds, forfeitures }
}

/** ECO-2, ECO-3: emits the subsidy, pays the miner and the team after maturity, updates the counters. */
function payCoinbase(
  input: BlockInput,
  draft: StateDraft,
  fees: bigint,
): Omit<BlockSummary, 'transactionIds' | 'matured' | 'fees' | 'forfeitures'> {
  const { params, height, minerKey } = input
  const parts = bootstrapCoinbase(params, height, readAmount(draft, 'deferred'))
  const created = readAmount(draft, 'premine') + readAmount(draft, 'faucet') + readAmount(draft, 'emitted')
  check(created + parts.subsidy < 1n << 64n, 'LEDGER_OVERFLOW', 'the supply would exceed 2^64 - 1 grains (CNV-4)')

  const minerReward = parts.minerSubsidy + parts.release + fees
  const entries: ImmatureEntry[] = [
    { account: accountOf(minerKey), grains: minerReward, minerKey },
    { account: hexToBytes(params.emission.teamAccount), grains: parts.teamShare, minerKey: new Uint8Array(0) },
  ].filter((entry) => entry.grains > 0n)
  writeImmature(draft, height + params.block.maturityBlocks, entries)
  addAmount(draft, 'emitted', parts.subsidy)
  addAmount(draft, 'verifierPool', parts.verifierShare)
  addAmount(draft, 'deferred', parts.deferred - parts.release)
  const { subsidy, verifierShare, teamShare, deferred, release } = parts
  return { subsidy, verifierShare, teamShare, deferred, release, minerReward }
}

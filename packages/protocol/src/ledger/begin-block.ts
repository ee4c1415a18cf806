/** What a block does before its transactions: they see the state that this leaves. */

import { endAccusations } from '../audit/accusations.ts'
import { endAuditedUnits } from '../audit/audited-unit.ts'
import { BlockAudits, type StepModel } from '../audit/block-audits.ts'
import { forgetPlants, returnPlantPay } from '../audit/plant-ends.ts'
import { closeEpochs } from '../audit/secrets.ts'
import { checkHeight } from '../emission/subsidy.ts'
import { check } from '../errors.ts'
import { accountOf } from '../keys.ts'
import type { LtHash } from '../lthash.ts'
import { activateAsks } from '../market/asks.ts'
import { assignJobs } from '../market/assign-jobs.ts'
import { readWon, writeBlockId, writeWon } from '../market/entries.ts'
import { JobBooks } from '../market/job-books.ts'
import type { MarketRules } from '../market/models.ts'
import { windowBlocks } from '../market/post-job.ts'
import { type Settlement, settleReceipts } from '../market/settle.ts'
import { addWin } from '../market/weights.ts'
import type { UnitDescriptor } from '../unit/types.ts'
import type { ApplyContext, EquivocationChecker } from './apply-transaction.ts'
import {
  credit,
  isBarred,
  readImmature,
  readRegistration,
  readUnbonding,
  writeImmature,
  writeRegistration,
  writeUnbonding,
} from './entries.ts'
import { ImmatureIndex } from './forfeit.ts'
import { StateDraft, type StateReader } from './state.ts'

/** A block's content and the state after its parent. */
export interface BlockInput extends MarketRules {
  readonly chainId: Uint8Array
  readonly reader: StateReader
  /** LtHash of the state behind `reader`. */
  readonly ltHash: LtHash
  readonly height: number
  /** Id of the parent, 32 bytes. */
  readonly parentId: Uint8Array
  /** Compact target of the block. */
  readonly bits: number
  /** The block's own beacon (BLK-2), which assigns the jobs that the parent cleared. */
  readonly beacon: Uint8Array
  readonly unit: UnitDescriptor
  /** Prompt tokens of the unit. */
  readonly promptTokens: number
  /** Public key of the miner, 32 bytes. */
  readonly minerKey: Uint8Array
  /** Encoded transactions in order. */
  readonly transactions: readonly Uint8Array[]
  readonly checkEquivocation: EquivocationChecker
  readonly stepModel: StepModel
}

/** A block under way: its transactions apply to `context`. */
export interface BegunBlock {
  readonly context: ApplyContext
  /** Jobs whose assignment this block's beacon opened. */
  readonly assigned: readonly Uint8Array[]
  /** Jobs that no miner could get. */
  readonly returned: readonly Uint8Array[]
  /** Coinbases, receipt payments and bonds that became spendable. */
  readonly matured: bigint
  readonly settled: readonly Settlement[]
}

/**
 * The steps before the transactions: assignment, maturity, settlement, and what ends in audits. No transaction's validity depends on the beacon, so a
 * miner that chooses transactions before it has won may pass any.
 * Throws BLOCK_HEIGHT, KEY_INVALID, BLOCK_KEY_BARRED.
 */
export function beginBlock(input: Omit<BlockInput, 'transactions' | 'ltHash' | 'unit' | 'promptTokens'>): BegunBlock {
  const { params, models, chainId, height, minerKey, beacon, checkEquivocation, stepModel } = input
  checkHeight(height)
  check(height > 0, 'BLOCK_HEIGHT', 'genesis is not applied, it is given')
  check(minerKey.length === 32, 'KEY_INVALID', `a miner key has 32 bytes, not ${minerKey.length}`)
  const draft = new StateDraft(input.reader)
  check(!isBarred(draft, minerKey), 'BLOCK_KEY_BARRED', 'the miner is barred')
  rememberParent(input, draft)
  const { assigned, returned } = assignJobs(input, draft, height, beacon)
  returnPlantPay(params, draft, height)
  const matured = mature(input, draft)
  const settled = settleReceipts(input, draft, height)
  const context: ApplyContext = {
    params,
    models,
    chainId,
    height,
    draft,
    books: new JobBooks(),
    checkEquivocation,
    immature: new ImmatureIndex(height, params.block.maturityBlocks),
    minerKey,
    stepModel,
    audits: new BlockAudits(),
  }
  endAccusations(context)
  closeEpochs(context)
  endAuditedUnits(context)
  forgetPlants(context)
  return { context, assigned, returned, matured, settled }
}

/** UNT-1: the ids of recent blocks, as far back as the beacon of one can still have an open window. */
function rememberParent(input: Pick<BlockInput, 'params' | 'height' | 'parentId'>, draft: StateDraft): void {
  const { params, height, parentId } = input
  writeBlockId(draft, height - 1, parentId)
  const oldest = height - windowBlocks(params)
  if (oldest > 0) writeBlockId(draft, oldest - 1, undefined)
}

/**
 * ECO-8: immature amounts, bonds and asks whose height has come take effect, and the win of the coinbase that matures counts
 * for its miner (ECO-6). Returns the grains.
 */
function mature(input: Pick<BlockInput, 'params' | 'height'>, draft: StateDraft): bigint {
  const { params, height } = input
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
  const won = readWon(draft, height)
  if (won !== undefined && !isBarred(draft, won.minerKey)) addWin(params, draft, won.minerKey, won.work, height)
  writeWon(draft, height, undefined)
  activateAsks(params, draft, height)
  return sum
}

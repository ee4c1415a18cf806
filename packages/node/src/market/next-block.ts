/** The market's transactions that wait, against the block that may contain them next. */
import {
  type ApplyContext,
  beginBlock,
  type ConsensusContext,
  type ErrorCode,
  ProtocolError,
  preparePostAsk,
  preparePostJob,
  prepareReceipt,
  registeredModel,
  type StateReader,
  type Transaction,
  transactionId,
} from '@nacre/protocol'
import type { TreeNode } from '../chain/block-tree.ts'

/** Refusals that a later block may take back: a beacon or window to come, a full book, an expiry that is too far only as
 * yet, a proof that is too soon after its accusation or found no room. */
const EARLY: ReadonlySet<ErrorCode> = new Set([
  'RECEIPT_UNASSIGNED',
  'RECEIPT_WINDOW',
  'JOB_BOOK_FULL',
  'JOB_EXPIRY_TOO_FAR',
  'ACCUSATION_EARLY',
  'BLOCK_TOO_MANY_PROOFS',
])

/**
 * Begins the block after a tip as any miner's: no transaction depends on its beacon. The tip's id stands for the miner, a key that
 * nobody has and nobody can have barred.
 * @param reader the state after the tip; the context is of use as long as it is that.
 */
export function beginNextBlock(
  context: ConsensusContext,
  tip: Pick<TreeNode, 'id' | 'header'>,
  reader: StateReader,
): ApplyContext {
  const { market, genesis } = context
  return beginBlock({
    ...market,
    chainId: genesis.chainId,
    reader,
    height: tip.header.height + 1,
    parentId: tip.id,
    bits: tip.header.bits,
    minerKey: tip.id,
    beacon: new Uint8Array(32),
    // Evidence is judged where blocks are made: it costs signature checks.
    checkEquivocation: () => {
      throw new ProtocolError('TX_EQUIVOCATION', 'evidence is not judged here')
    },
    stepModel: (modelId) => registeredModel(context, modelId).model,
  }).context
}

/**
 * Whether a job, an ask or a receipt applies in the block under way, by the protocol's own checks; nothing is written. Other
 * transactions pass. Throws JOB_*, ASK_*, RECEIPT_*.
 */
export function checkMarketTransaction(context: ApplyContext, transaction: Transaction): void {
  const { sender, body } = transaction
  if (body.kind === 'job') preparePostJob(context, transactionId(transaction), sender, body)
  else if (body.kind === 'ask') preparePostAsk(context, sender, body)
  else if (body.kind === 'receipt') prepareReceipt(context, sender, body)
}

/** Whether a transaction that was refused in the block under way may apply in a later one of the same branch, by nobody's further doing. */
export function isEarly({ code }: ProtocolError): boolean {
  return EARLY.has(code)
}

/** Transactions of the market and of audits that wait, against the block that may contain them next. */
import {
  type ApplyContext,
  auditableUnit,
  beginBlock,
  type ConsensusContext,
  checkAuditsOn,
  checkFinder,
  committedAccusation,
  type ErrorCode,
  type FraudProof,
  openChallenge,
  ProtocolError,
  prepareAccusation,
  prepareChallenge,
  preparePlantCommit,
  preparePlantReveal,
  preparePostAsk,
  preparePostJob,
  prepareReceipt,
  prepareVerdict,
  prepareVerifierCommit,
  prepareVerifierReveal,
  readChallenges,
  registeredModel,
  type StateReader,
  type Transaction,
  type TransactionKind,
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

/** Kinds that {@link checkMarketTransaction} looks at: whether they apply depends on the height and on what others do. */
export const CHECKED_KINDS: ReadonlySet<TransactionKind> = new Set<TransactionKind>([
  'job',
  'ask',
  'receipt',
  'accusation',
  'fraudProof',
  'verdictProof',
  'verifierCommit',
  'verifierReveal',
  'verdict',
  'challenge',
  'response',
  'plantCommit',
  'plantReveal',
])

/**
 * Whether a transaction of the market or of audits applies in the block under way, by the protocol's own checks; nothing is written.
 * The step that a proof or a response opens is not run here: that is done where blocks are made. Other transactions pass. Throws what
 * the `prepare` function of the kind throws, besides the codes of openings.
 */
export function checkMarketTransaction(context: ApplyContext, transaction: Transaction): void {
  const { sender, body } = transaction
  const { draft, params } = context
  switch (body.kind) {
    case 'job':
      preparePostJob(context, transactionId(transaction), sender, body)
      return
    case 'ask':
      preparePostAsk(context, sender, body)
      return
    case 'receipt':
      prepareReceipt(context, sender, body)
      return
    case 'accusation':
      prepareAccusation(context, sender, body)
      return
    case 'fraudProof':
    case 'verdictProof':
      checkAuditsOn(params)
      if (body.kind === 'fraudProof') checkWaitingProof(context, sender, body)
      else committedAccusation(context, sender, body)
      return
    case 'verifierCommit':
      prepareVerifierCommit(context, sender, body)
      return
    case 'verifierReveal':
      prepareVerifierReveal(context, sender, body)
      return
    case 'verdict':
      prepareVerdict(context, sender, body)
      return
    case 'challenge':
      prepareChallenge(context, sender, body)
      return
    case 'plantCommit':
      preparePlantCommit(context, sender, body)
      return
    case 'plantReveal':
      preparePlantReveal(context, sender, body)
      return
    case 'response':
      checkAuditsOn(params)
      auditableUnit(draft, body.jobId)
      openChallenge(readChallenges(draft, body.jobId), body.opening.ref)
      return
    default:
      return
  }
}

/** Whether a transaction that was refused in the block under way may apply in a later one of the same branch, by nobody's further doing. */
export function isEarly({ code }: ProtocolError): boolean {
  return EARLY.has(code)
}

/** One that comes too late for a suspect is refused, or it would hold up the sender's transactions behind it (AUD-8). */
function checkWaitingProof(context: ApplyContext, sender: Uint8Array, proof: FraudProof): void {
  const unit = auditableUnit(context.draft, proof.jobId)
  const { height } = committedAccusation(context, sender, proof, unit.receiptHeight)
  checkFinder(context, proof.jobId, unit, sender, height)
}

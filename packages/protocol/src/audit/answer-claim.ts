/** AUD-7: what a client holds of one delivered answer, and how it checks steps of it with randomness of its own. */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import {
  decodeTransaction,
  hasValidTransactionSignature,
  type Transaction,
  transactionIdOfBytes,
} from '../ledger/transactions.ts'
import type { ModelConfig, ModelDims } from '../model/types.ts'
import { sampleSteps } from '../trace/sample-steps.ts'
import type { StepRef, TraceShape } from '../trace/types.ts'
import { endsByRule } from '../unit/length-rule.ts'
import { checkTask, isToken } from '../unit/task.ts'
import type { UnitTask } from '../unit/types.ts'
import { answerHash, type ReceiptUnit } from './check-receipt-step.ts'
import { FIXED_STEPS } from './selection.ts'

/** An answer as its two signers bind it: the task by the client's signature, everything else by the miner's. */
export interface AnswerClaim {
  readonly jobId: Uint8Array
  readonly modelId: Uint8Array
  readonly task: UnitTask
  readonly minerKey: Uint8Array
  /** Generated tokens only. */
  readonly tokens: readonly number[]
  readonly unit: ReceiptUnit
}

/**
 * What two transactions say about a job. Nobody has to be believed for it: the job's id is the hash of the first, and the second is
 * signed by the miner. That the receipt is in a block of the best chain is for the caller to know.
 * @param chainId 32 bytes. @param jobId 32 bytes. @param posted canonical bytes of the job's transaction. @param delivered of a receipt's.
 * Throws UNIT_JOB (the first is not this job), RECEIPT_JOB (the second is no receipt of it), TX_CHAIN, SIGNATURE_INVALID, CODEC_*,
 * TX_KIND_UNSUPPORTED.
 */
export function answerClaim(
  chainId: Uint8Array,
  jobId: Uint8Array,
  posted: Uint8Array,
  delivered: Uint8Array,
): AnswerClaim {
  const job = signed(chainId, posted).body
  if (job.kind !== 'job' || !equalBytes(transactionIdOfBytes(posted), jobId))
    throw new ProtocolError('UNIT_JOB', `the transaction did not post job ${bytesToHex(jobId)}`)
  const { body: receipt, sender } = signed(chainId, delivered)
  if (receipt.kind !== 'receipt' || !equalBytes(receipt.jobId, jobId))
    throw new ProtocolError('RECEIPT_JOB', `the transaction is no receipt of job ${bytesToHex(jobId)}`)
  const { promptTokens, maxNewTokens, decoding, modelId } = job
  const { tokens, traceRoot } = receipt
  return {
    jobId,
    modelId,
    task: { promptTokens, maxNewTokens, decoding },
    minerKey: sender,
    tokens,
    unit: { traceRoot, newTokens: tokens.length, answerHash: answerHash(tokens) },
  }
}

function signed(chainId: Uint8Array, bytes: Uint8Array): Transaction {
  const transaction = decodeTransaction(bytes)
  check(equalBytes(transaction.chainId, chainId), 'TX_CHAIN', 'the transaction is for another chain')
  check(hasValidTransactionSignature(transaction), 'SIGNATURE_INVALID', 'the transaction is not signed by its sender')
  return transaction
}

/** Lengths that the receipt commits its miner to; a trace of others is fraud (TRACE_DIMENSIONS, RECEIPT_ANSWER). */
export function claimedShape(dims: ModelDims, { task, tokens }: AnswerClaim): TraceShape {
  return { promptTokens: task.promptTokens.length, newTokens: tokens.length, dims }
}

/**
 * The steps that a client opens of an answer: {@link FIXED_STEPS}, which bind prompt and answer to the trace, then `count` drawn as those
 * of an audit are.
 * @param seed 32 bytes that nobody else knew before the receipt: whoever does can be right in these steps alone.
 * Throws UNIT_PROMPT, UNIT_SHAPE (no such task), RECEIPT_TOKENS: no block contains such a job, or such a receipt.
 */
export function clientSteps(config: ModelConfig, claim: AnswerClaim, seed: Uint8Array, count: number): StepRef[] {
  const { task, tokens } = claim
  checkTask(config, task)
  check(
    tokens.every((token) => isToken(config, token)) && endsByRule(task, config.eosToken, tokens),
    'RECEIPT_TOKENS',
    `${tokens.length} tokens are no answer of at most ${task.maxNewTokens}`,
  )
  return [...FIXED_STEPS, ...sampleSteps(seed, claimedShape(config, claim), count)]
}

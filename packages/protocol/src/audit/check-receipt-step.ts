/** AUD-4: one step of a delivered unit against what its miner signed: the trace root and the answer. */
import { equalBytes, u32ListToBytes } from '../bytes.ts'
import { check, type ErrorCode, ProtocolError } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import type { StateReader } from '../ledger/state.ts'
import { readPrompt } from '../market/entries.ts'
import type { Model } from '../model/types.ts'
import { checkStep, FRAUD_CODES } from '../trace/check-step.ts'
import type { StepOpening } from '../trace/opening.ts'
import type { StepView } from '../trace/steps/view.ts'
import type { StepKind } from '../trace/types.ts'
import type { UnitTask } from '../unit/types.ts'
import type { AuditedUnit } from './entries.ts'

/** Kinds whose openings hold the tokens leaf. */
const READS_TOKENS: ReadonlySet<StepKind> = new Set<StepKind>(['shape', 'input', 'embed', 'head'])

/** Codes of {@link checkReceiptStep} that prove fraud; all others only say that the opening is bad. */
export const RECEIPT_FRAUD_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([...FRAUD_CODES, 'RECEIPT_ANSWER'])

/** What a receipt commits its miner to, besides the task. */
export type ReceiptUnit = Pick<AuditedUnit, 'traceRoot' | 'newTokens' | 'answerHash'>

/** What the state keeps of a receipt's answer: the hash of the generated tokens as u32 each. */
export function answerHash(tokens: readonly number[]): Uint8Array {
  return taggedHash('answer', u32ListToBytes(tokens))
}

/** The task of a delivered unit. @param reader holds its prompt. */
export function auditedTask(reader: StateReader, jobId: Uint8Array, unit: AuditedUnit): UnitTask {
  return { promptTokens: readPrompt(reader, jobId), maxNewTokens: unit.maxNewTokens, decoding: unit.decoding }
}

/**
 * Runs one step of a delivered unit again and returns what it read. Throws what {@link checkStep} throws, and RECEIPT_ANSWER when
 * the trace holds other tokens than the receipt delivered, which is fraud too: an answer that nobody computed.
 */
export function checkReceiptStep(model: Model, unit: ReceiptUnit, task: UnitTask, opening: StepOpening): StepView {
  const view = checkStep({ model, task, traceRoot: unit.traceRoot, opening })
  const { newTokens, promptTokens } = view.shape
  check(
    newTokens === unit.newTokens,
    'RECEIPT_ANSWER',
    `the trace has ${newTokens} generated tokens, the receipt ${unit.newTokens}`,
  )
  if (READS_TOKENS.has(opening.ref.kind))
    check(
      equalBytes(answerHash(view.tokens().slice(promptTokens)), unit.answerHash),
      'RECEIPT_ANSWER',
      'the receipt delivered other tokens than the trace holds',
    )
  return view
}

/** Whether an opening proves fraud: undefined, or the code. Throws for an opening that proves nothing about the unit. */
export function fraudOf(run: () => unknown): ErrorCode | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof ProtocolError && RECEIPT_FRAUD_CODES.has(error.code)) return error.code
    throw error
  }
}

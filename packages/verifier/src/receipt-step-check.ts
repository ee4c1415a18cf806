import type { FullNode } from '@nacre/node'
import {
  type AuditedUnit,
  auditedTask,
  checkReceiptStep,
  ProtocolError,
  RECEIPT_FRAUD_CODES,
  registeredModel,
  type StepOpening,
  type StepView,
} from '@nacre/protocol'
import { FraudError } from './openings-source.ts'

/** The check of openings of one delivered unit, for {@link OpeningsSource}: throws FraudError for fraud, ProtocolError for a bad opening. */
export function receiptStepCheck(
  { chain, context }: Pick<FullNode, 'chain' | 'context'>,
  jobId: Uint8Array,
  unit: AuditedUnit,
): (opening: StepOpening) => StepView {
  const task = auditedTask(chain.reader, jobId, unit)
  const { model } = registeredModel(context, unit.modelId)
  return (opening) => {
    try {
      return checkReceiptStep(model, unit, task, opening)
    } catch (error) {
      if (error instanceof ProtocolError && RECEIPT_FRAUD_CODES.has(error.code)) throw new FraudError(opening, error)
      throw error
    }
  }
}

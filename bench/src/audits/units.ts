/** Units as a verifier meets them: a task, a trace with its commitment, and what the receipt says. */
import { commitTraceFast } from '@nacre/engine'
import {
  answerHash,
  checkReceiptStep,
  detectionChance,
  FIXED_STEPS,
  type KeyedHash,
  type Model,
  openStep,
  ProtocolError,
  RECEIPT_FRAUD_CODES,
  type ReceiptUnit,
  type Shares,
  type StepOpening,
  type StepRef,
  stepAt,
  stepCount,
  stepOpeningCodec,
  stepShares,
  type Trace,
  type TraceCommitment,
  type UnitTask,
} from '@nacre/protocol'

export interface Delivered {
  readonly model: Model
  readonly task: UnitTask
  readonly trace: Trace
  readonly commitment: TraceCommitment
  readonly unit: ReceiptUnit
}

/** A unit with this trace, as its receipt says it. @param tokens of the receipt: those of the trace unless it lies about them. */
export function delivered(
  model: Model,
  task: UnitTask,
  trace: Trace,
  hash: KeyedHash,
  tokens?: readonly number[],
): Delivered {
  const commitment = commitTraceFast(trace, hash)
  const answer = tokens ?? [...trace.tokens.slice(trace.shape.promptTokens)]
  const { traceRoot } = commitment
  return {
    model,
    task,
    trace,
    commitment,
    unit: { traceRoot, newTokens: answer.length, answerHash: answerHash(answer) },
  }
}

/** Encoded, as it goes over the wire. */
export const openingBytes = ({ trace, commitment }: Delivered, ref: StepRef): Uint8Array =>
  stepOpeningCodec.encode(openStep(trace, commitment, ref))

/** Whether a step that came over the wire is fraud. Throws for an opening that proves nothing: none of these miners sends such. */
export function isFraud({ model, task, unit }: Delivered, bytes: Uint8Array): boolean {
  const opening: StepOpening = stepOpeningCodec.decode(bytes)
  try {
    checkReceiptStep(model, unit, task, opening)
    return false
  } catch (error) {
    if (error instanceof ProtocolError && RECEIPT_FRAUD_CODES.has(error.code)) return true
    throw error
  }
}

/** Which steps of a unit are wrong: each is opened, encoded, decoded and run once. */
export interface WrongSteps {
  readonly steps: number
  readonly wrong: number
  /** Of what the draws of each kind go by: multiplications, reach. */
  readonly shares: Shares
  isWrong(ref: StepRef): boolean
  /** Chance that an audit of so many draws finds one: certainty where a step is wrong that every audit opens. */
  chance(draws: number): number
}

export const nameOf = ({ kind, layer, group, position }: StepRef): string => `${kind}/${layer}/${group}/${position}`

export function wrongSteps(unit: Delivered): WrongSteps {
  const { shape } = unit.trace
  const steps = stepCount(shape)
  const sharesOf = stepShares(shape)
  const wrong = new Set<string>()
  let [macs, reach] = [0, 0]
  for (let i = 0; i < steps; i++) {
    const ref = stepAt(shape, i)
    if (!isFraud(unit, openingBytes(unit, ref))) continue
    wrong.add(nameOf(ref))
    const shares = sharesOf(ref)
    macs += shares.macs
    reach += shares.reach
  }
  // The sum of all shares is 1 up to rounding.
  const shares = { macs: Math.min(1, macs), reach: Math.min(1, reach) }
  const isWrong = (ref: StepRef): boolean => wrong.has(nameOf(ref))
  const chance = (draws: number): number => (FIXED_STEPS.some(isWrong) ? 1 : detectionChance(shares, draws))
  return { steps, wrong: wrong.size, shares, isWrong, chance }
}

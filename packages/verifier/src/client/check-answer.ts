/** AUD-7: checks one delivered answer with steps that the client draws. Runs wherever `fetch` or any other source of bytes does. */
import {
  type AnswerClaim,
  answerClaim,
  checkReceiptStep,
  clientSteps,
  type ErrorCode,
  isSameStep,
  type Model,
  ProtocolError,
  RECEIPT_FRAUD_CODES,
  type StepOpening,
  type StepRef,
  stepOpeningCodec,
} from '@nacre/protocol'

/** Steps in one question to a source. */
export const STEPS_PER_QUESTION = 16
/** Draws that are of use: whoever wants more executes the unit. */
export const MAX_CLIENT_STEPS = 1024

/** Signed transactions of a job that has an answer, or how far it is. */
export type AnswerTransactions =
  | { readonly posted: Uint8Array; readonly delivered: Uint8Array }
  /** Of the job: `unknown`, or one without a receipt. */
  | { readonly status: string }

/** What a source brings when it is asked for openings. */
export interface BroughtOpenings {
  /** Encoded, in any order; bad ones are passed over. */
  readonly openings: readonly Uint8Array[]
  /** Why there are none, or too few. */
  readonly reason?: string
  /** Nobody owes openings of this unit any more: it cannot be audited. */
  readonly isOver?: boolean
}

/** Where a client has its data from. Nothing of it is believed: transactions are signed, openings lead to the signed trace root. */
export interface AnswerSource {
  transactions(jobId: Uint8Array, signal: AbortSignal): Promise<AnswerTransactions>
  /** @param steps at most {@link STEPS_PER_QUESTION}. */
  openings(jobId: Uint8Array, steps: readonly StepRef[], signal: AbortSignal): Promise<BroughtOpenings>
}

export interface CheckAnswerOptions {
  readonly source: AnswerSource
  /** 32 bytes. */
  readonly chainId: Uint8Array
  /** 32 bytes. */
  readonly jobId: Uint8Array
  /** The weights that the job names, from the client's own copy. */
  readonly model: (modelId: Uint8Array) => Promise<Model>
  /** 32 random bytes, new for each check: who knows them beforehand can forge around them. */
  readonly seed: Uint8Array
  /** Draws by MACs; `shape` and `input` come on top. */
  readonly steps: number
  readonly signal: AbortSignal
}

/** A wrong step that anyone can verify: with a salt, the body of a fraud proof (AUD-4). */
export interface FraudEvidence {
  readonly code: ErrorCode
  readonly opening: StepOpening
}

export type AnswerCheck =
  /** There is no answer to check. */
  | { readonly outcome: 'undelivered'; readonly status: string }
  /** All opened steps are right. */
  | { readonly outcome: 'right'; readonly claim: AnswerClaim; readonly steps: readonly StepRef[] }
  | {
      readonly outcome: 'wrong'
      readonly claim: AnswerClaim
      readonly evidence: FraudEvidence
      readonly reason: string
    }
  /** Steps that nobody opened, or not so that they lead to the trace root. Says nothing about the answer. */
  | {
      readonly outcome: 'withheld'
      readonly claim: AnswerClaim
      readonly missing: readonly StepRef[]
      readonly reason: string
      readonly isOver: boolean
    }

/**
 * Draws steps, asks for their openings, and runs them. What the job asked for and what its miner answered is taken from their
 * signatures; whether the receipt is in the best chain the source alone says. Rejects with what the source rejects with, and with
 * ProtocolError for transactions that are not those of the job, or that no block can contain (`answerClaim`, `clientSteps`).
 */
export async function checkAnswer(options: CheckAnswerOptions): Promise<AnswerCheck> {
  const { source, chainId, jobId, seed, signal } = options
  const found = await source.transactions(jobId, signal)
  if ('status' in found) return { outcome: 'undelivered', status: found.status }
  const claim = answerClaim(chainId, jobId, found.posted, found.delivered)
  const model = await options.model(claim.modelId)
  const steps = distinct(clientSteps(model.config, claim, seed, options.steps))
  for (let from = 0; from < steps.length; from += STEPS_PER_QUESTION) {
    const asked = steps.slice(from, from + STEPS_PER_QUESTION)
    const { openings, reason, isOver = false } = await source.openings(jobId, asked, signal)
    const looked = lookAt(model, claim, asked, openings.slice(0, asked.length))
    if (looked.fraud !== undefined) return { outcome: 'wrong', claim, ...looked.fraud }
    if (looked.missing.length > 0) {
      const why = reason ?? looked.reason ?? 'not all steps were opened'
      return { outcome: 'withheld', claim, missing: looked.missing, reason: why, isOver }
    }
  }
  return { outcome: 'right', claim, steps }
}

/**
 * Looks at a step that was found wrong before, in what the job's answer is now: `wrong` if it still is, undefined if the opening says
 * nothing against it, after a reorganisation for one. Rejects like {@link checkAnswer}.
 */
export async function checkEvidence(
  { source, chainId, jobId, model, signal }: Omit<CheckAnswerOptions, 'seed' | 'steps'>,
  opening: StepOpening,
): Promise<Extract<AnswerCheck, { outcome: 'undelivered' | 'wrong' }> | undefined> {
  const found = await source.transactions(jobId, signal)
  if ('status' in found) return { outcome: 'undelivered', status: found.status }
  const claim = answerClaim(chainId, jobId, found.posted, found.delivered)
  const bytes = stepOpeningCodec.encode(opening)
  const { fraud } = lookAt(await model(claim.modelId), claim, [opening.ref], [bytes])
  return fraud === undefined ? undefined : { outcome: 'wrong', claim, ...fraud }
}

interface Looked {
  readonly fraud?: { readonly evidence: FraudEvidence; readonly reason: string }
  readonly missing: readonly StepRef[]
  /** Why an opening was passed over. */
  readonly reason?: string
}

function lookAt(model: Model, claim: AnswerClaim, asked: readonly StepRef[], openings: readonly Uint8Array[]): Looked {
  let missing = asked
  let reason: string | undefined
  for (const bytes of openings) {
    let opening: StepOpening | undefined
    try {
      opening = stepOpeningCodec.decode(bytes)
      checkReceiptStep(model, claim.unit, claim.task, opening)
      const { ref } = opening
      missing = missing.filter((step) => !isSameStep(step, ref))
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      const { code, message } = error
      if (opening !== undefined && RECEIPT_FRAUD_CODES.has(code))
        return { missing, fraud: { evidence: { code, opening }, reason: message } }
      reason ??= message
    }
  }
  return { missing, ...(reason === undefined ? {} : { reason }) }
}

/** Steps can be drawn twice; each is opened once. */
function distinct(steps: readonly StepRef[]): StepRef[] {
  return steps.filter((step, i) => steps.findIndex((other) => isSameStep(other, step)) === i)
}

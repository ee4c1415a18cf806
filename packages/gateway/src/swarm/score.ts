/** How likely the model finds an answer, and whether it is the model's at all: both fall out of one execution. */
import { tokenLoss, WorkerError, type WorkerPort } from '@nacre/engine'
import { bytesToHex, type Decoding, equalBytes, hexToBytes, logitsOf, type Model, ProtocolError } from '@nacre/protocol'
import { JobError } from '../jobs/errors.ts'
import { queuedWorkers } from '../jobs/queued-workers.ts'
import type { JobAnswer } from '../jobs/types.ts'

export interface ScoredTask {
  readonly model: Model
  readonly promptTokens: readonly number[]
  readonly maxNewTokens: number
  readonly decoding: Decoding
}

/**
 * Mean natural logarithm of the probabilities that the model gives to the generated tokens at temperature 1, the end of sequence among
 * them. The mean, so that long answers do not lose by their length. In floating point: no rule of consensus depends on it.
 */
export type ScoreAnswer = (task: ScoredTask, answer: JobAnswer, signal: AbortSignal) => Promise<number>

/**
 * Scores by executing prompt and answer once in the workers, as a check would. Rejects with JobError ANSWER_FALSE if that does not give the
 * tokens and the trace root of the answer, CHECK_FAILED if the workers cannot execute it.
 */
export function createScorer(workers: WorkerPort): ScoreAnswer {
  const queued = queuedWorkers(workers)
  return async ({ model, promptTokens, maxNewTokens, decoding }, answer, signal) => {
    const { jobId } = answer
    const task = { promptTokens, maxNewTokens, decoding }
    const tokens = [...promptTokens, ...answer.tokens]
    const replayed = await queued
      .run({ kind: 'replayUnit', modelId: model.modelId, task, tokens, wantTrace: true, service: true }, { signal })
      .catch((error: unknown) => {
        if (error instanceof WorkerError)
          throw new JobError('CHECK_FAILED', `the answer could not be scored: ${error.message}`, {
            cause: error,
            jobId,
          })
        if (!(error instanceof ProtocolError)) throw error
        throw new JobError('ANSWER_FALSE', error.message, { cause: error, jobId })
      })
    if (!equalBytes(replayed.traceRoot, hexToBytes(answer.traceRoot)))
      throw new JobError(
        'ANSWER_FALSE',
        `the model gives trace root ${bytesToHex(replayed.traceRoot)}, not ${answer.traceRoot}`,
        { jobId },
      )
    const { dModel, nLayers } = model.config
    const rows = replayed.trace!.h[nLayers]!
    return meanLogProbability(answer.tokens, (i) => {
      const position = promptTokens.length - 1 + i
      return logitsOf(model, rows.subarray(position * dModel, (position + 1) * dModel))
    })
  }
}

/** @param logitsFor logits that the i-th token was chosen from. */
export function meanLogProbability(tokens: readonly number[], logitsFor: (i: number) => Float32Array): number {
  return -tokens.reduce((sum, token, i) => sum + tokenLoss(logitsFor(i), token), 0) / tokens.length
}

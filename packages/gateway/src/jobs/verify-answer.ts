/** Whether an answer is the model's. */
import type { WorkerPort } from '@nacre/engine'
import { bytesToHex, hexToBytes, ProtocolError, type UnitTask } from '@nacre/protocol'

/** What a receipt claims: these tokens follow, and this trace. */
export interface AnswerClaim {
  /** Hex. */
  readonly modelId: string
  readonly task: UnitTask
  /** Generated tokens only. */
  readonly tokens: readonly number[]
  /** Hex. */
  readonly traceRoot: string
  /** On a network with planted faults a right answer may have a wrong trace on purpose (AUD-8): then the tokens alone decide. */
  readonly mayBePlanted?: boolean
}

/** `isTraceOther` only where a claim may be planted, and its trace is not the model's: a plant, or fraud against the miner's own bond. */
export type AnswerVerdict =
  | { readonly isTrue: true; readonly isTraceOther?: true }
  | { readonly isTrue: false; readonly reason: string }

/**
 * Executes a unit again, prompt and answer in one pass (BLK-4): every token must be the one that the model chooses, and the trace root
 * must be the same, unless it may be a plant's. Rejects with WorkerError, and with ProtocolError MODEL_UNREGISTERED where the workers do not have the model.
 */
export async function verifyAnswer(
  workers: WorkerPort,
  { modelId, task, tokens, traceRoot, mayBePlanted = false }: AnswerClaim,
  signal?: AbortSignal,
): Promise<AnswerVerdict> {
  const all = [...task.promptTokens, ...tokens]
  const job = { kind: 'replayUnit', modelId: hexToBytes(modelId), task, tokens: all, service: true } as const
  try {
    const outcome = await workers.run(job, signal === undefined ? {} : { signal })
    const own = bytesToHex(outcome.traceRoot)
    if (own === traceRoot) return { isTrue: true }
    return mayBePlanted
      ? { isTrue: true, isTraceOther: true }
      : { isTrue: false, reason: `its trace root is ${traceRoot}, the execution here has ${own}` }
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code === 'MODEL_UNREGISTERED') throw error
    return { isTrue: false, reason: error.message }
  }
}

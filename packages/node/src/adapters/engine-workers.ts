import { type EngineJob, type JobOutcome, WorkerError, type WorkerPort } from '@nacre/engine'
import {
  blockProofHash,
  type ConsensusContext,
  check,
  equalBytes,
  LANE_OPEN,
  openClaim,
  plainProofOf,
  ticketProofInput,
} from '@nacre/protocol'
import { NodeError } from '../errors.ts'
import type { BlockWorkers } from '../ports/workers.ts'

/** Block validation on an engine's workers (NET-3: heavy checks never run on the network's event loop). */
export function engineBlockWorkers(context: ConsensusContext, workers: WorkerPort): BlockWorkers {
  return {
    checkTicketProof: async (block, parentBeacon) => {
      check(
        equalBytes(blockProofHash(block.proof), block.header.ticketProofHash),
        'TICKET_PROOF_HASH',
        'the proof is not the one the header commits to',
      )
      if (block.header.unit.lane === LANE_OPEN) {
        const proof = plainProofOf(block.proof)
        await runJob(workers, { kind: 'verifyOpenProof', claim: openClaim(block.header, context.params.open), proof })
        return
      }
      const input = ticketProofInput(context, block, parentBeacon)
      await runJob(workers, { kind: 'verifyTicketProof', modelId: block.header.unit.modelId, ...input })
    },
    replayRoot: async (modelId, task, tokens) => {
      const { traceRoot } = await runJob(workers, { kind: 'replayUnit', modelId, task, tokens })
      return traceRoot
    },
  }
}

/** A job that never ran says nothing about the block: it becomes the node's own fault, and the block may be tried again. */
async function runJob<J extends EngineJob>(workers: WorkerPort, job: J): Promise<JobOutcome<J>> {
  try {
    return await workers.run(job)
  } catch (error) {
    if (!(error instanceof WorkerError) || error.code === 'WORKER_FAILED') throw error
    const isStopped = error.code === 'WORKER_STOPPED' || error.code === 'WORKER_CANCELLED'
    throw new NodeError(isStopped ? 'STOPPED' : 'BUSY', error.message, { cause: error })
  }
}

import { type OpeningsAnswer, readJob, readOpenings, readTransactionBytes } from '@nacre/node/rpc-client'
import { bytesToHex } from '@nacre/protocol'
import type { AnswerSource } from './check-answer.ts'

/** A node forwards few requests at once, and a peer answers one at a time: whoever is refused asks again. */
const MAX_TRIES = 3
const PAUSE_MS = 1000

/** Transactions and openings from the RPC of any node. Its methods reject with RpcError. */
export function rpcAnswerSource(rpc: string): AnswerSource {
  return {
    transactions: async (jobId, signal) => {
      const id = bytesToHex(jobId)
      const { status, receipt } = await readJob(rpc, id, signal)
      // One that waits for a block is no answer yet, and nobody owes openings of it.
      if (receipt?.height === undefined) return { status }
      const [posted, delivered] = await Promise.all(
        [id, receipt.transactionId].map((each) => readTransactionBytes(rpc, each, signal)),
      )
      return { posted: posted!, delivered: delivered! }
    },
    openings: async (jobId, steps, signal) => {
      let answer = await readOpenings(rpc, jobId, steps, signal)
      for (let tries = 1; tries < MAX_TRIES && mayPass(answer) && !signal.aborted; tries++) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
        answer = await readOpenings(rpc, jobId, steps, signal)
      }
      if ('refusal' in answer) return { openings: [], reason: answer.reason, isOver: answer.refusal === 'AUDIT_UNIT' }
      const { openings, reason } = answer
      return { openings, ...(reason === undefined ? {} : { reason }) }
    },
  }
}

const mayPass = (answer: OpeningsAnswer): boolean =>
  'refusal' in answer ? answer.refusal === 'BUSY' : answer.openings.length === 0

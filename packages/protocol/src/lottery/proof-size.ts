import { check } from '../errors.ts'
import { MAX_TICKET_PROOF_BYTES } from '../limits.ts'
import type { ModelDims } from '../model/types.ts'
import { subrootCount } from '../trace/layout.ts'
import { OP_QKV } from '../trace/types.ts'
import { type LotteryParams, ticketShape } from './tickets.ts'

/**
 * An upper bound on the encoded size of any ticket proof of this model in bytes.
 * @param promptTokens P: leaves of the tree of prompt rows.
 */
export function ticketProofBytes(dims: ModelDims, params: LotteryParams, promptTokens: number): number {
  const { k, h } = ticketShape(dims, params, OP_QKV, promptTokens)
  // An interval of leaves needs at most two siblings on each level of the tree.
  const rowHashes = 2 * Math.ceil(Math.log2(Math.max(promptTokens, 2)))
  const topHashes = Math.ceil(Math.log2(subrootCount(dims)))
  return 3 * 4 + h * (4 + 4 * k) + 32 * (rowHashes + 1 + topHashes)
}

/** Throws PARAM_CONTRADICTION if a winner of this model could not be proved within MAX_TICKET_PROOF_BYTES. */
export function checkTicketProofFits(dims: ModelDims, params: LotteryParams, promptTokens: number): void {
  const bytes = ticketProofBytes(dims, params, promptTokens)
  check(
    bytes <= MAX_TICKET_PROOF_BYTES,
    'PARAM_CONTRADICTION',
    `a ticket proof has up to ${bytes} bytes, the limit is ${MAX_TICKET_PROOF_BYTES}`,
  )
}

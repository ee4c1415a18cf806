import type { FullNode, OpenSteps } from '@nacre/node'
import { ProtocolError, type StepOpening, type StepRef, stepOpeningCodec } from '@nacre/protocol'
import type { OpeningsSource } from './openings-source.ts'
import { receiptStepCheck } from './receipt-step-check.ts'

/** Opens steps of a delivered unit from what this node has or executes itself. */
export type OwnOpenings = (jobId: Uint8Array, steps: readonly StepRef[]) => Promise<readonly StepOpening[]>

/**
 * Openings for clients of the RPC (AUD-7): the node's own, or those of a peer that hold under the trace root. Where one of them shows
 * fraud it alone comes back: it is all that is needed.
 */
export function forwardOpenings(
  node: Pick<FullNode, 'chain' | 'context'>,
  source: OpeningsSource,
  own?: OwnOpenings,
): OpenSteps {
  return async (jobId, unit, steps, signal) => {
    const kept = await own?.(jobId, steps).catch((error: unknown) => {
      // Not executed here, or it does not replay: a peer may have it.
      if (error instanceof ProtocolError) return undefined
      throw error
    })
    if (kept !== undefined) return { openings: kept.map((opening) => stepOpeningCodec.encode(opening)) }
    const check = receiptStepCheck(node, jobId, unit)
    const checked = (opening: StepOpening): StepOpening => {
      check(opening)
      return opening
    }
    const asked = await source.ask({ id: jobId, minerKey: unit.minerKey }, steps, checked, signal)
    if (asked.outcome === 'unanswered') return { openings: [], reason: asked.reason }
    const found = asked.outcome === 'fraud' ? [asked.fraud.opening] : asked.value
    return { openings: found.map((opening) => stepOpeningCodec.encode(opening)) }
  }
}

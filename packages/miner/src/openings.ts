import { decodeOpeningsRequest, encodeByteList, type FullNode, NodeError, type PeerName, REQUEST } from '@nacre/node'
import { check, stepOpeningCodec } from '@nacre/protocol'
import type { OwedTraces } from './owed-traces.ts'
import type { UnitRunner } from './unit-runner.ts'

/**
 * Answers requests for openings of steps (TRC-3), of winners and of delivered units (AUD-3).
 *
 * An execution is the most that a stranger can make this node do for a request of a few bytes, so it is bounded: see
 * {@link OwedTraces}, and one request of a peer at a time. Validation goes first in any case (job priority `service`).
 */
export function serveOpenings(node: FullNode, runner: Pick<UnitRunner, 'openSteps'>, traces: OwedTraces): void {
  /** Peers whose request is under way. */
  const asking = new Set<PeerName>()

  const answer = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const { id, steps } = decodeOpeningsRequest(bytes)
    check(steps.length > 0, 'STEP_OPENING', 'no steps were asked for')
    const openings = await runner.openSteps(await traces.of(id), steps)
    return encodeByteList(openings.map((opening) => stepOpeningCodec.encode(opening)))
  }
  node.network.handle(
    REQUEST.openings,
    async (peer, bytes) => {
      if (asking.has(peer)) throw new NodeError('BUSY', `a request of ${peer} is under way`)
      asking.add(peer)
      try {
        return await answer(bytes)
      } finally {
        asking.delete(peer)
      }
    },
    { maxRequestBytes: 1024 },
  )
}

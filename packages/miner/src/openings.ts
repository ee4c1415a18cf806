import {
  decodeOpeningsRequest,
  encodeByteList,
  type FullNode,
  NodeError,
  type PeerName,
  REQUEST,
  sleep,
} from '@nacre/node'
import { check, stepOpeningCodec } from '@nacre/protocol'
import type { OwedTraces } from './owed-traces.ts'
import { PeerPace } from './peer-pace.ts'
import type { UnitRunner } from './unit-runner.ts'

/** A peer that would have to wait longer is refused at once: the request has a deadline (NET-4). */
const MAX_WAIT_MS = 8_000

/**
 * Answers requests for openings of steps (TRC-3), of winners and of delivered units (AUD-3).
 *
 * An execution is the most that a stranger can make this node do for a request of a few bytes, so it is bounded: see
 * {@link OwedTraces}, one request of a peer at a time, and of one peer's requests together {@link PeerPace}. Who goes on asking waits, so that
 * an honest verifier with much to catch up on is slowed down and not refused. Validation goes first in any case (job priority `service`).
 */
export function serveOpenings(node: FullNode, runner: Pick<UnitRunner, 'openSteps'>, traces: OwedTraces): void {
  /** Peers whose request is under way. */
  const asking = new Set<PeerName>()
  const pace = new PeerPace(node.clock)

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
        const waitMs = pace.waitMs(peer)
        if (waitMs > MAX_WAIT_MS) throw new NodeError('BUSY', `${peer} has taken more than its share`)
        if (waitMs > 0) await sleep(node.clock, waitMs)
        const startMs = node.clock.nowMs()
        try {
          return await answer(bytes)
        } finally {
          pace.charge(peer, node.clock.nowMs() - startMs)
        }
      } finally {
        asking.delete(peer)
      }
    },
    { maxRequestBytes: 1024 },
  )
}

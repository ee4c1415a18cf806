import {
  decodeOpeningsRequest,
  encodeByteList,
  type FullNode,
  NodeError,
  type PeerName,
  REQUEST,
  type TreeNode,
} from '@nacre/node'
import { check, claimedTask, ProtocolError, stepOpeningCodec, type Trace } from '@nacre/protocol'
import type { TraceShelf } from './trace-shelf.ts'
import type { UnitRunner } from './unit-runner.ts'

/** Blocks remembered whose unit did not replay here. */
const MAX_FAILURES = 64

/**
 * Answers requests for openings of steps (TRC-3). Recent traces come from the shelf; an older one, or one from before a
 * restart, is the same trace re-executed, because a trace is a function of the unit and the model (UNT-1).
 *
 * An execution is the most that a stranger can make this node do for a request of a few bytes, so it is bounded: blocks of the
 * best chain until maturity only (AUD-3), one request of a peer at a time, one execution of a block for all who ask, and none
 * again of a unit that did not replay. Validation goes first in any case (job priority `service`).
 */
export function serveOpenings(
  node: FullNode,
  runner: Pick<UnitRunner, 'replayTrace' | 'openSteps'>,
  shelf: TraceShelf,
): void {
  const { maturityBlocks } = node.context.params.block
  /** Executions under way by block id: many who ask for one block cost one execution. */
  const pending = new Map<string, Promise<Trace>>()
  const failures = new Map<string, ProtocolError>()
  /** Peers whose request is under way. */
  const asking = new Set<PeerName>()

  /** AUD-3: openings are owed until maturity. A block off the best chain pays nobody, and its unit need not be valid. */
  const owed = (id: Uint8Array): TreeNode => {
    const at = node.chain.tree.get(id)
    if (at === undefined || !node.chain.isOnBestChain(at))
      throw new ProtocolError('BLOCK_PARENT_UNKNOWN', 'the block is not on the best chain')
    const depth = node.chain.tip.header.height - at.header.height
    check(depth <= maturityBlocks, 'STEP_OUT_OF_RANGE', `the block is ${depth} deep, openings end at ${maturityBlocks}`)
    return at
  }
  const traceOf = async (at: TreeNode): Promise<Trace> => {
    const kept = shelf.get(at.id)
    if (kept !== undefined) return kept
    const failure = failures.get(at.hex)
    if (failure !== undefined) throw failure
    const execution = pending.get(at.hex) ?? executeAgain(at).finally(() => pending.delete(at.hex))
    pending.set(at.hex, execution)
    return execution
  }
  const executeAgain = async (at: TreeNode): Promise<Trace> => {
    const block = node.chain.block(at)
    if (block === undefined) throw new ProtocolError('BLOCK_PARENT_UNKNOWN', 'the block is not here')
    try {
      const trace = await runner.replayTrace(
        block.header.unit.modelId,
        claimedTask(node.context, block),
        block.body.tokens,
      )
      shelf.putReplayed(at.id, trace)
      return trace
    } catch (error) {
      // Replaying again gives the same (UNT-1). A full queue or a dead thread says nothing about the unit.
      if (error instanceof ProtocolError) remember(at.hex, error)
      throw error
    }
  }
  const remember = (hex: string, error: ProtocolError): void => {
    failures.set(hex, error)
    if (failures.size > MAX_FAILURES) failures.delete(failures.keys().next().value!)
  }
  const answer = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const request = decodeOpeningsRequest(bytes)
    check(request.steps.length > 0, 'STEP_OPENING', 'no steps were asked for')
    const trace = await traceOf(owed(request.blockId))
    const openings = await runner.openSteps(trace, request.steps)
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

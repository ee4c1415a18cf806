import { decodeOpeningsRequest, encodeByteList, type FullNode, REQUEST } from '@nacre/node'
import { assignedTask, bytesToHex, check, ProtocolError, stepOpeningCodec, type Trace } from '@nacre/protocol'
import type { TraceShelf } from './trace-shelf.ts'
import type { UnitRunner } from './unit-runner.ts'

/**
 * Answers requests for openings of steps (TRC-3). Recent traces come from the shelf; an older one, or one from before a
 * restart, is the same trace re-executed, because a trace is a function of the unit and the model (UNT-1).
 */
export function serveOpenings(
  node: FullNode,
  runner: Pick<UnitRunner, 'replayTrace' | 'openSteps'>,
  shelf: TraceShelf,
): void {
  /** Executions under way by block id: many who ask for one block cost one execution. */
  const pending = new Map<string, Promise<Trace>>()
  const traceOf = async (id: Uint8Array): Promise<Trace> => {
    const kept = shelf.get(id)
    if (kept !== undefined) return kept
    const hex = bytesToHex(id)
    const execution = pending.get(hex) ?? executeAgain(id).finally(() => pending.delete(hex))
    pending.set(hex, execution)
    return execution
  }
  const executeAgain = async (id: Uint8Array): Promise<Trace> => {
    const at = node.chain.tree.get(id)
    const block = at === undefined ? undefined : node.chain.block(at)
    if (block === undefined) throw new ProtocolError('BLOCK_PARENT_UNKNOWN', 'the block is not here')
    const trace = await runner.replayTrace(assignedTask(node.context, block.header), block.body.tokens)
    shelf.put(id, trace)
    return trace
  }
  node.network.handle(
    REQUEST.openings,
    async (_peer, bytes) => {
      const request = decodeOpeningsRequest(bytes)
      check(request.steps.length > 0, 'STEP_OPENING', 'no steps were asked for')
      const trace = await traceOf(request.blockId)
      const openings = await runner.openSteps(trace, request.steps)
      return encodeByteList(openings.map((opening) => stepOpeningCodec.encode(opening)))
    },
    { maxRequestBytes: 1024 },
  )
}

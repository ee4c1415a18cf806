import {
  assembleBlock,
  type Block,
  bestTicket,
  blockId,
  buildTicketProof,
  commitTrace,
  drawUnit,
  unitId,
} from '@nacre/protocol'
import { ancestryOf, type Forge } from './forge.ts'

/**
 * A miner that changes one bit of a committed value and then mines with that trace: ticket and proof are in order, only
 * re-executing the unit tells (B6).
 */
export function forgedTrace(forge: Forge, label: string, like: string): Block {
  const { context } = forge
  const { model, params: modelParams } = context.bootstrap
  const honest = forge.get(like)
  const parent = honest.parent!
  const { keys } = honest
  const { unit } = honest.header
  const trace = structuredClone(honest.trace!)
  const last = trace.h.at(-1)!
  const bits = new Uint32Array(last.buffer, last.byteOffset, last.length)
  bits[last.length - 1]! ^= 1
  const { traceRoot, subroots, top } = commitTrace(trace)
  const id = unitId(unit, keys.publicKey)
  const { beacon } = parent.header
  const tickets = drawUnit({
    modelParams,
    model,
    parentBeacon: beacon,
    unitId: id,
    minerKey: keys.publicKey,
    trace,
    traceRoot,
  })
  const ticket = bestTicket(tickets)!
  const proof = buildTicketProof(trace, subroots, top, ticket.position, modelParams.tileRows)
  const block = assembleBlock({
    context,
    ancestry: ancestryOf(parent),
    timeMs: honest.header.timeMs,
    won: { unit, tokens: [...trace.tokens], traceRoot, ticket, proof },
    transactions: [],
    reader: { get: (key) => parent.entries.get(key) },
    ltHash: parent.ltHash,
    keys,
  })
  forge.keep({ ...honest, label, id: blockId(block.header), header: block.header, block, trace })
  return block
}

/**
 * WRK-7: a ticket proof opens the residual rows of the winning tile, so that anybody with the model can multiply that one tile again.
 * Cheap checks come first.
 *
 *   traceRoot - preRoot - rows of the tile -> norm, quantise, add noise -> times W' -> fold = the header's state
 *        (topProof) (rowProof)
 *
 * Every field damaged in every way, random damage, and sizes: lottery-proof.test.ts.
 */
import { expect, test } from 'vitest'
import {
  buildTicketProof,
  checkTicketProof,
  checkTicketProofFits,
  type Ticket,
  type TicketProof,
  ticketProofBytes,
  ticketProofCodec,
  verifyTicketProof,
} from '../../src/index.ts'
import { fixtureCommitment, fixtureTrace, fixtureUnit, PROMPT, proofInput, UNIT_LOTTERY } from '../lottery-fixture.ts'
import * as one from './one-block.ts'
import { accepted, flipped, rejected } from './verbs.ts'

const unit = fixtureUnit()
const ticket = unit.tickets[100]!
const honest = proofInput(unit, ticket)
const dims = honest.model.config
const verify = (proof: Partial<TicketProof>, claimed: Partial<Ticket> = {}): Uint8Array =>
  verifyTicketProof({ ...honest, ticket: { ...ticket, ...claimed }, proof: { ...honest.proof, ...proof } })

test('the honest proof gives the ticket', () => {
  expect(verify({})).toEqual(ticket.hash)
})

test('rows: one too few, one short, one with a changed bit', () => {
  const { rows } = honest.proof
  rejected('TICKET_PROOF_SHAPE', () => verify({ rows: rows.slice(1) }))
  rejected('TICKET_PROOF_SHAPE', () => verify({ rows: rows.with(0, rows[0]!.slice(4)) }))
  rejected('TICKET_PROOF_OPENING', () => verify({ rows: rows.with(0, flipped(rows[0]!)) }))
})

test('openings: another pre-root, a hash missing on either way to the trace root', () => {
  rejected('TICKET_PROOF_OPENING', () => verify({ preRoot: flipped(honest.proof.preRoot) }))
  rejected('TICKET_PROOF_OPENING', () => verify({ rowProof: honest.proof.rowProof.slice(1) }))
  rejected('TICKET_PROOF_OPENING', () => verify({ topProof: honest.proof.topProof.slice(1) }))
})

test('the claim: another place, or a state that the tile does not fold to', () => {
  const { position, foldState } = ticket
  rejected('TICKET_POSITION', () => verify({}, { position: { ...position, tileRow: 4 } }))
  rejected('TICKET_PROOF_OPENING', () => verify({}, { position: { ...position, tileRow: position.tileRow ^ 1 } }))
  rejected('TICKET_STATE_MISMATCH', () =>
    verify({}, { position: { ...position, tileColumn: position.tileColumn ^ 1 } }),
  )
  rejected('TICKET_STATE_MISMATCH', () => verify({}, { foldState: foldState.with(0, foldState[0]! ^ 1) }))
})

test('rows that are committed to, but are not finite', () => {
  const trace = fixtureTrace(dims, PROMPT)
  const { layer, op, tileRow } = ticket.position
  const array = op === 0 ? trace.h[layer]! : trace.x[layer]!
  array[tileRow * UNIT_LOTTERY.tileRows * dims.dModel] = Number.NaN
  const { subroots, top } = fixtureCommitment(trace)
  const proof = buildTicketProof(trace, subroots, top, ticket.position, UNIT_LOTTERY.tileRows)
  rejected('TICKET_PROOF_SHAPE', () => verifyTicketProof({ ...honest, traceRoot: top.root, proof }), 'not finite')
})

test('the header commits to the proof', () => {
  const { block, genesis, context } = one
  const check = (proof: TicketProof): void => checkTicketProof(context, { ...block, proof }, genesis.header.beacon)
  accepted(() => check(block.proof))
  rejected('TICKET_PROOF_HASH', () => check({ ...block.proof, preRoot: flipped(block.proof.preRoot) }))
})

test('its size is known beforehand; a model whose proofs exceed 256 KiB has no lottery', () => {
  const bound = ticketProofBytes(dims, UNIT_LOTTERY, PROMPT)
  expect(ticketProofCodec.encode(honest.proof).length).toBeLessThanOrEqual(bound)
  const wide = { ...dims, dModel: 4096 }
  accepted(() => checkTicketProofFits(wide, { ...UNIT_LOTTERY, tileRows: 15 }, PROMPT))
  rejected('PARAM_CONTRADICTION', () => checkTicketProofFits(wide, { ...UNIT_LOTTERY, tileRows: 16 }, PROMPT))
  rejected('CODEC_TOO_LARGE', () => ticketProofCodec.decode(new Uint8Array(256 * 1024 + 1)))
})

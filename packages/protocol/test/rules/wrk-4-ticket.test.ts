/**
 * WRK-4: a ticket is the hash of a tile's fold state and place under a key that commits to the unit and its complete trace, so no ticket
 * exists before the last token does (B4). It wins below a threshold that grows with the work that the unit's tickets stand for: the
 * target prices one MAC.
 *
 *   key = H(unitId | traceRoot)     ticket = BLAKE3(key, state | layer | op | tileRow | tileColumn), little-endian
 *
 *   0 |---- wins ----| target * ticketMacs -------------------------------------------------- 2^256 - 1
 *
 * A bootstrap ticket stands for its part of the bootstrap prompt's MACs, a paid one for the part paidDrawPpm of that, however long
 * its prompt: rows that no full tile covers draw nothing and count for nothing.
 */
import { expect, test } from 'vitest'
import {
  bestTicket,
  checkHeaderTicket,
  drawMacs,
  headerTicket,
  keyedHash,
  LANE_BOOTSTRAP,
  LANE_PAID,
  type Lane,
  OP_GATE_UP,
  taggedHash,
  ticketMacs,
  ticketThreshold,
  ticketWins,
  u32ListToBytes,
  unitModel,
  unitTickets,
} from '../../src/index.ts'
import { fixtureUnit, PROMPT, proofInput, UNIT_LOTTERY } from '../lottery-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

const dims = unitModel().config
const MAX = (1n << 256n) - 1n

test('the ticket, written out', () => {
  const foldState = Uint32Array.from({ length: 16 }, (_, i) => i)
  const input = { unitId: filled(1), traceRoot: filled(2), foldState }
  const key = taggedHash('ticketKey', filled(1), filled(2))
  const written = keyedHash(key, u32ListToBytes([...foldState, 5, OP_GATE_UP, 3, 4]))
  expect(headerTicket({ ...input, position: { layer: 5, op: OP_GATE_UP, tileRow: 3, tileColumn: 4 } })).toEqual(written)
})

const rules = (paidDrawPpm: number) => ({ units: { bootstrapPromptTokens: PROMPT }, jobs: { paidDrawPpm } })
const macsOf = (lane: Lane, ppm: number): number => ticketMacs(rules(ppm), lane, dims, UNIT_LOTTERY)

test('what a ticket stands for: its part of all linear MACs of the bootstrap prompt, rounded down; paid, a part of that', () => {
  const [qkv, o, gateUp, down] = [32 * 64, 32 * 32, 32 * 2 * dims.ffnDim, dims.ffnDim * 32]
  const tickets = unitTickets(dims, UNIT_LOTTERY, PROMPT)
  const bootstrap = Math.floor((PROMPT * 2 * (qkv + o + gateUp + down)) / tickets)
  expect(macsOf(LANE_BOOTSTRAP, 80_000)).toBe(bootstrap)
  expect(macsOf(LANE_PAID, 80_000)).toBe(Math.floor(bootstrap * 0.08))
  expect(macsOf(LANE_PAID, 1_000_000)).toBe(bootstrap)
  expect(macsOf(LANE_PAID, 0)).toBe(0)
})

test('a paid prompt one token below a further row of tiles draws no more than without these tokens', () => {
  const drawn = (promptTokens: number): number => drawMacs(rules(80_000), LANE_PAID, dims, UNIT_LOTTERY, promptTokens)
  expect(drawn(7)).toBe(drawn(4))
  expect(drawn(8)).toBe(2 * drawn(4))
  expect(drawn(3)).toBe(0)
})

test('the threshold is clamped, and 0 for a ticket that stands for nothing', () => {
  expect(ticketThreshold(10n, 333)).toBe(10n * 333n)
  expect(ticketThreshold(MAX, 333)).toBe(MAX)
  expect(ticketThreshold(MAX, 0)).toBe(0n)
})

test('a ticket is little-endian and wins strictly below', () => {
  const five = new Uint8Array(32).with(0, 5)
  expect(ticketWins(five, 5n, 1)).toBe(false)
  expect(ticketWins(five, 6n, 1)).toBe(true)
})

test('a header whose ticket wins, loses at a harder target, or is not that of its trace', () => {
  const unit = fixtureUnit()
  const ticket = bestTicket(unit.tickets)!
  const header = { ...proofInput(unit, ticket), ...ticket, dims }
  const perTicket = BigInt(macsOf(LANE_BOOTSTRAP, 0))
  const value = BigInt(`0x${Buffer.from(ticket.hash.toReversed()).toString('hex')}`)
  const hardest = value / perTicket + 1n
  accepted(() => checkHeaderTicket({ ...header, target: hardest }))
  rejected('TICKET_LOSES', () => checkHeaderTicket({ ...header, target: hardest - 1n }))
  // Another trace root is another draw: this one does not win at the same target.
  rejected('TICKET_LOSES', () => checkHeaderTicket({ ...header, target: hardest, traceRoot: filled(1) }))
  rejected('TICKET_LOSES', () => checkHeaderTicket({ ...header, target: hardest, unitId: filled(2) }))
  rejected('TICKET_PROOF_SHAPE', () => checkHeaderTicket({ ...header, foldState: new Uint32Array(15) }))
})

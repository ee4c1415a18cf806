/** Builds `vectors/tickets.json`: fold states, tickets, thresholds, one whole draw and one proof (WRK-3, WRK-4, WRK-7). */
import { bytesToHex, concatBytes, hexToBytes, u32ListToBytes } from '../../src/bytes.ts'
import { keyedHash } from '../../src/hash.ts'
import {
  bestTicket,
  buildTicketProof,
  drawMacs,
  foldProduct,
  type Ticket,
  type TicketPosition,
  ticketHash,
  ticketKey,
  ticketMacs,
  ticketProofCodec,
  ticketProofHash,
  ticketThreshold,
} from '../../src/lottery/index.ts'
import { unitModel } from '../../src/model/synthetic.ts'
import { LANE_BOOTSTRAP, LANE_PAID } from '../../src/unit/types.ts'
import { fixtureUnit, MINER_KEY, PARENT_BEACON, PROMPT, UNIT_ID, UNIT_LOTTERY } from '../lottery-fixture.ts'

const repeat = (byte: string): string => byte.repeat(32)

/** Element (i, c) of the left factor of the fold vectors. */
export const foldA = (i: number, c: number): number => ((7 * i + 3 * c + i * c + 1) % 253) - 126
/** Element (j, c) of the right factor, one output column per row. */
export const foldW = (j: number, c: number): number => ((11 * j + 5 * c + j * c + 2) % 253) - 126

/** rows x k values of a rule, row-major. */
export function fill(rows: number, k: number, rule: (i: number, c: number) => number): Int8Array {
  return Int8Array.from({ length: rows * k }, (_, t) => rule(Math.floor(t / k), t % k))
}

const FOLDS = [
  { m: 2, n: 3, h: 1, w: 1, k: 8, r: 4 },
  { m: 9, n: 17, h: 4, w: 8, k: 32, r: 8 },
  { m: 16, n: 32, h: 16, w: 32, k: 192, r: 32 },
  { m: 2, n: 2, h: 2, w: 2, k: 80, r: 4 },
]
const POSITIONS: readonly TicketPosition[] = [
  { layer: 0, op: 0, tileRow: 0, tileColumn: 0 },
  { layer: 1, op: 1, tileRow: 2, tileColumn: 3 },
  { layer: 255, op: 1, tileRow: 65535, tileColumn: 131071 },
]
const THRESHOLDS: readonly { target: bigint; ticketMacs: number }[] = [
  { target: 1n, ticketMacs: 333 },
  { target: 1n << 200n, ticketMacs: 74_472 },
  { target: (1n << 256n) - 1n, ticketMacs: 1 },
  { target: 1n << 255n, ticketMacs: 2 },
  { target: (1n << 255n) - 1n, ticketMacs: 2 },
  { target: 1n << 200n, ticketMacs: 0 },
  { target: 7n, ticketMacs: Number.MAX_SAFE_INTEGER },
]
/** P of the bootstrap lane, paidDrawPpm, P of the unit. */
const WORTHS: readonly (readonly [number, number, number])[] = [
  [18, 80_000, 18],
  [24, 0, 18],
  [24, 1, 32],
  [24, 80_000, 3],
  [24, 80_000, 4],
  [24, 80_000, 7],
  [24, 1_000_000, 32],
  [3, 1_000_000, 32],
]

const stateHex = (state: Uint32Array): string => bytesToHex(u32ListToBytes(state))
const ticketEntry = ({ position, foldState, hash }: Ticket): unknown => ({
  ...position,
  foldState: stateHex(foldState),
  ticket: bytesToHex(hash),
})

export function ticketVectors(): unknown {
  const state = Uint32Array.from({ length: 16 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0)
  const key = ticketKey({ unitId: hexToBytes(repeat('01')), traceRoot: hexToBytes(repeat('77')) })
  const unit = fixtureUnit()
  const best = bestTicket(unit.tickets)!
  const proof = buildTicketProof(unit.trace, unit.subroots, unit.top, best.position, UNIT_LOTTERY.tileRows)
  return {
    about:
      'Tickets of the lottery. Hex is bytes in order, 64-byte states are 16 u32 LE, thresholds are decimal. What tickets are worth: model and lottery of the draw. Products are row-major i32 LE.',
    fold: FOLDS.map((shape) => {
      const { m, n, k } = shape
      const { product, states } = foldProduct(fill(m, k, foldA), fill(n, k, foldW), shape)
      return {
        a: 'a[i][c] = ((7 i + 3 c + i c + 1) mod 253) - 126',
        w: 'w[j][c] = ((11 j + 5 c + j c + 2) mod 253) - 126',
        shape,
        productHash: bytesToHex(keyedHash(new Uint8Array(32), u32ListToBytes(product))),
        states: states.map(stateHex),
      }
    }),
    ticketKey: [{ unitId: repeat('01'), traceRoot: repeat('77'), key: bytesToHex(key) }],
    ticket: POSITIONS.map((position) => ({
      key: bytesToHex(key),
      foldState: stateHex(state),
      position,
      ticket: bytesToHex(ticketHash(key, state, position)),
    })),
    worth: WORTHS.flatMap(([bootstrapPromptTokens, paidDrawPpm, promptTokens]) =>
      ([LANE_BOOTSTRAP, LANE_PAID] as const).map((lane) => {
        const rules = { units: { bootstrapPromptTokens }, jobs: { paidDrawPpm } }
        const { config } = unitModel()
        return {
          ...{ bootstrapPromptTokens, paidDrawPpm, lane, promptTokens },
          ticketMacs: ticketMacs(rules, lane, config, UNIT_LOTTERY),
          drawMacs: drawMacs(rules, lane, config, UNIT_LOTTERY, promptTokens),
        }
      }),
    ),
    threshold: THRESHOLDS.map(({ target, ticketMacs: macs }) => ({
      target: String(target),
      ticketMacs: macs,
      threshold: String(ticketThreshold(target, macs)),
    })),
    draw: {
      model: 'the synthetic model of the preset unit',
      modelId: bytesToHex(unitModel().modelId),
      lottery: UNIT_LOTTERY,
      promptTokens: PROMPT,
      parentBeacon: bytesToHex(PARENT_BEACON),
      unitId: bytesToHex(UNIT_ID),
      minerKey: bytesToHex(MINER_KEY),
      rows: 'h[l] is array 2 l, x[l] is array 2 l + 1; value (i, c) = (((31 array + 17 i + 7 c + 5 i c + 3) mod 257) - 128) / 32',
      subroots: 'sub-root i is 32 bytes of value i, except the pre-roots',
      traceRoot: bytesToHex(unit.top.root),
      tickets: unit.tickets.length,
      ticketsHash: bytesToHex(keyedHash(new Uint8Array(32), concatBytes(...unit.tickets.map((ticket) => ticket.hash)))),
      first: ticketEntry(unit.tickets[0]!),
      last: ticketEntry(unit.tickets.at(-1)!),
      best: ticketEntry(best),
    },
    proof: {
      of: 'the best ticket of the draw',
      bytes: bytesToHex(ticketProofCodec.encode(proof)),
      hash: bytesToHex(ticketProofHash(proof)),
    },
  }
}

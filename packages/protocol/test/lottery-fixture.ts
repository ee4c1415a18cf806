import {
  drawUnit,
  type LotteryParams,
  preRootOf,
  TICKET_OPS,
  type Ticket,
  type TicketProofInput,
  ticketMacs,
} from '../src/lottery/index.ts'
import { buildTicketProof } from '../src/lottery/proof.ts'
import { type MerkleTree, merkleTree } from '../src/merkle.ts'
import { unitModel } from '../src/model/synthetic.ts'
import type { ModelDims } from '../src/model/types.ts'
import { subrootCount, subrootPre } from '../src/trace/layout.ts'
import type { Trace } from '../src/trace/types.ts'
import { LANE_BOOTSTRAP } from '../src/unit/types.ts'

/** The lottery shape of the preset `unit`. */
export const UNIT_LOTTERY: LotteryParams = { noiseRank: 8, tileRows: 4, tileColumns: 8 }

/** 18 prompt rows: four full rows of tiles and two rows that draw nothing. */
export const PROMPT = 18

/** What a ticket of the fixture's unit stands for, as if all bootstrap units were like it. */
export const FIXTURE_TICKET_MACS: number = ticketMacs(
  { units: { bootstrapPromptTokens: PROMPT }, jobs: { paidDrawPpm: 0 } },
  LANE_BOOTSTRAP,
  unitModel().config,
  UNIT_LOTTERY,
)

/** A target under which practically every ticket wins. */
export const EASIEST: bigint = (1n << 256n) - 1n

export const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

/** Element (i, c) of rows number `array` (h of layer l is 2l, x of layer l is 2l + 1): exact in binary32. */
export function fixtureValue(array: number, i: number, c: number): number {
  return (((31 * array + 17 * i + 7 * c + 5 * i * c + 3) % 257) - 128) / 32
}

/** A trace of which only the residual rows are filled, by {@link fixtureValue}: the lottery reads no more. */
export function fixtureTrace(dims: ModelDims, promptTokens: number): Trace {
  const newTokens = 3
  const positions = promptTokens + newTokens - 1
  const rows = (array: number): Float32Array =>
    Float32Array.from({ length: positions * dims.dModel }, (_, t) =>
      fixtureValue(array, Math.floor(t / dims.dModel), t % dims.dModel),
    )
  return {
    shape: { promptTokens, newTokens, dims },
    tokens: new Uint32Array(promptTokens + newTokens),
    h: Array.from({ length: dims.nLayers + 1 }, (_, l) => rows(2 * l)),
    x: Array.from({ length: dims.nLayers }, (_, l) => rows(2 * l + 1)),
    k: [],
    v: [],
    kScale: [],
    vScale: [],
    o: [],
    oScale: [],
  }
}

/** Sub-roots with true pre-roots; sub-root i of any other kind is 32 bytes of value i. */
export function fixtureCommitment(trace: Trace): { subroots: Uint8Array[]; top: MerkleTree } {
  const { dims } = trace.shape
  const subroots = Array.from({ length: subrootCount(dims) }, (_, i) => bytes(i))
  for (let layer = 0; layer < dims.nLayers; layer++) {
    for (const op of TICKET_OPS) subroots[subrootPre(dims, layer, op)] = preRootOf(trace, layer, op)
  }
  return { subroots, top: merkleTree(subroots) }
}

export interface Unit {
  readonly trace: Trace
  readonly subroots: readonly Uint8Array[]
  readonly top: MerkleTree
  readonly tickets: readonly Ticket[]
}

export const PARENT_BEACON: Uint8Array = bytes(0xb1)
export const UNIT_ID: Uint8Array = bytes(0x01)
export const MINER_KEY: Uint8Array = bytes(0x3e)

/** One drawn unit of the model of the preset `unit`. */
export function fixtureUnit(): Unit {
  const model = unitModel()
  const trace = fixtureTrace(model.config, PROMPT)
  const { subroots, top } = fixtureCommitment(trace)
  const tickets = drawUnit({
    modelParams: UNIT_LOTTERY,
    model,
    parentBeacon: PARENT_BEACON,
    unitId: UNIT_ID,
    minerKey: MINER_KEY,
    trace,
    traceRoot: top.root,
  })
  return { trace, subroots, top, tickets }
}

/** Everything a verifier needs for one ticket of the unit. */
export function proofInput(unit: Unit, ticket: Ticket): TicketProofInput {
  return {
    modelParams: UNIT_LOTTERY,
    model: unitModel(),
    promptTokens: PROMPT,
    parentBeacon: PARENT_BEACON,
    unitId: UNIT_ID,
    minerKey: MINER_KEY,
    traceRoot: unit.top.root,
    ticket,
    target: EASIEST,
    ticketMacs: FIXTURE_TICKET_MACS,
    proof: buildTicketProof(unit.trace, unit.subroots, unit.top, ticket.position, UNIT_LOTTERY.tileRows),
  }
}

/** Tickets: how many a unit has, what each is worth, which wins (WRK-4, WRK-6). */
import { bigintFromLe, concatBytes, u32ListToBytes, u32le } from '../bytes.ts'
import { TARGET_LIMIT } from '../difficulty/bits.ts'
import { check } from '../errors.ts'
import { type KeyedHash, keyedHash, taggedHash } from '../hash.ts'
import { promptMacs } from '../model/macs.ts'
import type { ModelDims } from '../model/types.ts'
import type { JobParams, ModelParams, UnitParams } from '../params/types.ts'
import { OP_GATE_UP, OP_QKV, type TicketOp } from '../trace/types.ts'
import { LANE_BOOTSTRAP, type Lane } from '../unit/types.ts'
import type { FoldShape } from './fold.ts'
import { DRAW_BOUND, type DrawBindings } from './seeds.ts'
import type { TicketPosition } from './types.ts'

/** The parameters of a registered model that shape its lottery. */
export type LotteryParams = Pick<ModelParams, 'noiseRank' | 'tileRows' | 'tileColumns'>

/** The parameters of a chain that say what tickets stand for (WRK-4). */
export interface TicketRules {
  readonly units: Pick<UnitParams, 'bootstrapPromptTokens'>
  readonly jobs: Pick<JobParams, 'paidDrawPpm'>
}

/** Both ticket operations in the order in which they draw. */
export const TICKET_OPS: readonly TicketOp[] = [OP_QKV, OP_GATE_UP]

/** Sizes of one ticket operation: A is m x k, W is k x n, tiles are h x w, noise rank and fold step are r. */
export interface TicketShape extends FoldShape {
  readonly m: number
  readonly n: number
  /** Full tiles from top to bottom: floor(m / h). */
  readonly rowTiles: number
  /** Full tiles from left to right: floor(n / w). */
  readonly columnTiles: number
}

/** Outputs of a ticket operation: query, key and value heads, or gates and ups. */
function outputs(dims: ModelDims, op: TicketOp): number {
  return op === OP_QKV ? (dims.nHeads + 2 * dims.nKvHeads) * dims.headDim : 2 * dims.ffnDim
}

/**
 * The shape of a ticket operation over m prompt rows.
 * Throws PARAM_CONTRADICTION if the noise rank does not divide the model's width.
 */
export function ticketShape(dims: ModelDims, params: LotteryParams, op: TicketOp, m: number): TicketShape {
  const { noiseRank: r, tileRows: h, tileColumns: w } = params
  const k = dims.dModel
  const n = outputs(dims, op)
  check(k % r === 0, 'PARAM_CONTRADICTION', `noise rank ${r} does not divide the model's width ${k} (WRK-2)`)
  return { m, k, n, r, h, w, rowTiles: Math.floor(m / h), columnTiles: Math.floor(n / w) }
}

/** Tickets of a unit: the full tiles of both operations over all layers. 0 for a prompt shorter than a tile. */
export function unitTickets(dims: ModelDims, params: LotteryParams, promptTokens: number): number {
  let perLayer = 0
  for (const op of TICKET_OPS) {
    const { rowTiles, columnTiles } = ticketShape(dims, params, op, promptTokens)
    perLayer += rowTiles * columnTiles
  }
  return dims.nLayers * perLayer
}

/**
 * The MACs that one ticket of a model stands for, whatever the prompt's length: b = floor(promptMacs(P) / unitTickets(P)) of the
 * bootstrap's P in the bootstrap lane, floor(b * paidDrawPpm / 10^6) in the paid lane. 0 where nothing draws.
 * An integer below 2^53; throws UNIT_SHAPE for a model whose MACs are not countable.
 */
export function ticketMacs(rules: TicketRules, lane: Lane, dims: ModelDims, params: LotteryParams): number {
  const promptTokens = rules.units.bootstrapPromptTokens
  const tickets = unitTickets(dims, params, promptTokens)
  if (tickets === 0) return 0
  const bootstrap = Math.floor(promptMacs(dims, promptTokens) / tickets)
  if (lane === LANE_BOOTSTRAP) return bootstrap
  return Number((BigInt(bootstrap) * BigInt(rules.jobs.paidDrawPpm)) / 1_000_000n)
}

/**
 * The MACs that all tickets of a unit stand for together (WRK-4): its chance to win is at most this over the expected work of a block.
 * An integer below 2^53; throws UNIT_SHAPE for more.
 */
export function drawMacs(
  rules: TicketRules,
  lane: Lane,
  dims: ModelDims,
  params: LotteryParams,
  promptTokens: number,
): number {
  const macs = unitTickets(dims, params, promptTokens) * ticketMacs(rules, lane, dims, params)
  check(Number.isSafeInteger(macs), 'UNIT_SHAPE', `${macs} MACs are not countable`)
  return macs
}

/** What the key of a unit's tickets commits to. */
export interface TicketKeyInput {
  readonly unitId: Uint8Array
  readonly traceRoot: Uint8Array
  /** Of the unit; read only without `singleUse`. Default 0. */
  readonly counter?: number | undefined
  readonly bindings?: DrawBindings | undefined
}

/**
 * The key of all tickets of a unit: it commits to the complete trace (B4). Without `completionBeforeDraw` it does not; without
 * `singleUse` (B5) it also commits to the counter, a free nonce then, with which one trace draws again for a hash each.
 */
export function ticketKey(input: TicketKeyInput): Uint8Array {
  const { unitId, traceRoot, counter = 0, bindings = DRAW_BOUND } = input
  const parts = [unitId]
  if (bindings.completionBeforeDraw === 'on') parts.push(traceRoot)
  if (bindings.singleUse === 'off') parts.push(u32le(counter))
  return taggedHash('ticketKey', ...parts)
}

/**
 * The ticket of a tile, 32 bytes: BLAKE3 keyed with `key` of the state's 16 words | layer | op | tileRow | tileColumn, all
 * u32 LE (80 bytes).
 */
export function ticketHash(
  key: Uint8Array,
  foldState: Uint32Array,
  position: TicketPosition,
  hash: KeyedHash = keyedHash,
): Uint8Array {
  const { layer, op, tileRow, tileColumn } = position
  return hash(key, concatBytes(u32ListToBytes(foldState), u32ListToBytes([layer, op, tileRow, tileColumn])))
}

/**
 * The bound below which a ticket wins: target * macs, at most 2^256 - 1; 0 for tickets that stand for nothing.
 * @param target 1..2^256-1. @param macs of one ticket, see {@link ticketMacs}.
 */
export function ticketThreshold(target: bigint, macs: number): bigint {
  const threshold = target * BigInt(macs)
  return threshold < TARGET_LIMIT ? threshold : TARGET_LIMIT - 1n
}

/** Whether a ticket, read as a little-endian integer, wins. @param macs of one ticket, see {@link ticketMacs}. */
export function ticketWins(ticket: Uint8Array, target: bigint, macs: number): boolean {
  return bigintFromLe(ticket) < ticketThreshold(target, macs)
}

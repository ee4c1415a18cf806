/** Ticket proofs (WRK-7): their encoding (CNV-1), how a miner opens a tile and how everybody else checks it. */
import * as P from 'micro-packed'
import { f32FromBytes } from '../bytes.ts'
import { boundedBytes, boundedList, bytes32, type Codec, defineCodec } from '../codec.ts'
import { check, ProtocolError } from '../errors.ts'
import { type KeyedHash, taggedHash } from '../hash.ts'
import { MAX_MERKLE_PROOF_HASHES, MAX_TICKET_PROOF_BYTES } from '../limits.ts'
import { type MerkleTree, merkleLeafHash, merkleTree, openMerkle, verifyMerkle } from '../merkle.ts'
import type { Model } from '../model/types.ts'
import { subrootCount, subrootPre } from '../trace/layout.ts'
import type { Trace } from '../trace/types.ts'
import { foldTile } from './fold.ts'
import { checkHeaderTicket } from './header-ticket.ts'
import { noisedOperandRows, operandNoise } from './noise.ts'
import { noisedColumns, type WeightNoiseCache, type WeightSide, weightSeedOf } from './noised-weights.ts'
import { operandRows, promptLeaves } from './operand.ts'
import { operandNoiseSeed } from './seeds.ts'
import { type LotteryParams, type TicketKeyInput, type TicketShape, ticketShape } from './tickets.ts'
import type { Ticket, TicketPosition, TicketProof } from './types.ts'

export type { WeightNoiseCache } from './noised-weights.ts'

/** Most rows of a tile (the range of `models.*.tileRows`). */
export const MAX_TICKET_PROOF_ROWS = 256

/**
 * rows: u32 count, each u32 length and bytes | rowProof: u32 count, 32 bytes each | preRoot: 32 bytes | topProof: u32 count,
 * 32 bytes each. At most MAX_TICKET_PROOF_BYTES.
 */
export const ticketProofCodec: Codec<TicketProof> = defineCodec(
  'ticket proof',
  P.struct({
    rows: boundedList(MAX_TICKET_PROOF_ROWS, boundedBytes(MAX_TICKET_PROOF_BYTES)),
    rowProof: boundedList(MAX_MERKLE_PROOF_HASHES, bytes32),
    preRoot: bytes32,
    topProof: boundedList(MAX_MERKLE_PROOF_HASHES, bytes32),
  }) as unknown as P.CoderType<TicketProof>,
  MAX_TICKET_PROOF_BYTES,
)

/** The hash that a header carries for its proof (BLK-1). */
export function ticketProofHash(proof: TicketProof): Uint8Array {
  return taggedHash('ticketProof', ticketProofCodec.encode(proof))
}

/**
 * Opens the residual rows of a tile under the pre-root of its operation and that under the trace root (WRK-7).
 * @param subroots the trace's 32-byte sub-roots in the order of trace/layout.ts. @param top the tree over them.
 * @param tileRows h.
 */
export function buildTicketProof(
  trace: Trace,
  subroots: readonly Uint8Array[],
  top: MerkleTree,
  position: TicketPosition,
  tileRows: number,
  hash?: KeyedHash,
): TicketProof {
  const { layer, op, tileRow } = position
  const leaves = promptLeaves(trace, layer, op)
  const indices = tileRowIndices(tileRow, tileRows)
  const pre = subrootPre(trace.shape.dims, layer, op)
  return {
    rows: indices.map((i) => leaves[i]!),
    rowProof: openMerkle(merkleTree(leaves, hash), indices),
    preRoot: subroots[pre]!,
    topProof: openMerkle(top, [pre]),
  }
}

/** Prompt positions of a tile's rows. */
export function tileRowIndices(tileRow: number, tileRows: number): number[] {
  return Array.from({ length: tileRows }, (_, i) => tileRow * tileRows + i)
}

export interface TicketProofInput extends TicketKeyInput {
  readonly modelParams: LotteryParams
  readonly model: Model
  /** P of the unit. */
  readonly promptTokens: number
  /** Beacon of the parent block, 32 bytes. */
  readonly parentBeacon: Uint8Array
  readonly minerKey: Uint8Array
  /** What the header claims. */
  readonly ticket: Pick<Ticket, 'position' | 'foldState'>
  readonly target: bigint
  /** MACs that one ticket of the unit stands for (WRK-4). */
  readonly ticketMacs: number
  readonly proof: TicketProof
}

/** What the fold state of one tile follows from, once its rows have been opened. */
export interface TileInput {
  readonly side: WeightSide
  readonly shape: TicketShape
  /** Seeds of F and E (WRK-2). */
  readonly weightSeed: Uint8Array
  readonly operandSeed: Uint8Array
  /** The tile's rows of A, h x k values in [-63, 63]. */
  readonly operand: Int8Array
  readonly tileRow: number
  readonly tileColumn: number
}

/** Computes the fold state of a tile, 16 words. Engines may pass a faster one; it must equal {@link foldOpenedTile}. */
export type TileFold = (tile: TileInput) => Uint32Array

/** The fold state of a tile from its opened rows (WRK-3): the reference. */
export function foldOpenedTile(tile: TileInput, cache?: WeightNoiseCache, hash?: KeyedHash): Uint32Array {
  const { side, shape, operandSeed, operand, tileRow, tileColumn } = tile
  const { k, r, h, w } = shape
  const noise = operandNoise(operandSeed, k, r, tileRow * h, h, hash)
  return foldTile(noisedOperandRows(operand, noise), noisedColumns(side, tileColumn * w, w, cache, hash), shape)
}

/**
 * Verifies a ticket proof (WRK-7) and returns the ticket, 32 bytes. Cheap checks come first:
 * TICKET_POSITION (not a full tile), TICKET_LOSES, TICKET_PROOF_SHAPE (number or length of rows, non-finite values),
 * TICKET_PROOF_OPENING (with the MERKLE_* cause), TICKET_STATE_MISMATCH (the recomputed tile folds to another state).
 * It costs one tile of h w k MACs and the noise of h rows and w columns, about a millisecond with a fast `hash` or with W'
 * from `cache`.
 * @param fold a faster way to the tile's state, which then makes no use of `cache`.
 */
export function verifyTicketProof(
  input: TicketProofInput,
  cache?: WeightNoiseCache,
  hash?: KeyedHash,
  fold: TileFold = (tile) => foldOpenedTile(tile, cache, hash),
): Uint8Array {
  const { modelParams, model, promptTokens, unitId, minerKey, ticket, proof, bindings } = input
  const { position, foldState } = ticket
  const winner = checkHeaderTicket({ ...input, dims: model.config, position, foldState }, hash)
  const rows = decodeRows(proof, model.config.dModel, modelParams.tileRows)
  checkOpening(input, hash)

  const { layer, op, tileRow, tileColumn } = position
  const side: WeightSide = { modelParams, model, parentBeacon: input.parentBeacon, layer, op }
  const shape = ticketShape(model.config, modelParams, op, promptTokens)
  const { m, k } = shape
  const weightSeed = weightSeedOf(side)
  const operandSeed = operandNoiseSeed({ weightSeed, unitId, minerKey, preRoot: proof.preRoot, m, k, bindings })
  const operand = operandRows(model, layer, op, rows)
  const state = fold({ side, shape, weightSeed, operandSeed, operand, tileRow, tileColumn })
  const equal = state.every((word, i) => word === foldState[i])
  check(equal, 'TICKET_STATE_MISMATCH', 'the tile folds to another state (WRK-3)')
  return winner
}

function decodeRows(proof: TicketProof, dModel: number, tileRows: number): Float32Array[] {
  const { rows } = proof
  check(rows.length === tileRows, 'TICKET_PROOF_SHAPE', `${rows.length} rows, a tile has ${tileRows}`)
  return rows.map((bytes, i) => {
    check(bytes.length === 4 * dModel, 'TICKET_PROOF_SHAPE', `row ${i} has ${bytes.length} bytes, not ${4 * dModel}`)
    const row = f32FromBytes(bytes)
    check(row.every(Number.isFinite), 'TICKET_PROOF_SHAPE', `row ${i} is not finite`)
    return row
  })
}

function checkOpening(input: TicketProofInput, hash?: KeyedHash): void {
  const { modelParams, model, promptTokens, traceRoot, proof } = input
  const { position } = input.ticket
  const leaves = proof.rows.map((row) => merkleLeafHash(row, hash))
  const indices = tileRowIndices(position.tileRow, modelParams.tileRows)
  const pre = subrootPre(model.config, position.layer, position.op)
  try {
    verifyMerkle(proof.preRoot, promptTokens, indices, leaves, proof.rowProof, hash)
    const preLeaf = merkleLeafHash(proof.preRoot, hash)
    verifyMerkle(traceRoot, subrootCount(model.config), [pre], [preLeaf], proof.topProof, hash)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new ProtocolError('TICKET_PROOF_OPENING', 'the rows do not open under the trace root', { cause })
  }
}

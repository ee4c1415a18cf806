/** Verification of plain proofs (chapter 12). Cheap checks come first; everything that is allocated is bounded by then. */
import { check } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import { shown } from './argument.ts'
import {
  type Configuration,
  checkCommonDimension,
  checkRank,
  checkTileShape,
  encodeConfiguration,
  foldedLength,
} from './configuration.ts'
import { targetFromBits } from './difficulty.ts'
import { decodeHeader, encodeHeader, type PearlHeader } from './header.ts'
import { MAX_DIMENSION } from './limits.ts'
import { checkEntries, tileState } from './opened-tile.ts'
import { type PlacedPattern, patternOfIndices } from './pattern.ts'
import { checkPlainProofForm, decodePlainProof, type MatrixOpening, type PlainProof } from './plain-proof.ts'
import { jobKey, type NoiseSeeds, noiseSeeds, type SeedRule } from './seeds.ts'
import { ticketBound, ticketHash, ticketWins } from './tile.ts'
import { chunksOf, chunksOfRows, rowsOfChunks, verifyChunks } from './tree.ts'

export interface VerifyOptions {
  /** How the seeds follow from the roots; default `v3`. */
  readonly rule?: SeedRule
  /** Count a fold step as 128 products whatever the rank, and refuse ranks below 128; default off. */
  readonly rankPenalty?: boolean
  /** Another target than the header's, as a pool sets for shares. */
  readonly shareBits?: number
  /** Another keyed hash for noise and ticket; it must equal BLAKE3's. */
  readonly hash?: KeyedHash
}

/** What a valid plain proof proves. */
export interface VerifiedProof extends NoiseSeeds {
  readonly configuration: Configuration
  readonly jobKey: Uint8Array
  readonly rowOffset: number
  readonly columnOffset: number
  /** Sixteen words. */
  readonly state: Uint32Array
  /** 32 bytes, at most `bound` as a little-endian integer. */
  readonly ticket: Uint8Array
  readonly bound: bigint
}

/**
 * Verifies a plain proof against its header and returns what it proves. It shows that one tile of A'B' was multiplied for operands
 * to which the miner had committed before it knew the noise; not what they are, nor that anybody wants the product.
 *
 * Checks in order: PEARL_HEADER, PEARL_BITS, PEARL_PROOF (form), PEARL_DIMENSIONS, PEARL_RANK, PEARL_K, PEARL_TILE, PEARL_INDICES,
 * PEARL_PATTERN, PEARL_OFFSET, PEARL_LEAF_COUNT, PEARL_LEAVES, PEARL_PADDING, PEARL_ENTRY, PEARL_OPENING, PEARL_LOSES.
 * @param header fields, or 76 bytes. @param proof fields, or the bytes of `encodePlainProof`.
 */
export function verifyPlainProof(
  header: PearlHeader | Uint8Array,
  proof: PlainProof | Uint8Array,
  options: VerifyOptions = {},
): VerifiedProof {
  const { rule = 'v3', rankPenalty = false, hash } = options
  const headerBytes = header instanceof Uint8Array ? encodeHeader(decodeHeader(header)) : encodeHeader(header)
  const ownTarget = targetFromBits(decodeHeader(headerBytes).bits)
  const target = options.shareBits === undefined ? ownTarget : targetFromBits(options.shareBits)
  check(ownTarget > 0n && target > 0n, 'PEARL_BITS', 'the bits are no target')
  const plain = proof instanceof Uint8Array ? decodePlainProof(proof) : proof
  checkPlainProofForm(plain)
  const { configuration, rows, columns } = configurationOf(plain)
  const { k, rank } = configuration
  const { m, n, a, bt } = plain
  const shape = { h: a.rowIndices.length, w: bt.rowIndices.length, k, rank }
  const bound = ticketBound(target, shape, rankPenalty)

  const key = jobKey(headerBytes, encodeConfiguration(configuration))
  const aRows = openedRows(a, m, k)
  const bColumns = openedRows(bt, n, k)
  for (const side of [a, bt]) {
    verifyChunks(side.root, key, side.totalLeaves, side.leafIndices, side.leafData, side.siblings)
  }

  const seeds = noiseSeeds({ jobKey: key, hashA: a.root, hashB: bt.root, m, n, rule })
  const tile = { k, rank, rows: a.rowIndices, columns: bt.rowIndices, aRows, bColumns, ...seeds }
  const state = tileState(tile, hash)
  const ticket = ticketHash(state, seeds.seedA, hash)
  check(ticketWins(ticket, bound), 'PEARL_LOSES', 'the ticket is above its bound')
  return {
    ...seeds,
    configuration,
    jobKey: key,
    rowOffset: rows.offset,
    columnOffset: columns.offset,
    state,
    ticket,
    bound,
  }
}

/**
 * The configuration that a proof's numbers and indices name, with all its bounds checked. It is not part of a proof: whoever
 * verifies derives it, so there is exactly one for each proof.
 */
export function configurationOf(proof: PlainProof): {
  configuration: Configuration
  rows: PlacedPattern
  columns: PlacedPattern
} {
  const { m, n, k, noiseRank: rank, a, bt } = proof
  checkDimensions(proof)
  checkRank(rank)
  checkCommonDimension(k, rank)
  const rows = patternOfIndices(a.rowIndices, m)
  const columns = patternOfIndices(bt.rowIndices, n)
  checkTileShape(a.rowIndices.length, bt.rowIndices.length, foldedLength(k, rank))
  return { configuration: { k, rank, rows: rows.pattern, columns: columns.pattern }, rows, columns }
}

/** Throws PEARL_DIMENSIONS: all four fit 32 bits, the rank 16, and m and n are 1..2^24. Nothing is ever taken modulo 2^32. */
function checkDimensions(proof: PlainProof): void {
  const limits = { m: MAX_DIMENSION, n: MAX_DIMENSION, k: 0xffffffff, noiseRank: 0xffff } as const
  for (const [name, limit] of Object.entries(limits)) {
    const value = proof[name as keyof typeof limits]
    const isInside = Number.isInteger(value) && value >= 1 && value <= limit
    check(isInside, 'PEARL_DIMENSIONS', `${name} ${shown(value)} is no integer in 1..${limit}`)
  }
}

/**
 * The rows that an opening claims, rows x k values, before their chunks are hashed.
 * @param size rows of the whole matrix.
 * Throws PEARL_LEAF_COUNT (another number of chunks than size * k bytes have), PEARL_LEAVES (other chunks than the rows need),
 * PEARL_PADDING (the last chunk goes on after the matrix) or PEARL_ENTRY.
 */
function openedRows(opening: MatrixOpening, size: number, k: number): Int8Array {
  const { rowIndices, leafIndices, leafData, totalLeaves } = opening
  const bytes = size * k
  const chunks = chunksOf(bytes)
  check(totalLeaves === chunks, 'PEARL_LEAF_COUNT', `${totalLeaves} chunks, ${size} rows of ${k} bytes have ${chunks}`)
  const needed = chunksOfRows(rowIndices, k)
  const isExact = needed.length === leafIndices.length && needed.every((index, j) => index === leafIndices[j])
  check(isExact, 'PEARL_LEAVES', 'the chunks are not exactly those of the rows')
  check(leafData.length === needed.length, 'PEARL_LEAVES', `${leafData.length} chunks for ${needed.length} indices`)
  checkPadding(needed, leafData, bytes)
  const values = rowsOfChunks(rowIndices, k, needed, leafData)
  checkEntries(values)
  return values
}

/** Throws PEARL_PADDING unless the bytes of the last chunk after the matrix are zero. */
function checkPadding(indices: readonly number[], chunks: readonly Uint8Array[], bytes: number): void {
  const last = chunksOf(bytes) - 1
  if (indices.at(-1) !== last) return
  const padding = chunks.at(-1)!.subarray(bytes - last * chunks.at(-1)!.length)
  check(
    padding.every((byte) => byte === 0),
    'PEARL_PADDING',
    'the last chunk is not zero after the matrix',
  )
}

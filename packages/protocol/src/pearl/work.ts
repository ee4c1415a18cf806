/** Creation of plain proofs (chapter 12): commit to two operands, multiply tiles, open the one that wins. */
import { check } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import { checkInteger, shown } from './argument.ts'
import { type Configuration, checkConfiguration, encodeConfiguration } from './configuration.ts'
import { targetFromBits } from './difficulty.ts'
import { encodeHeader, type PearlHeader } from './header.ts'
import { MAX_DIMENSION } from './limits.ts'
import { checkEntries, tileState } from './opened-tile.ts'
import { offsetIsValid, type Pattern, patternIndices, patternMax, patternSize } from './pattern.ts'
import type { MatrixOpening, PlainProof } from './plain-proof.ts'
import { jobKey, type NoiseSeeds, noiseSeeds, type SeedRule } from './seeds.ts'
import { ticketBound, ticketHash, ticketWins } from './tile.ts'
import { type ChunkTree, chunkAt, chunksOfRows, chunkTree, openChunks } from './tree.ts'

/** Two operands of the miner's choice, under a header. */
export interface Work {
  readonly header: PearlHeader
  readonly configuration: Configuration
  readonly m: number
  readonly n: number
  /** m x k values in [-64, 64], row-major. */
  readonly a: Int8Array
  /** B transposed: n x k values in [-64, 64], row-major. */
  readonly b: Int8Array
  /** Default `v3`. */
  readonly rule?: SeedRule
}

/** What a miner holds once it has committed: nothing in it can be chosen any more. */
export interface CommittedWork extends Work, NoiseSeeds {
  readonly jobKey: Uint8Array
  readonly treeA: ChunkTree
  readonly treeB: ChunkTree
}

/**
 * Commits to the operands and derives the seeds.
 * Throws PEARL_HEADER, PEARL_DIMENSIONS, PEARL_ENTRY, and PEARL_RANK, PEARL_K, PEARL_TILE, PEARL_PATTERN of the configuration.
 */
export function commitWork(work: Work): CommittedWork {
  const { header, configuration, m, n, a, b, rule } = work
  const configurationBytes = encodeConfiguration(configuration)
  checkConfiguration(configuration)
  for (const [rows, values] of [
    [m, a],
    [n, b],
  ] as const) {
    check(Number.isInteger(rows) && rows >= 1 && rows <= MAX_DIMENSION, 'PEARL_DIMENSIONS', `${shown(rows)} rows`)
    check(
      values instanceof Int8Array && values.length === rows * configuration.k,
      'PEARL_DIMENSIONS',
      'an operand of another size',
    )
    checkEntries(values)
  }
  const key = jobKey(encodeHeader(header), configurationBytes)
  const treeA = chunkTree(a, key)
  const treeB = chunkTree(b, key)
  const input = { jobKey: key, hashA: treeA.root, hashB: treeB.root, m, n }
  const seeds = noiseSeeds(rule === undefined ? input : { ...input, rule })
  return { ...work, ...seeds, jobKey: key, treeA, treeB }
}

/** A multiplied tile: where it begins, its sixteen words and its ticket. */
export interface DrawnTile {
  readonly rowOffset: number
  readonly columnOffset: number
  readonly state: Uint32Array
  readonly ticket: Uint8Array
}

/** Multiplies the tile at these offsets. Throws PEARL_OFFSET where no tile begins. */
export function drawTile(work: CommittedWork, rowOffset: number, columnOffset: number, hash?: KeyedHash): DrawnTile {
  const { configuration, a, b, m, n, seedA, seedB } = work
  const { k, rank } = configuration
  const rows = tileIndices(configuration.rows, rowOffset, m)
  const columns = tileIndices(configuration.columns, columnOffset, n)
  const [aRows, bColumns] = [rowsOf(a, rows, k), rowsOf(b, columns, k)]
  const state = tileState({ k, rank, rows, columns, aRows, bColumns, seedA, seedB }, hash)
  return { rowOffset, columnOffset, state, ticket: ticketHash(state, seedA, hash) }
}

function tileIndices(pattern: Pattern, offset: number, size: number): number[] {
  checkInteger('the offset', offset, 0, size - 1)
  const fits = offset + patternMax(pattern) < size && offsetIsValid(pattern, offset)
  check(fits, 'PEARL_OFFSET', `no tile begins at ${offset}`)
  return patternIndices(pattern, offset)
}

function rowsOf(operand: Int8Array, rows: readonly number[], k: number): Int8Array {
  const out = new Int8Array(rows.length * k)
  rows.forEach((row, i) => {
    out.set(operand.subarray(row * k, (row + 1) * k), i * k)
  })
  return out
}

/** Where tiles of a pattern begin in `size` rows, in order. */
export function* tileOffsets(pattern: Pattern, size: number): Generator<number> {
  const last = size - 1 - patternMax(pattern)
  for (let offset = 0; offset <= last; offset++) if (offsetIsValid(pattern, offset)) yield offset
}

/** The first tile, by rows then columns, whose ticket is at most `bound`; by default the bound of the header's bits. */
export function findTile(work: CommittedWork, bound: bigint = workBound(work)): DrawnTile | undefined {
  const { configuration, m, n } = work
  for (const rowOffset of tileOffsets(configuration.rows, m)) {
    for (const columnOffset of tileOffsets(configuration.columns, n)) {
      const tile = drawTile(work, rowOffset, columnOffset)
      if (ticketWins(tile.ticket, bound)) return tile
    }
  }
  return undefined
}

function workBound(work: Work): bigint {
  const { k, rank, rows, columns } = work.configuration
  const shape = { h: patternSize(rows), w: patternSize(columns), k, rank }
  return ticketBound(targetFromBits(work.header.bits), shape)
}

/** Opens the rows and columns of the tile at these offsets, winning or not. Throws PEARL_OFFSET. */
export function openTile(work: CommittedWork, rowOffset: number, columnOffset: number): PlainProof {
  const { configuration, m, n, a, b, treeA, treeB } = work
  const { k, rank } = configuration
  return {
    m,
    n,
    k,
    noiseRank: rank,
    a: openRows(a, treeA, tileIndices(configuration.rows, rowOffset, m), k),
    bt: openRows(b, treeB, tileIndices(configuration.columns, columnOffset, n), k),
  }
}

function openRows(operand: Int8Array, tree: ChunkTree, rowIndices: readonly number[], k: number): MatrixOpening {
  const leafIndices = chunksOfRows(rowIndices, k)
  return {
    rowIndices,
    leafIndices,
    leafData: leafIndices.map((index) => chunkAt(operand, index)),
    totalLeaves: tree.chunkCount,
    root: tree.root,
    siblings: openChunks(tree, leafIndices),
  }
}

/** The plain proof of the first winning tile, undefined where no tile wins. Throws what {@link commitWork} throws. */
export function createPlainProof(work: Work): PlainProof | undefined {
  const committed = commitWork(work)
  const tile = findTile(committed)
  return tile && openTile(committed, tile.rowOffset, tile.columnOffset)
}

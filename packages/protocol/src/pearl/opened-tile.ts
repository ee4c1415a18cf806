/** A tile out of plain rows of both operands: what creation and verification share (chapter 12). */
import { ProtocolError } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import { MAX_ENTRY } from './limits.ts'
import { LABEL_A, LABEL_B, noisedRows } from './noise.ts'
import type { NoiseSeeds } from './seeds.ts'
import { foldTile } from './tile.ts'

/** Throws PEARL_ENTRY unless all values lie in [-64, 64]. */
export function checkEntries(values: Int8Array): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value > MAX_ENTRY || value < -MAX_ENTRY)
      throw new ProtocolError('PEARL_ENTRY', `${value} is outside [-${MAX_ENTRY}, ${MAX_ENTRY}]`)
  }
}

/** What the state of one tile follows from. */
export interface TileInput extends NoiseSeeds {
  readonly k: number
  readonly rank: number
  /** Indices of the tile's rows of A and columns of B. */
  readonly rows: readonly number[]
  readonly columns: readonly number[]
  /** Those rows of A, h x k, and columns of B, w x k, values in [-64, 64]. */
  readonly aRows: Int8Array
  readonly bColumns: Int8Array
}

/** The fold state of one tile out of its plain rows. @param hash another keyed hash for the noise. */
export function tileState(tile: TileInput, hash?: KeyedHash): Uint32Array {
  const { k, rank: r, rows, columns, seedA, seedB, aRows, bColumns } = tile
  const aPrime = noisedRows({ label: LABEL_A, seed: seedA, k, r, rows, values: aRows }, hash)
  const bPrime = noisedRows({ label: LABEL_B, seed: seedB, k, r, rows: columns, values: bColumns }, hash)
  return foldTile(aPrime, bPrime, { k, r })
}

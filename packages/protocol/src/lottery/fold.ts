/** Noised products and their fold states (WRK-3). */
import { FOLD_WORDS } from './types.ts'

/** A tile or product: h x k rows times w x k rows, folded after each r of k. */
export interface FoldShape {
  /** Rows of the left factor. */
  readonly h: number
  /** Rows of the right factor: output columns. */
  readonly w: number
  /** A multiple of r. */
  readonly k: number
  /** Noise rank and fold step. */
  readonly r: number
}

/** One tile: its accumulators and the state they were folded into. */
export interface FoldedTile {
  /** h x w int32, row-major: the tile of A'W'. */
  readonly accumulators: Int32Array
  /** 16 words. */
  readonly state: Uint32Array
}

function rotateLeft13(word: number): number {
  return (word << 13) | (word >>> 19)
}

/**
 * Folds step `step` (1, 2, ...) of a tile into its state: the XOR of all accumulators enters word (step - 1) mod 16 after that
 * word is rotated left by 13.
 */
export function foldStep(state: Uint32Array, step: number, accumulators: Int32Array): void {
  let x = 0
  for (const value of accumulators) x ^= value
  const at = (step - 1) % FOLD_WORDS
  state[at] = rotateLeft13(state[at]!) ^ x
}

/**
 * Computes one tile of A'W' and folds it.
 * @param aRows h x k values in [-126, 126]. @param wColumns w x k values in [-126, 126], one output column per row.
 * Accumulators fit int32, since 126^2 k < 2^31 for k up to 2^17.
 */
export function foldTileProduct(aRows: Int8Array, wColumns: Int8Array, shape: FoldShape): FoldedTile {
  const { h, w, k, r } = shape
  const accumulators = new Int32Array(h * w)
  const state = new Uint32Array(FOLD_WORDS)
  for (let step = 1; step * r <= k; step++) {
    const from = (step - 1) * r
    for (let i = 0; i < h; i++) {
      for (let j = 0; j < w; j++) {
        const a = i * k + from
        const b = j * k + from
        let sum = 0
        for (let c = 0; c < r; c++) sum += aRows[a + c]! * wColumns[b + c]!
        accumulators[i * w + j]! += sum
      }
    }
    foldStep(state, step, accumulators)
  }
  return { accumulators, state }
}

/** The fold state of one tile: 16 words. */
export function foldTile(aRows: Int8Array, wColumns: Int8Array, shape: FoldShape): Uint32Array {
  return foldTileProduct(aRows, wColumns, shape).state
}

/** A whole product m x n with tiles of h x w. */
export interface ProductShape extends FoldShape {
  readonly m: number
  readonly n: number
}

export interface FoldedProduct {
  /** m x n int32, row-major: A'W'. */
  readonly product: Int32Array
  /** States of the full tiles, row of tiles by row of tiles: floor(m / h) * floor(n / w) of them. */
  readonly states: readonly Uint32Array[]
}

/**
 * Computes A'W' in tiles of h x w and folds the full ones; partial tiles at the lower and right edge are computed but draw
 * nothing.
 * @param aRows m x k. @param wColumns n x k.
 */
export function foldProduct(aRows: Int8Array, wColumns: Int8Array, shape: ProductShape): FoldedProduct {
  const { m, n, h, w, k, r } = shape
  const product = new Int32Array(m * n)
  const states: Uint32Array[] = []
  for (let row = 0; row < m; row += h) {
    for (let column = 0; column < n; column += w) {
      const height = Math.min(h, m - row)
      const width = Math.min(w, n - column)
      const tile = foldTileProduct(
        aRows.subarray(row * k, (row + height) * k),
        wColumns.subarray(column * k, (column + width) * k),
        { h: height, w: width, k, r },
      )
      for (let i = 0; i < height; i++) {
        product.set(tile.accumulators.subarray(i * width, (i + 1) * width), (row + i) * n + column)
      }
      if (height === h && width === w) states.push(tile.state)
    }
  }
  return { product, states }
}

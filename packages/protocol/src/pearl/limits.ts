/** Bounds of the baseline (chapter 12): what a configuration and a plain proof may be. Source: Pearl's version-3 rules. */

/** Rows of A and columns of B. */
export const MAX_DIMENSION: number = 2 ** 24
/** The noise rank is a power of two in this range. */
export const MIN_RANK = 32
export const MAX_RANK = 1024
/** The common dimension k is a multiple of K_STEP in MIN_K..MAX_K, and of 16 r..4 r^2. */
export const K_STEP = 64
export const MIN_K = 1024
export const MAX_K = 65536
/** h * w of a tile; both are even. */
export const MIN_TILE = 32
export const MAX_TILE = 256
/** Bytes of the opened rows that enter the product: (h + w) (k - k mod r). */
export const MAX_STRIP_BYTES: number = 2 ** 22
/** Longest period of an index pattern. */
export const MAX_PERIOD: number = 2 ** 24
/** Entries of A and B lie in [-MAX_ENTRY, MAX_ENTRY]. */
export const MAX_ENTRY = 64
/** Rows of a uniform factor that are made in one piece. */
export const MAX_FACTOR_ROWS: number = 2 ** 16
/** Words of a fold state. */
export const STATE_WORDS = 16
/**
 * Largest encoded plain proof: the opened chunks, at most two more per row than its bytes fill, their indices and length
 * prefixes, and at most 24 siblings for each chunk of a row's two ends.
 */
export const MAX_PLAIN_PROOF_BYTES: number = 2 ** 23

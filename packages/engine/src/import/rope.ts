/** Values of one table that are computed at once. */
const BLOCK_VALUES = 1 << 16

/** Rows `first` up to `first + rows` of both tables, headDim / 2 values a row. */
export interface RotaryBlock {
  readonly first: number
  readonly rows: number
  readonly cos: Float32Array
  readonly sin: Float32Array
}

/**
 * Rotary tables: pair j of a head turns by position * theta^(-2j / headDim). Computed in binary64 and stored as binary32,
 * maxSeqLen x headDim / 2. Sines may differ in the last place between machines: the tables in the file are what counts (MOD-1).
 * Some rows at a time, because a small file can ask for large tables.
 */
export function* rotaryBlocks(headDim: number, maxSeqLen: number, theta: number): Generator<RotaryBlock> {
  const pairs = headDim / 2
  const turns = Float64Array.from({ length: pairs }, (_, j) => theta ** ((-2 * j) / headDim))
  const step = Math.max(1, Math.floor(BLOCK_VALUES / pairs))
  for (let first = 0; first < maxSeqLen; first += step) {
    const rows = Math.min(step, maxSeqLen - first)
    const cos = new Float32Array(rows * pairs)
    const sin = new Float32Array(rows * pairs)
    for (let row = 0, at = 0; row < rows; row++) {
      for (let j = 0; j < pairs; j++, at++) {
        const angle = (first + row) * turns[j]!
        cos[at] = Math.cos(angle)
        sin[at] = Math.sin(angle)
      }
    }
    yield { first, rows, cos, sin }
  }
}

/** Both tables whole. */
export function rotaryTables(
  headDim: number,
  maxSeqLen: number,
  theta: number,
): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const pairs = headDim / 2
  const cos = new Float32Array(maxSeqLen * pairs)
  const sin = new Float32Array(maxSeqLen * pairs)
  for (const block of rotaryBlocks(headDim, maxSeqLen, theta)) {
    cos.set(block.cos, block.first * pairs)
    sin.set(block.sin, block.first * pairs)
  }
  return { cos, sin }
}

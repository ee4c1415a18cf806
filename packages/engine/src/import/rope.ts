/**
 * Rotary tables: pair j of a head turns by position * theta^(-2j / headDim). Computed in binary64 and stored as binary32,
 * maxSeqLen x headDim / 2. Sines may differ in the last place between machines: the tables in the file are what counts (MOD-1).
 */
export function rotaryTables(
  headDim: number,
  maxSeqLen: number,
  theta: number,
): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const pairs = headDim / 2
  const cos = new Float32Array(maxSeqLen * pairs)
  const sin = new Float32Array(maxSeqLen * pairs)
  for (let j = 0; j < pairs; j++) {
    const turn = theta ** ((-2 * j) / headDim)
    for (let position = 0; position < maxSeqLen; position++) {
      cos[position * pairs + j] = Math.cos(position * turn)
      sin[position * pairs + j] = Math.sin(position * turn)
    }
  }
  return { cos, sin }
}

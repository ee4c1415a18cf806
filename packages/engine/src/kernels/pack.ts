import { PANEL, padK } from './types.ts'

/**
 * Packs rows of int8 weights, one output column a row, into panels (see `types.ts`).
 * @param target the memory, from the first byte of the panels. Padding must be zero already.
 * @param source row n starts at n * stride + start and has k values.
 */
export function packPanels(
  target: Int8Array,
  source: Int8Array,
  rows: number,
  k: number,
  stride: number = k,
  start = 0,
): void {
  const panelBytes = padK(k) * PANEL
  for (let n = 0; n < rows; n++) {
    const from = n * stride + start
    const to = Math.floor(n / PANEL) * panelBytes + 2 * (n % PANEL)
    for (let c = 0; c < k; c++) target[to + (c >> 1) * 2 * PANEL + (c & 1)] = source[from + c]!
  }
}

/** Bytes of n x k int8 weights in panels. */
export function panelBytes(n: number, k: number): number {
  return Math.ceil(n / PANEL) * PANEL * padK(k)
}

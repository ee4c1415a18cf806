/** What the binaries export; arguments as in `scripts/wat`. */
export interface KernelExports {
  /** (a, lda, w, panelBytes, c, ldc, m, panels, add, inner, corr) */
  gemm(...args: number[]): void
  /** As gemm; only `pairs`. */
  gemm16(...args: number[]): void
  /**
   * (a, lda, w, panelBytes, c, ldc, add, h, rowTiles, groups, groupPanels, groupTiles, parts, columnTiles, inner, steps, x, corr,
   * ldcorr, states, firstStep, extra, corrExtra)
   */
  fold(...args: number[]): void
  /** (a, lda, u, hi, lo, panelBytes, c, ldc, rows, panels, inner, corr); only `quads`. */
  denoise(...args: number[]): void
  /** (src, stride, dst, count) */
  toColumns(...args: number[]): void
  /** (src, dst, stride, count) */
  toRows(...args: number[]): void
  /** (dst, src, uniform, plus, minus, count) */
  addNoise(...args: number[]): void
  /** (sums, src, list, ends, r, add, count) */
  gather(...args: number[]): void
  /** (sums, src, list, ends, r, add, count, srcBytes, sumsBytes) */
  gatherTwo(...args: number[]): void
  /** (src, dst, count, panelBytes, offset) */
  pack(...args: number[]): void
  /** (src, hi, lo, count, panelBytes); only `quads`. */
  splitSums(...args: number[]): number
  /** (sums, uniform, r, hi, e, lo, corr); only `quads`. */
  operandDigits(...args: number[]): void
  /** (a, lda, rows, groups, steps, corr, ldcorr, factor); only `quads`. */
  rowSums(...args: number[]): void
  /** (src, dst, count, panelBytes); only `pairs`. */
  pairSums(...args: number[]): void
  /** (sums, uniform, r, dst, stride); only `pairs`. */
  operandPairs(...args: number[]): void
  /** (a, lda, rows, groups, dst); only `pairs`. */
  widen(...args: number[]): void
  normRows(...args: number[]): void
  scale(...args: number[]): void
  headRows(...args: number[]): void
  attendRows(...args: number[]): void
  gateRows(...args: number[]): void
  residualRows(...args: number[]): void
  groupRows(...args: number[]): void
}

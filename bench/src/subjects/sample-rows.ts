import type { Measured, Shape } from '../jobs.ts'

/**
 * Rows of A that a slow subject multiplies: the time of a product is proportional to its rows, and a whole large one would take
 * minutes. The answer is for all rows.
 */
export function sampleRows(shape: Shape, mostMacs: number): number {
  return Math.min(shape.m, Math.max(1, Math.floor(mostMacs / (shape.k * shape.n))))
}

export function forAllRows(measured: Measured, rows: number, shape: Shape): Measured {
  if (rows === shape.m) return measured
  return { ms: (measured.ms * shape.m) / rows, runs: measured.runs, note: `on some rows, scaled to all` }
}

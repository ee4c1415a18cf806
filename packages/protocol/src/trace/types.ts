import type { ModelDims } from '../model/types.ts'

/** Lengths that fix the shape of a trace (TRC-1). */
export interface TraceShape {
  /** P. */
  readonly promptTokens: number
  /** G: tokens generated, at least 1. */
  readonly newTokens: number
  readonly dims: ModelDims
}

/**
 * The trace of a unit (TRC-1). Positions are 0 .. P+G-2; the last token is never fed.
 * All arrays are row-major by position.
 */
export interface Trace {
  readonly shape: TraceShape
  /** P + G tokens. */
  readonly tokens: Uint32Array
  /** nLayers + 1 arrays of positions x dModel: the residual rows entering each layer, and the final rows. */
  readonly h: readonly Float32Array[]
  /** nLayers arrays of positions x dModel: the residual rows after attention. */
  readonly x: readonly Float32Array[]
  /** nLayers arrays of positions x nKvHeads x headDim, keys after rotation. */
  readonly k: readonly Int8Array[]
  readonly v: readonly Int8Array[]
  /** nLayers arrays of positions x nKvHeads. */
  readonly kScale: readonly Float32Array[]
  readonly vScale: readonly Float32Array[]
  /** nLayers arrays of positions x (nHeads * headDim): the attention output operand. */
  readonly o: readonly Int8Array[]
  /** nLayers arrays of positions x nKvHeads. */
  readonly oScale: readonly Float32Array[]
}

/** The two kinds of ticket operation (WRK-1). */
export const OP_QKV = 0
export const OP_GATE_UP = 1
export type TicketOp = typeof OP_QKV | typeof OP_GATE_UP

export const STEP_KINDS = ['shape', 'input', 'embed', 'kv', 'attend', 'proj', 'ffn', 'head'] as const
export type StepKind = (typeof STEP_KINDS)[number]

/** Names one step of a unit (TRC-3). Fields a kind does not use are 0. */
export interface StepRef {
  readonly kind: StepKind
  readonly layer: number
  readonly group: number
  readonly position: number
}

/** Operands of the ticket operations (WRK-1): what a residual row becomes before the multiplication. */
import { f32ToBytes } from '../bytes.ts'
import type { KeyedHash } from '../hash.ts'
import { merkleRoot } from '../merkle.ts'
import type { Model, QuantMatrix } from '../model/types.ts'
import { rmsNorm } from '../numerics/f32.ts'
import { quantiseRow } from '../numerics/quantise.ts'
import { OP_QKV, type TicketOp, type Trace } from '../trace/types.ts'

/** The weights W of a ticket operation: q,k,v or gate,up of the layer. */
export function ticketMatrix(model: Model, layer: number, op: TicketOp): QuantMatrix {
  const weights = model.layers[layer]!
  return op === OP_QKV ? weights.qkv : weights.gateUp
}

/** The residual row from which a ticket operation's operand comes: h[l][i] for q,k,v and x[l][i] for gate,up. A view. */
export function residualRow(trace: Trace, layer: number, op: TicketOp, position: number): Float32Array {
  const rows = op === OP_QKV ? trace.h[layer]! : trace.x[layer]!
  const d = trace.shape.dims.dModel
  return rows.subarray(position * d, (position + 1) * d)
}

/** The residual rows of the prompt as the leaves of preRoot[l] (q,k,v) or preRootX[l] (gate,up) (TRC-2). */
export function promptLeaves(trace: Trace, layer: number, op: TicketOp): Uint8Array[] {
  return Array.from({ length: trace.shape.promptTokens }, (_, i) => f32ToBytes(residualRow(trace, layer, op, i)))
}

/** preRoot[l] for q,k,v and preRootX[l] for gate,up: the root that the operand's noise commits to (B3). */
export function preRootOf(trace: Trace, layer: number, op: TicketOp, hash?: KeyedHash): Uint8Array {
  return merkleRoot(promptLeaves(trace, layer, op), hash)
}

/**
 * A: residual rows through the norm of the operation, then quantised row by row (MOD-2).
 * @param rows each dModel binary32 values. @returns rows.length x dModel values in [-63, 63].
 */
export function operandRows(model: Model, layer: number, op: TicketOp, rows: readonly Float32Array[]): Int8Array {
  const { dModel, normEps } = model.config
  const weights = model.layers[layer]!
  const gain = op === OP_QKV ? weights.attnNorm : weights.ffnNorm
  const out = new Int8Array(rows.length * dModel)
  rows.forEach((row, i) => {
    out.set(quantiseRow(rmsNorm(row, gain, normEps)).q, i * dModel)
  })
  return out
}

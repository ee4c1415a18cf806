import type { Model, QuantMatrix } from '@nacre/protocol'
import { Arena } from '../kernels/arena.ts'
import { packPanels, panelBytes } from '../kernels/pack.ts'
import { type KernelFactory, type Kernels, padK, padN } from '../kernels/types.ts'

/** One linear layer in kernel memory. */
export interface PackedLinear {
  /** Offset of the panels. */
  readonly w: number
  /** Padded outputs and inputs. */
  readonly n: number
  readonly k: number
}

export interface PackedLayer {
  readonly qkv: PackedLinear
  /** One for each KV group: its operand has its own scale (MOD-4). */
  readonly o: readonly PackedLinear[]
  readonly gateUp: PackedLinear
  readonly down: PackedLinear
}

/** A model's weights, packed once, and the scratch of a forward pass, in one kernel memory. */
export interface ModelMemory {
  readonly kernels: Kernels
  readonly layers: readonly PackedLayer[]
  readonly head: PackedLinear
  /** Operand rows: int16, `operandStride` values apart. */
  readonly operand: number
  readonly operandStride: number
  /** Attention output operands: int16, groups padded apart, `attentionStride` values a row. */
  readonly attention: number
  readonly attentionStride: number
  readonly groupStride: number
  /** Accumulators: int32; room for the widest layer, or for all groups of the attention output side by side. */
  readonly accumulators: number
  readonly accumulatorCount: number
}

export function createModelMemory(model: Model, factory: KernelFactory): ModelMemory {
  const { dModel, nHeads, nKvHeads, headDim, ffnDim, maxSeqLen } = model.config
  const groupLength = (nHeads / nKvHeads) * headDim
  const arena = new Arena()
  const fills: ((memory: Int8Array) => void)[] = []
  const linear = (matrix: QuantMatrix, start = 0, length: number = matrix.columns): PackedLinear => {
    const w = arena.reserve(panelBytes(matrix.rows, length))
    fills.push((memory) => packPanels(memory.subarray(w), matrix.q, matrix.rows, length, matrix.columns, start))
    return { w, n: padN(matrix.rows), k: padK(length) }
  }
  const layers = model.layers.map(
    (layer): PackedLayer => ({
      qkv: linear(layer.qkv),
      o: Array.from({ length: nKvHeads }, (_, g) => linear(layer.o, g * groupLength, groupLength)),
      gateUp: linear(layer.gateUp),
      down: linear(layer.down),
    }),
  )
  const head = linear(model.head)
  const operandStride = padK(Math.max(dModel, ffnDim))
  const groupStride = padK(groupLength)
  const attentionStride = nKvHeads * groupStride
  const widest = Math.max(padN(2 * ffnDim), layers[0]!.qkv.n, nKvHeads * padN(dModel))
  const accumulatorCount = Math.max(maxSeqLen * widest, head.n)
  const layout = {
    operand: arena.reserve(2 * maxSeqLen * operandStride),
    attention: arena.reserve(2 * maxSeqLen * attentionStride),
    accumulators: arena.reserve(4 * accumulatorCount),
  }
  const kernels = factory.instantiate(arena.bytes)
  const memory = new Int8Array(kernels.buffer)
  for (const fill of fills) fill(memory)
  return { kernels, layers, head, operandStride, groupStride, attentionStride, accumulatorCount, ...layout }
}

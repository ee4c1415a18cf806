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
  /** Offset of the scales, one per output. */
  readonly scale: number
}

export interface PackedLayer {
  /** Offsets of the norm gains. */
  readonly attnNorm: number
  readonly ffnNorm: number
  readonly qkv: PackedLinear
  /** One for each KV group: its operand has its own scale (MOD-4). */
  readonly o: readonly PackedLinear[]
  readonly gateUp: PackedLinear
  readonly down: PackedLinear
  /** Keys and values: int8, maxSeqLen rows of `kvStride`, one head after the other; scales: binary32, one per head. */
  readonly k: number
  readonly v: number
  readonly kScale: number
  readonly vScale: number
}

/** A model's weights, packed once, and the scratch of a forward pass, in one kernel memory. */
export interface ModelMemory {
  readonly kernels: Kernels
  readonly layers: readonly PackedLayer[]
  readonly head: PackedLinear
  readonly finalNorm: number
  /** Values of one head with padding, and of a row of keys. */
  readonly headStride: number
  readonly kvStride: number
  /** Operand rows: int16, `operandStride` values apart. */
  readonly operand: number
  readonly operandStride: number
  /** Attention output operands: int16, groups padded apart, `attentionStride` values a row. */
  readonly attention: number
  readonly attentionStride: number
  readonly groupStride: number
  /** Accumulators: int32; room for the widest layer, or for all groups of the attention output side by side. */
  readonly accumulators: number
  /** int16, nHeads * headStride values a row. */
  readonly queries: number
  /** binary32 scratch: a residual row; one layer's outputs at a position; a row about to be quantised; one head. */
  readonly residual: number
  readonly wide: number
  readonly narrow: number
  readonly oneHead: number
  /** binary32 scratch of attention: weights by position, and a group's heads, headStride values each. */
  readonly weights: number
  readonly attended: number
}

export function createModelMemory(model: Model, factory: KernelFactory): ModelMemory {
  const { dModel, nHeads, nKvHeads, headDim, ffnDim, maxSeqLen } = model.config
  const groupLength = (nHeads / nKvHeads) * headDim
  const arena = new Arena()
  const fills: ((memory: Int8Array) => void)[] = []
  const vector = (values: Float32Array): number => {
    const at = arena.reserve(4 * padK(values.length))
    fills.push((memory) => new Float32Array(memory.buffer, at, values.length).set(values))
    return at
  }
  const linear = (matrix: QuantMatrix, start = 0, length: number = matrix.columns): PackedLinear => {
    const w = arena.reserve(panelBytes(matrix.rows, length))
    fills.push((memory) => packPanels(memory.subarray(w), matrix.q, matrix.rows, length, matrix.columns, start))
    return { w, n: padN(matrix.rows), k: padK(length), scale: vector(matrix.scale) }
  }
  const headStride = padK(headDim)
  const kvStride = nKvHeads * headStride
  const layers = model.layers.map(
    (layer): PackedLayer => ({
      attnNorm: vector(layer.attnNorm),
      ffnNorm: vector(layer.ffnNorm),
      qkv: linear(layer.qkv),
      o: Array.from({ length: nKvHeads }, (_, g) => linear(layer.o, g * groupLength, groupLength)),
      gateUp: linear(layer.gateUp),
      down: linear(layer.down),
      k: arena.reserve(maxSeqLen * kvStride),
      v: arena.reserve(maxSeqLen * kvStride),
      kScale: arena.reserve(4 * maxSeqLen * nKvHeads),
      vScale: arena.reserve(4 * maxSeqLen * nKvHeads),
    }),
  )
  const head = linear(model.head)
  const finalNorm = vector(model.finalNorm)
  const operandStride = padK(Math.max(dModel, ffnDim))
  const groupStride = padK(groupLength)
  const attentionStride = nKvHeads * groupStride
  const widest = Math.max(padN(2 * ffnDim), layers[0]!.qkv.n, nKvHeads * padN(dModel))
  const layout = {
    operand: arena.reserve(2 * maxSeqLen * operandStride),
    attention: arena.reserve(2 * maxSeqLen * attentionStride),
    accumulators: arena.reserve(4 * Math.max(maxSeqLen * widest, head.n)),
    queries: arena.reserve(2 * maxSeqLen * nHeads * headStride),
    residual: arena.reserve(4 * padK(dModel)),
    wide: arena.reserve(4 * padK(Math.max(2 * ffnDim, layers[0]!.qkv.n, head.n))),
    narrow: arena.reserve(4 * operandStride),
    oneHead: arena.reserve(4 * headStride),
    weights: arena.reserve(4 * padK(maxSeqLen)),
    attended: arena.reserve(4 * (nHeads / nKvHeads) * headStride),
  }
  const kernels = factory.instantiate(arena.bytes)
  const memory = new Int8Array(kernels.buffer)
  for (const fill of fills) fill(memory)
  const strides = { operandStride, groupStride, attentionStride, headStride, kvStride }
  return { kernels, layers, head, finalNorm, ...strides, ...layout }
}

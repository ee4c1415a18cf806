/** The tensors of a model in file order and their Merkle roots (MOD-1). */
import { f32ToBytes } from '../bytes.ts'
import type { KeyedHash } from '../hash.ts'
import { keyedHash } from '../hash.ts'
import { merkleLeafHash, merkleTreeFromHashes } from '../merkle.ts'
import type { ModelConfig, ModelWeights, QuantMatrix } from './types.ts'

/** One tensor: `leafCount` leaves of `leafLength` elements each, in one array. */
export interface Tensor {
  readonly name: string
  readonly data: Int8Array | Float32Array
  readonly leafCount: number
  readonly leafLength: number
}

/**
 * Tensor names with their leaf shapes, in the order of the manifest: an int8 matrix has one leaf per row, a rotary
 * table one leaf per position, a vector (norm gains, scales) is a single leaf.
 */
export function tensorShapes(config: ModelConfig): readonly Omit<Tensor, 'data'>[] {
  const { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize, maxSeqLen } = config
  const out: Omit<Tensor, 'data'>[] = []
  const vector = (name: string, leafLength: number): void => void out.push({ name, leafCount: 1, leafLength })
  const matrix = (name: string, rows: number, columns: number): void => {
    out.push({ name: `${name}.q`, leafCount: rows, leafLength: columns })
    vector(`${name}.scale`, rows)
  }
  matrix('embed', vocabSize, dModel)
  for (let l = 0; l < nLayers; l++) {
    vector(`layers.${l}.attnNorm`, dModel)
    matrix(`layers.${l}.qkv`, (nHeads + 2 * nKvHeads) * headDim, dModel)
    matrix(`layers.${l}.o`, dModel, nHeads * headDim)
    vector(`layers.${l}.ffnNorm`, dModel)
    matrix(`layers.${l}.gateUp`, 2 * ffnDim, dModel)
    matrix(`layers.${l}.down`, dModel, ffnDim)
  }
  vector('finalNorm', dModel)
  if (!config.tiedHead) matrix('head', vocabSize, dModel)
  out.push({ name: 'rope.cos', leafCount: maxSeqLen, leafLength: headDim / 2 })
  out.push({ name: 'rope.sin', leafCount: maxSeqLen, leafLength: headDim / 2 })
  return out
}

/** The arrays of a model in the order of {@link tensorShapes}. */
export function tensorData(config: ModelConfig, weights: ModelWeights): readonly (Int8Array | Float32Array)[] {
  const matrix = (m: QuantMatrix): (Int8Array | Float32Array)[] => [m.q, m.scale]
  return [
    ...matrix(weights.embed),
    ...weights.layers.flatMap((layer) => [
      layer.attnNorm,
      ...matrix(layer.qkv),
      ...matrix(layer.o),
      layer.ffnNorm,
      ...matrix(layer.gateUp),
      ...matrix(layer.down),
    ]),
    weights.finalNorm,
    ...(config.tiedHead ? [] : matrix(weights.head)),
    weights.ropeCos,
    weights.ropeSin,
  ]
}

/** The CNV-6 root of one tensor: int8 leaves as they are, binary32 leaves as little-endian bytes. */
export function tensorRoot(tensor: Tensor, hash: KeyedHash = keyedHash): Uint8Array {
  const { data, leafCount, leafLength } = tensor
  const leaves: Uint8Array[] = []
  for (let i = 0; i < leafCount; i++) {
    const start = i * leafLength
    const bytes =
      data instanceof Int8Array
        ? new Uint8Array(data.buffer, data.byteOffset + start, leafLength)
        : f32ToBytes(data.subarray(start, start + leafLength))
    leaves.push(merkleLeafHash(bytes, hash))
  }
  return merkleTreeFromHashes(leaves, hash).root
}

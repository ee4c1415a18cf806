/** Shapes of a Llama-family decoder (MOD-1). All matrices are stored one output per row. */

export interface ModelDims {
  /** Width of the residual stream, d. */
  readonly dModel: number
  readonly nLayers: number
  readonly nHeads: number
  /** Key-value heads; query head h belongs to group floor(h / (nHeads / nKvHeads)). */
  readonly nKvHeads: number
  readonly headDim: number
  readonly ffnDim: number
  readonly vocabSize: number
  readonly maxSeqLen: number
}

export interface ModelConfig extends ModelDims {
  readonly name: string
  /** The output head is the embedding, values and scales alike. */
  readonly tiedHead: boolean
  /** RMSNorm epsilon, binary32. */
  readonly normEps: number
  readonly bosToken: number
  readonly eosToken: number
  /** Hash of the tokenizer's definition (MOD-7). */
  readonly tokenizerHash: Uint8Array
}

/** An int8 matrix with one binary32 scale per row. Row n is output column n of the layer. */
export interface QuantMatrix {
  /** Outputs, n. */
  readonly rows: number
  /** Inputs, k. */
  readonly columns: number
  /** rows * columns values in [-63, 63], row-major. */
  readonly q: Int8Array
  /** One per row. */
  readonly scale: Float32Array
}

export interface LayerWeights {
  readonly attnNorm: Float32Array
  /** Rows: query heads, then key heads, then value heads. Input: dModel. */
  readonly qkv: QuantMatrix
  /** Input: nHeads * headDim in nKvHeads groups. Output: dModel. */
  readonly o: QuantMatrix
  readonly ffnNorm: Float32Array
  /** Rows: ffnDim gates, then ffnDim ups. Input: dModel. */
  readonly gateUp: QuantMatrix
  /** Input: ffnDim. Output: dModel. */
  readonly down: QuantMatrix
}

export interface ModelWeights {
  readonly embed: QuantMatrix
  readonly layers: readonly LayerWeights[]
  readonly finalNorm: Float32Array
  /** The same object as `embed` when the head is tied. */
  readonly head: QuantMatrix
  /** maxSeqLen x headDim / 2, row-major. */
  readonly ropeCos: Float32Array
  readonly ropeSin: Float32Array
}

/** What `modelId` commits to: the configuration and one Merkle root per tensor in file order. */
export interface ModelManifest {
  readonly config: ModelConfig
  readonly tensorRoots: readonly Uint8Array[]
}

export interface Model extends ModelWeights {
  readonly config: ModelConfig
  readonly manifest: ModelManifest
  /** Hash of the encoded manifest. */
  readonly modelId: Uint8Array
}

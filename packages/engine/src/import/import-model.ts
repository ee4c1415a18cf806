/** From a model of another project to a Nacre model file, a few rows at a time (MOD-1, MOD-2, MOD-7). */
import {
  bpeTokenizerHash,
  checkModelConfig,
  encodeBpeDefinition,
  f32ToBytes,
  type KeyedHash,
  keyedHash,
  type ModelConfig,
  merkleLeafHash,
  merkleTreeFromHashes,
  modelIdOf,
  quantiseInto,
  tensorShapes,
} from '@nacre/protocol'
import { MAX_MODEL_FILE_BYTES } from '../files/load.ts'
import { TOKENIZER_TENSOR } from '../files/model-file.ts'
import { type ModelFileLayout, modelFileLayout } from '../files/model-file-layout.ts'
import { UnsupportedModelError } from './findings.ts'
import { PartialFile } from './partial-file.ts'
import { rotaryBlocks } from './rope.ts'
import { readTensor, rowBlocks, type SourceModel } from './source.ts'

export interface ImportOptions {
  /** 1 to 64 characters of a-z 0-9 . - (MOD-1). */
  readonly name: string
  /** The model file; another one there is replaced. */
  readonly out: string
  /** A faster keyed BLAKE3, if there is one. */
  readonly hash?: KeyedHash
  readonly signal?: AbortSignal
  /** Called with the rows of weights that are done, and all. */
  readonly onProgress?: (done: number, total: number) => void
}

export interface ImportedModel {
  readonly config: ModelConfig
  readonly modelId: Uint8Array
  readonly fileBytes: number
  /** Rows of weights that are all zero, or too small for a scale (MOD-2). */
  readonly zeroRows: number
}

/** The Nacre matrices and the parts of each, one below the other. */
const JOINED: Readonly<Record<string, readonly string[]>> = {
  qkv: ['q', 'k', 'v'],
  o: ['o'],
  gateUp: ['gate', 'up'],
  down: ['down'],
}

/**
 * Writes the model file of a source. Memory holds about a megabyte of weights or rotary tables (a few, with their copies), the
 * vocabulary, and of the matrix or tables at hand one scale and one hash a row, whatever the model's size. The signal is looked
 * at before each of these megabytes.
 * Throws MODEL_MALFORMED, MODEL_UNSUPPORTED, the signal's reason or the disk's error; then there is no file, and one that was
 * there before is as it was.
 */
export async function importModel(source: SourceModel, options: ImportOptions): Promise<ImportedModel> {
  const tokenizer = encodeBpeDefinition(source.tokenizer)
  const { ropeTheta: _, ...dims } = source.config
  const config: ModelConfig = { ...dims, name: options.name, tokenizerHash: bpeTokenizerHash(tokenizer) }
  checkModelConfig(config)
  const layout = modelFileLayout(config, tokenizer)
  if (layout.fileBytes > MAX_MODEL_FILE_BYTES) {
    const sizes = `a Nacre model of ${layout.fileBytes} bytes, the limit is ${MAX_MODEL_FILE_BYTES}`
    throw new UnsupportedModelError(source.path, [sizes])
  }
  const file = await PartialFile.begin(options.out)
  try {
    const writer = new ModelWriter(source, config, layout, file, options)
    const { modelId, zeroRows } = await writer.write(tokenizer)
    options.signal?.throwIfAborted()
    await file.commit()
    return { config, modelId, zeroRows, fileBytes: layout.fileBytes }
  } catch (error) {
    await file.discard()
    throw error
  }
}

class ModelWriter {
  readonly #source: SourceModel
  readonly #config: ModelConfig
  readonly #layout: ModelFileLayout
  readonly #file: PartialFile
  readonly #options: ImportOptions
  readonly #hash: KeyedHash
  readonly #roots = new Map<string, Uint8Array>()
  readonly #totalRows: number
  #doneRows = 0
  #zeroRows = 0

  constructor(
    source: SourceModel,
    config: ModelConfig,
    layout: ModelFileLayout,
    file: PartialFile,
    options: ImportOptions,
  ) {
    this.#source = source
    this.#config = config
    this.#layout = layout
    this.#file = file
    this.#options = options
    this.#hash = options.hash ?? keyedHash
    this.#totalRows = [...source.tensors.values()].reduce((sum, { rows }) => sum + rows, 0)
  }

  async write(tokenizer: Uint8Array): Promise<{ modelId: Uint8Array; zeroRows: number }> {
    const { nLayers, tiedHead } = this.#config
    await this.#file.write(0, this.#layout.start)
    await this.#matrix('embed', ['embed'])
    for (let l = 0; l < nLayers; l++) {
      const layer = `layers.${l}.`
      await this.#vector(`${layer}attnNorm`)
      await this.#vector(`${layer}ffnNorm`)
      for (const [name, parts] of Object.entries(JOINED)) {
        const all = parts.map((part) => `${layer}${part}`)
        await this.#matrix(`${layer}${name}`, all)
      }
    }
    await this.#vector('finalNorm')
    if (!tiedHead) await this.#matrix('head', ['head'])
    await this.#rotary()
    await this.#file.write(this.#position(TOKENIZER_TENSOR), tokenizer)
    const tensorRoots = tensorShapes(this.#config).map(({ name }) => this.#roots.get(name)!)
    return { modelId: modelIdOf({ config: this.#config, tensorRoots }), zeroRows: this.#zeroRows }
  }

  #position(name: string): number {
    return this.#layout.positions.get(name)!
  }

  #keepRoot(name: string, leaves: Uint8Array[]): void {
    this.#roots.set(name, merkleTreeFromHashes(leaves, this.#hash).root)
  }

  #done(rows: number): void {
    this.#doneRows += rows
    this.#options.onProgress?.(this.#doneRows, this.#totalRows)
  }

  async #vector(name: string): Promise<void> {
    const values = await readTensor(this.#source.tensors.get(name)!, this.#options.signal)
    await this.#f32(name, values, values.length)
    this.#done(1)
  }

  /** @param leafLength values of one leaf of the tensor's tree. */
  async #f32(name: string, values: Float32Array, leafLength: number): Promise<void> {
    const leaves: Uint8Array[] = []
    await this.#f32Block(name, 0, values, leafLength, leaves)
    this.#keepRoot(name, leaves)
  }

  /** Writes the values from index `first` on, and appends their leaves. */
  async #f32Block(
    name: string,
    first: number,
    values: Float32Array,
    leafLength: number,
    leaves: Uint8Array[],
  ): Promise<void> {
    const bytes = f32ToBytes(values)
    for (let at = 0; at < bytes.length; at += 4 * leafLength)
      leaves.push(merkleLeafHash(bytes.subarray(at, at + 4 * leafLength), this.#hash))
    await this.#file.write(this.#position(name) + 4 * first, bytes)
  }

  async #rotary(): Promise<void> {
    const { headDim, maxSeqLen } = this.#config
    const pairs = headDim / 2
    const cosLeaves: Uint8Array[] = []
    const sinLeaves: Uint8Array[] = []
    for (const { first, cos, sin } of rotaryBlocks(headDim, maxSeqLen, this.#source.config.ropeTheta)) {
      this.#options.signal?.throwIfAborted()
      await this.#f32Block('rope.cos', first * pairs, cos, pairs, cosLeaves)
      await this.#f32Block('rope.sin', first * pairs, sin, pairs, sinLeaves)
    }
    this.#keepRoot('rope.cos', cosLeaves)
    this.#keepRoot('rope.sin', sinLeaves)
  }

  /** Quantises the rows of `parts`, one part below the other, into one matrix. */
  async #matrix(name: string, parts: readonly string[]): Promise<void> {
    const leaves: Uint8Array[] = []
    const scales: number[] = []
    let position = this.#position(`${name}.q`)
    for (const part of parts) {
      const tensor = this.#source.tensors.get(part)!
      const { columns } = tensor
      for await (const { rows, values } of rowBlocks(tensor, this.#options.signal)) {
        const q = new Int8Array(values.length)
        const bytes = new Uint8Array(q.buffer)
        for (let row = 0; row < rows; row++) {
          scales.push(quantiseInto(values, row * columns, columns, q, row * columns))
          leaves.push(merkleLeafHash(bytes.subarray(row * columns, (row + 1) * columns), this.#hash))
        }
        await this.#file.write(position, bytes)
        position += bytes.length
        this.#done(rows)
      }
    }
    this.#zeroRows += scales.filter((scale) => scale === 0).length
    this.#keepRoot(`${name}.q`, leaves)
    await this.#f32(`${name}.scale`, Float32Array.from(scales), scales.length)
  }
}

/** What every reader makes of its format: dimensions, a tokenizer, and tensors that can be read a few rows at a time. */
import { type BpeDefinition, checkModelConfig, MAX_SEQUENCE_LENGTH, type ModelDims } from '@nacre/protocol'
import { malformed } from '../files/safetensors.ts'
import type { DiskFile } from './disk-file.ts'
import { type ElementType, rowBytes } from './element-types.ts'
import type { Findings } from './findings.ts'

/** About so many bytes of a tensor are read at once. */
const CHUNK_BYTES = 1 << 20
/**
 * Largest headDim x positions, the values of both rotary tables: heads of 256 values with all positions that there may be.
 * The tables are the one part of a model file that nothing in the source has to pay for.
 */
export const MAX_ROTARY_VALUES: number = 1 << 24

/** A matrix, or a vector as one row, in a file. */
export interface SourceTensor {
  /** As the file calls it. */
  readonly name: string
  readonly file: DiskFile
  /** Position in the file. */
  readonly position: number
  readonly type: ElementType
  readonly rows: number
  readonly columns: number
  /** Rows are heads of this width whose rotary pairs are (j, j + width / 2); Nacre's are (2j, 2j + 1) (MOD-4). */
  readonly splitHeads?: number
}

/** Dimensions of a model, with what else its numbers depend on. */
export interface SourceConfig extends ModelDims {
  readonly tiedHead: boolean
  /** binary32. */
  readonly normEps: number
  readonly ropeTheta: number
  readonly bosToken: number
  readonly eosToken: number
}

export interface SourceOptions {
  /** A tokenizer of llama2.c, instead of the model's own. */
  readonly tokenizer?: string | undefined
  /** Fewer positions than the model has: its rotary tables, and what a unit needs, shrink with them. */
  readonly maxSeqLen?: number | undefined
}

export interface SourceModel {
  /** For people: `GGUF 3`, `llama2.c`. */
  readonly format: string
  readonly path: string
  readonly config: SourceConfig
  readonly tokenizer: BpeDefinition
  /** Where the tokenizer comes from, for people. */
  readonly tokenizerFrom: string
  /** By part ({@link sourceParts}), each of exactly the shape that the configuration asks for. */
  readonly tensors: ReadonlyMap<string, SourceTensor>
  /** What the user should know about the import. */
  readonly notes: readonly string[]
  close(): Promise<void>
}

/** Throws MODEL_MALFORMED for a tensor that the file names and `placed` has no place for; both are by part. */
export function checkAllPlaced(
  placed: ReadonlyMap<string, unknown>,
  named: ReadonlyMap<string, { readonly name: string }>,
): void {
  for (const [part, { name }] of named) if (!placed.has(part)) malformed(`the model has no place for ${name}`)
}

/**
 * The configuration with its positions capped, within the bounds of MOD-1 (so that counts made from it are bounded too).
 * Throws MODEL_MALFORMED; too many positions, by themselves or for the width of a head, are a finding, because a cap helps.
 */
export function checkSourceConfig(config: SourceConfig, cap: number | undefined, findings: Findings): SourceConfig {
  const maxSeqLen = Math.min(config.maxSeqLen, cap ?? config.maxSeqLen)
  if (maxSeqLen > MAX_SEQUENCE_LENGTH)
    findings.unsupported(
      `${maxSeqLen} positions, the limit is ${MAX_SEQUENCE_LENGTH}: a smaller maximum can be asked for`,
    )
  else if (maxSeqLen * config.headDim > MAX_ROTARY_VALUES)
    findings.unsupported(
      `rotary tables of ${maxSeqLen} x ${config.headDim} values, the limit is ${MAX_ROTARY_VALUES}: a smaller maximum can be asked for`,
    )
  const { ropeTheta, ...rest } = config
  if (!Number.isFinite(ropeTheta) || ropeTheta <= 0) malformed(`the rotary base is ${ropeTheta}`)
  const positions = Math.min(maxSeqLen, MAX_SEQUENCE_LENGTH)
  checkModelConfig({ ...rest, maxSeqLen: positions, name: 'import', tokenizerHash: new Uint8Array(32) })
  return { ...config, maxSeqLen }
}

export interface SourcePart {
  /** `embed`, `layers.0.q`. */
  readonly part: string
  readonly rows: number
  readonly columns: number
}

/** The parts of a model before q, k, v and gate, up are joined. */
export function sourceParts(config: ModelDims & { readonly tiedHead: boolean }): SourcePart[] {
  const { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize, tiedHead } = config
  const out: SourcePart[] = [{ part: 'embed', rows: vocabSize, columns: dModel }]
  for (let l = 0; l < nLayers; l++) {
    const add = (name: string, rows: number, columns: number): void =>
      void out.push({ part: `layers.${l}.${name}`, rows, columns })
    add('attnNorm', 1, dModel)
    add('q', nHeads * headDim, dModel)
    add('k', nKvHeads * headDim, dModel)
    add('v', nKvHeads * headDim, dModel)
    add('o', dModel, nHeads * headDim)
    add('ffnNorm', 1, dModel)
    add('gate', ffnDim, dModel)
    add('up', ffnDim, dModel)
    add('down', dModel, ffnDim)
  }
  out.push({ part: 'finalNorm', rows: 1, columns: dModel })
  if (!tiedHead) out.push({ part: 'head', rows: vocabSize, columns: dModel })
  return out
}

export interface RowBlock {
  /** Index of the first row. */
  readonly first: number
  readonly rows: number
  /** rows x columns, finite. */
  readonly values: Float32Array
}

/**
 * The rows of a tensor in Nacre's order, about a megabyte at a time, or one row (two of split heads) that is longer.
 * Throws MODEL_MALFORMED for a value that is not finite or a file that ends early, the signal's reason, or the disk's error.
 */
export async function* rowBlocks(tensor: SourceTensor, signal?: AbortSignal): AsyncGenerator<RowBlock> {
  const { name, type, rows, columns, splitHeads } = tensor
  const bytes = rowBytes(type, columns) ?? malformed(`${name}: ${columns} columns do not fill blocks of ${type.name}`)
  const inChunk = Math.max(1, Math.floor(CHUNK_BYTES / bytes))
  if (splitHeads !== undefined && splitHeads > inChunk) {
    yield* pairBlocks(tensor, splitHeads, Math.max(1, inChunk >> 1), signal)
    return
  }
  const step = splitHeads === undefined ? inChunk : inChunk - (inChunk % splitHeads)
  for (let first = 0; first < rows; first += step) {
    signal?.throwIfAborted()
    const count = Math.min(step, rows - first)
    const values = await readRows(tensor, first, count)
    yield { first, rows: count, values: splitHeads === undefined ? values : interleave(values, columns, splitHeads) }
  }
}

/** Rows of split heads that are too large to be read whole: `step` pairs of rows at a time, from both halves of a head. */
async function* pairBlocks(
  tensor: SourceTensor,
  headDim: number,
  step: number,
  signal?: AbortSignal,
): AsyncGenerator<RowBlock> {
  const { rows, columns } = tensor
  const half = headDim / 2
  for (let head = 0; head < rows; head += headDim) {
    for (let pair = 0; pair < half; pair += step) {
      signal?.throwIfAborted()
      const count = Math.min(step, half - pair)
      const values = new Float32Array(2 * count * columns)
      values.set(await readRows(tensor, head + pair, count))
      values.set(await readRows(tensor, head + half + pair, count), count * columns)
      yield { first: head + 2 * pair, rows: 2 * count, values: interleave(values, columns, 2 * count) }
    }
  }
}

/** Rows as they lie in the file. */
async function readRows(tensor: SourceTensor, first: number, count: number): Promise<Float32Array> {
  const { name, file, position, type, columns } = tensor
  const bytes = rowBytes(type, columns)!
  const values = new Float32Array(count * columns)
  type.decode(await file.read(position + first * bytes, count * bytes), values)
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!))
      malformed(`${name} has ${values[i]} in row ${first + Math.floor(i / columns)}, column ${i % columns}`)
  }
  return values
}

/** Row j of the first half of each head becomes row 2j, row j of the second half row 2j + 1. */
function interleave(values: Float32Array, columns: number, headDim: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let row = 0; row < values.length / columns; row++) {
    const inHead = row % headDim
    const half = headDim / 2
    const target = row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1)
    out.set(values.subarray(row * columns, (row + 1) * columns), target * columns)
  }
  return out
}

/** A tensor whole. Throws as {@link rowBlocks}. */
export async function readTensor(tensor: SourceTensor, signal?: AbortSignal): Promise<Float32Array> {
  const out = new Float32Array(tensor.rows * tensor.columns)
  for await (const { first, values } of rowBlocks(tensor, signal)) out.set(values, first * tensor.columns)
  return out
}

/** Writes GGUF files as llama.cpp's converter does. */
import { PIECE_BYTE, PIECE_TEXT } from '@nacre/protocol'
import { type ScoredPiece, SPACE_MARK } from '../../src/import/pieces.ts'
import { type SourceConfig, sourceParts } from '../../src/import/source.ts'
import { CONFIG, encodeValues, PIECES, type Weights } from './import-weights.ts'

/** A metadata value with its type: u32, f32, bool, string, or an array of strings, f32 or i32. */
export type Value = readonly [type: 'u32' | 'i32' | 'f32' | 'bool' | 'string', value: unknown]

const TYPE_NUMBERS = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8 } as const
export const GGML_TYPES: Readonly<Record<string, number>> = { F32: 0, F16: 1, Q8_0: 8, BF16: 30 }

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}
export const u64 = (value: number | bigint): Buffer => {
  const out = Buffer.alloc(8)
  out.writeBigUInt64LE(BigInt(value))
  return out
}
const string = (text: string): Buffer => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)])

function single(type: Value[0], value: unknown): Buffer {
  if (type === 'string') return string(String(value))
  if (type === 'bool') return Buffer.of(value === true ? 1 : 0)
  const out = Buffer.alloc(4)
  if (type === 'u32') out.writeUInt32LE(Number(value))
  else if (type === 'i32') out.writeInt32LE(Number(value))
  else out.writeFloatLE(Number(value))
  return out
}

function encoded([type, value]: Value): Buffer {
  if (!Array.isArray(value)) return Buffer.concat([u32(TYPE_NUMBERS[type]), single(type, value)])
  const items = value.map((item) => single(type, item))
  return Buffer.concat([u32(9), u32(TYPE_NUMBERS[type]), u64(value.length), ...items])
}

export function ggufMetadata(
  config: SourceConfig = CONFIG,
  pieces: readonly ScoredPiece[] = PIECES,
): Map<string, Value> {
  const types = pieces.map(({ kind }, token) =>
    kind === PIECE_TEXT ? 1 : kind === PIECE_BYTE ? 6 : token === 0 ? 2 : 3,
  )
  return new Map<string, Value>([
    ['general.architecture', ['string', 'llama']],
    ['general.name', ['string', 'small']],
    ['llama.context_length', ['u32', config.maxSeqLen]],
    ['llama.embedding_length', ['u32', config.dModel]],
    ['llama.block_count', ['u32', config.nLayers]],
    ['llama.feed_forward_length', ['u32', config.ffnDim]],
    ['llama.rope.dimension_count', ['u32', config.headDim]],
    ['llama.rope.freq_base', ['f32', config.ropeTheta]],
    ['llama.attention.head_count', ['u32', config.nHeads]],
    ['llama.attention.head_count_kv', ['u32', config.nKvHeads]],
    ['llama.attention.layer_norm_rms_epsilon', ['f32', config.normEps]],
    ['tokenizer.ggml.model', ['string', 'llama']],
    ['tokenizer.ggml.tokens', ['string', pieces.map(({ text }) => text.replaceAll(' ', SPACE_MARK))]],
    ['tokenizer.ggml.scores', ['f32', pieces.map(({ score }) => score)]],
    ['tokenizer.ggml.token_type', ['i32', types]],
    ['tokenizer.ggml.bos_token_id', ['u32', config.bosToken]],
    ['tokenizer.ggml.eos_token_id', ['u32', config.eosToken]],
  ])
}

const NAMES: Readonly<Record<string, string>> = { embed: 'token_embd', finalNorm: 'output_norm', head: 'output' }
const LAYER_NAMES: Readonly<Record<string, string>> = {
  ...{ attnNorm: 'attn_norm', q: 'attn_q', k: 'attn_k', v: 'attn_v', o: 'attn_output' },
  ...{ ffnNorm: 'ffn_norm', gate: 'ffn_gate', up: 'ffn_up', down: 'ffn_down' },
}

export interface GgufTensorParts {
  name: string
  dimensions: number[]
  type: number
  offset: number
  data: Buffer
}

/** The tensors of a model, aligned; norms are F32 whatever the type. */
export function ggufTensors(weights: Weights, config: SourceConfig = CONFIG, type = 'F32'): GgufTensorParts[] {
  let offset = 0
  return sourceParts(config).map(({ part, rows, columns }) => {
    const [, layer, name] = /^layers\.(\d+)\.(\w+)$/.exec(part) ?? []
    const isNorm = part.endsWith('Norm')
    const data = encodeValues(isNorm ? 'F32' : type, weights.get(part)!)
    const tensor = {
      name: `${layer === undefined ? NAMES[part] : `blk.${layer}.${LAYER_NAMES[name!]}`}.weight`,
      dimensions: isNorm ? [columns] : [columns, rows],
      type: GGML_TYPES[isNorm ? 'F32' : type]!,
      ...{ offset, data },
    }
    offset += Math.ceil(data.length / 32) * 32
    return tensor
  })
}

/** The file in pieces: magic, version, counts, each metadata entry and tensor entry, padding, each tensor. */
export function ggufParts(
  metadata: ReadonlyMap<string, Value>,
  tensors: readonly GgufTensorParts[],
  version = 3,
): Buffer[] {
  const head = [
    Buffer.from('GGUF'),
    u32(version),
    u64(tensors.length),
    u64(metadata.size),
    ...[...metadata].map(([key, value]) => Buffer.concat([string(key), encoded(value)])),
    ...tensors.map(({ name, dimensions, type, offset }) =>
      Buffer.concat([string(name), u32(dimensions.length), ...dimensions.map(u64), u32(type), u64(offset)]),
    ),
  ]
  const length = Buffer.concat(head).length
  const pad = (bytes: number): Buffer => Buffer.alloc((32 - (bytes % 32)) % 32)
  return [...head, pad(length), ...tensors.map(({ data }) => Buffer.concat([data, pad(data.length)]))]
}

export function ggufFile(weights: Weights, config: SourceConfig = CONFIG, type = 'F32', version = 3): Buffer {
  return Buffer.concat(ggufParts(ggufMetadata(config), ggufTensors(weights, config, type), version))
}

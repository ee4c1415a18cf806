/** Writes a Llama model as Hugging Face's transformers and tokenizers do. */
import { PIECE_SPECIAL, PIECE_TEXT } from '@nacre/protocol'
import { type ScoredPiece, SPACE_MARK } from '../../src/import/pieces.ts'
import { type SourceConfig, sourceParts } from '../../src/import/source.ts'
import { CONFIG, encodeValues, PIECES, toHalves, type Weights } from './import-weights.ts'
import { containerBytes } from './model-bytes.ts'

export function hfConfigJson(config: SourceConfig = CONFIG): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: config.dModel,
    num_hidden_layers: config.nLayers,
    num_attention_heads: config.nHeads,
    num_key_value_heads: config.nKvHeads,
    ...(config.headDim === config.dModel / config.nHeads ? {} : { head_dim: config.headDim }),
    intermediate_size: config.ffnDim,
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxSeqLen,
    rms_norm_eps: 1e-5,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    hidden_act: 'silu',
    attention_bias: false,
    tie_word_embeddings: config.tiedHead,
    bos_token_id: config.bosToken,
    eos_token_id: config.eosToken,
    torch_dtype: 'float32',
    transformers_version: '4.40.0',
  }
}

/** `tokenizer.json` of a SentencePiece model: every way to make a piece of two others is a merge, in the order of scores. */
export function hfTokenizerJson(pieces: readonly ScoredPiece[] = PIECES): Record<string, unknown> {
  const marked = pieces.map((piece) => ({ ...piece, text: piece.text.replaceAll(' ', SPACE_MARK) }))
  const texts = marked.filter(({ kind }) => kind === PIECE_TEXT)
  const known = new Set(texts.map(({ text }) => text))
  const merges = texts
    .toSorted((a, b) => b.score - a.score)
    .flatMap(({ text }) => {
      const characters = [...text]
      const cuts = characters
        .slice(1)
        .map((_, i) => [characters.slice(0, i + 1).join(''), characters.slice(i + 1).join('')])
      return cuts.filter((cut) => cut.every((part) => known.has(part))).map((cut) => cut.join(' '))
    })
  const added = marked.flatMap(({ kind, text }, id) =>
    kind === PIECE_SPECIAL ? [{ id, content: text, special: true }] : [],
  )
  return {
    version: '1.0',
    added_tokens: added,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: SPACE_MARK },
        { type: 'Replace', pattern: { String: ' ' }, content: SPACE_MARK },
      ],
    },
    pre_tokenizer: null,
    model: {
      type: 'BPE',
      ...{ dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: true, byte_fallback: true, ignore_merges: false },
      vocab: Object.fromEntries(marked.map(({ text }, id) => [text, id])),
      merges,
    },
  }
}

const NAMES: Readonly<Record<string, string>> = {
  embed: 'model.embed_tokens',
  finalNorm: 'model.norm',
  head: 'lm_head',
}
const LAYER_NAMES: Readonly<Record<string, string>> = {
  ...{ attnNorm: 'input_layernorm', ffnNorm: 'post_attention_layernorm' },
  ...{ q: 'self_attn.q_proj', k: 'self_attn.k_proj', v: 'self_attn.v_proj', o: 'self_attn.o_proj' },
  ...{ gate: 'mlp.gate_proj', up: 'mlp.up_proj', down: 'mlp.down_proj' },
}

export interface HfTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly type: string
  readonly data: Buffer
}

export function hfTensors(weights: Weights, config: SourceConfig = CONFIG, type = 'F32'): HfTensor[] {
  return sourceParts(config).map(({ part, rows, columns }) => {
    const [, layer, name] = /^layers\.(\d+)\.(\w+)$/.exec(part) ?? []
    const values = weights.get(part)!
    const stored = name === 'q' || name === 'k' ? toHalves(values, columns, config.headDim) : values
    return {
      name: `${layer === undefined ? NAMES[part] : `model.layers.${layer}.${LAYER_NAMES[name!]}`}.weight`,
      shape: part.endsWith('Norm') ? [columns] : [rows, columns],
      ...{ type, data: encodeValues(type, stored) },
    }
  })
}

/** A safetensors file of any tensors. */
export function safetensorsFile(
  tensors: readonly HfTensor[],
  change?: (header: Record<string, unknown>) => void,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const { name, shape, type, data } of tensors) {
    header[name] = { dtype: type, shape, data_offsets: [offset, offset + data.length] }
    offset += data.length
  }
  change?.(header)
  return containerBytes(header, new Uint8Array(Buffer.concat(tensors.map(({ data }) => data))))
}

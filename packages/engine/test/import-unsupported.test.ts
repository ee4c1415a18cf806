/** Imports of sound models that Nacre cannot express: one typed error with every reason (CNV-8). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSourceModel, UnsupportedModelError } from '../src/index.ts'
import { Folder, failure } from './support/import-folder.ts'
import { type GgufTensorParts, ggufMetadata, ggufParts, ggufTensors, type Value } from './support/import-gguf.ts'
import { type HfTensor, hfConfigJson, hfTensors, hfTokenizerJson, safetensorsFile } from './support/import-hf.ts'
import { llama2cParts, llama2cTokenizer } from './support/import-llama2c.ts'
import { CONFIG, PIECES, randomWeights } from './support/import-weights.ts'

const weights = randomWeights()
let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

async function reasons(path: string, maxSeqLen?: number): Promise<readonly string[]> {
  const error = await failure(folder, path, { maxSeqLen })
  expect(error).toBeInstanceOf(UnsupportedModelError)
  expect([error.code, error.verdict]).toEqual(['MODEL_UNSUPPORTED', 'ignore'])
  expect(error.message).not.toContain('\n')
  return (error as UnsupportedModelError).reasons
}

function gguf(values: Record<string, Value | undefined>, change?: (tensors: GgufTensorParts[]) => void): string {
  const metadata = ggufMetadata()
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) metadata.delete(key)
    else metadata.set(key, value)
  }
  const tensors = ggufTensors(weights)
  change?.(tensors)
  return folder.write('x.gguf', Buffer.concat(ggufParts(metadata, tensors)))
}

function hf(
  config: Record<string, unknown> = {},
  tokenizer: object = hfTokenizerJson(),
  extra: HfTensor[] = [],
): string {
  folder.write('hf/config.json', { ...hfConfigJson(), ...config })
  folder.write('hf/tokenizer.json', tokenizer)
  folder.write('hf/model.safetensors', safetensorsFile([...hfTensors(weights), ...extra]))
  return folder.at('hf')
}

describe('GGUF', () => {
  test('every reason is listed, not only the first', async () => {
    const path = gguf(
      {
        'general.architecture': ['string', 'qwen2'],
        'tokenizer.ggml.model': ['string', 'gpt2'],
        'split.count': ['u32', 2],
      },
      (tensors) => {
        tensors[2]!.type = 12
        tensors[3]!.type = 14
        tensors[4]!.type = 12
        tensors[5]!.name = 'blk.0.attn_q.bias'
        tensors[6]!.name = 'blk.1.attn_q.bias'
      },
    )
    expect(await reasons(path)).toEqual([
      'the architecture qwen2, only llama is read',
      'a model in 2 files: merge them first',
      '2 tensors in Q4_K, only F32, F16, BF16 and Q8_0 are read',
      '1 tensor in Q6_K, only F32, F16, BF16 and Q8_0 are read',
      'the tensor blk.*.attn_q.bias (2 of them)',
      'the tokenizer gpt2, only llama (SentencePiece BPE) is read',
    ])
  })

  test.each<[string, Record<string, Value | undefined>, string]>([
    ['experts', { 'llama.expert_count': ['u32', 8] }, 'llama.expert_count = 8'],
    ['rotary scaling', { 'llama.rope.scaling.type': ['string', 'yarn'] }, 'llama.rope.scaling.type = yarn'],
    ['linear rotary scaling', { 'llama.rope.scale_linear': ['f32', 4] }, 'llama.rope.scale_linear = 4'],
    ['an unknown property', { 'llama.new_trick': ['u32', 1] }, 'llama.new_trick = 1'],
    // What every object of JavaScript has is known by no model.
    ...['__proto__', '__defineGetter__', 'constructor', 'toString', 'hasOwnProperty', '__lookupGetter__'].map(
      (name): [string, Record<string, Value>, string] => [
        `the property ${name}`,
        { [`llama.${name}`]: ['u32', 7] },
        `llama.${name} = 7`,
      ],
    ),
    ['a property of many lines', { 'llama.x': ['string', 'a\n\x1b[31m'.repeat(99)] }, 'llama.x = a??[31ma??[31m'],
    ['layers of different shape', { 'llama.attention.head_count': ['u32', [4, 2]] }, 'differs between layers'],
    ['a rotated part', { 'llama.rope.dimension_count': ['u32', 4] }, 'only 4 of 8 values of a head are rotated'],
    [
      'values of another width',
      { 'llama.attention.value_length': ['u32', 16] },
      'values of width 16 for keys of width 8',
    ],
    [
      'more positions than the limit',
      { 'llama.context_length': ['u32', 131_072] },
      '131072 positions, the limit is 65536',
    ],
    ['a sliding window', { 'llama.attention.sliding_window': ['u32', 8] }, 'a sliding window of 8 positions'],
    ['no tokenizer', { 'tokenizer.ggml.model': undefined }, 'no tokenizer in the file'],
    ['white space removed', { 'tokenizer.ggml.remove_extra_whitespaces': ['bool', true] }, 'removes white space'],
    ['characters normalised', { 'tokenizer.ggml.precompiled_charsmap': ['i32', [1]] }, 'normalises characters'],
  ])('%s', async (_, values, reason) => {
    expect(await reasons(gguf(values))).toEqual([expect.stringContaining(reason)])
  })

  test.each(['constructor', '__proto__', 'toString', 'blk.0.constructor', 'blk.0.__proto__'])(
    'the tensor %s.weight',
    async (name) => {
      const path = gguf({}, (tensors) => {
        tensors[2]!.name = `${name}.weight`
      })
      const family = name.replace('.0.', '.*.')
      expect(await reasons(path)).toEqual([`the tensor ${family}.weight`])
    },
  )

  test('what changes nothing is no reason', async () => {
    const path = gguf({
      'llama.expert_count': ['u32', 0],
      'llama.rope.scaling.type': ['string', 'none'],
      'llama.attention.sliding_window': ['u32', 16],
      'llama.vocab_size': ['u32', 272],
      'general.file_type': ['u32', 0],
      'tokenizer.chat_template': ['string', '{{x}}'],
      'tokenizer.ggml.add_bos_token': ['bool', true],
    })
    await (await openSourceModel(path)).close()
    const windowed = gguf({ 'llama.attention.sliding_window': ['u32', 8] })
    await (await openSourceModel(windowed, { maxSeqLen: 8 })).close()
  })

  test('other versions and orders', async () => {
    const parts = ggufParts(ggufMetadata(), ggufTensors(weights), 1)
    expect(await reasons(folder.write('x.gguf', Buffer.concat(parts)))).toEqual(['GGUF 1, only 2 and 3 are read'])
    parts[1] = Buffer.of(0, 0, 0, 3)
    expect(await reasons(folder.write('x.gguf', Buffer.concat(parts)))).toEqual(['GGUF 3 in big-endian order'])
  })
})

describe('Hugging Face', () => {
  test('every reason is listed, not only the first', async () => {
    const bias = (l: number): HfTensor => ({
      name: `model.layers.${l}.self_attn.q_proj.bias`,
      ...{ shape: [32], type: 'F32', data: Buffer.alloc(128) },
    })
    const path = hf(
      {
        hidden_act: 'gelu',
        attention_bias: true,
        rope_scaling: { rope_type: 'llama3', factor: 8 },
        quantization_config: { quant_method: 'gptq' },
      },
      { model: { type: 'Unigram' } },
      [bias(0), bias(1)],
    )
    expect(await reasons(path)).toEqual([
      'hidden_act = gelu',
      'attention_bias = true',
      'weights quantised by gptq',
      'rotary scaling llama3',
      'the tensor model.layers.*.self_attn.q_proj.bias (2 of them)',
      'a tokenizer.json with the type Unigram, no byte fallback, a normaliser or pre-tokeniser other than that of SentencePiece',
    ])
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['another type', { model_type: 'gemma' }, 'the model type gemma'],
    ['no type', { model_type: undefined }, 'the model type undefined'],
    ['linear scaling', { rope_scaling: { type: 'linear', factor: 2 } }, 'rotary scaling linear'],
    ['scaling in the newer place', { rope_parameters: { rope_type: 'yarn' } }, 'rotary scaling yarn'],
    ['a rotated part', { partial_rotary_factor: 0.5 }, 'partial_rotary_factor = 0.5'],
    ['biases', { mlp_bias: true }, 'mlp_bias = true'],
    ['a sliding window', { model_type: 'mistral', sliding_window: 8 }, 'a sliding window of 8 positions'],
    ['more positions than the limit', { max_position_embeddings: 131_072 }, 'the limit is 65536'],
    [
      'more positions than the width of a head allows',
      { head_dim: 512, max_position_embeddings: 65_536 },
      'rotary tables of 65536 x 512 values, the limit is 16777216',
    ],
    ['a type in a list', { model_type: ['llama'] }, 'the model type ["llama"]'],
    ['a type that objects have', { model_type: 'constructor' }, 'the model type constructor'],
    [
      'the sliding window that Mistral has without a word',
      { model_type: 'mistral', num_key_value_heads: 2, max_position_embeddings: 32_768 },
      'a sliding window of 4096 positions',
    ],
    [
      'a sliding window that is said not to be used, which Mistral does not read',
      { model_type: 'mistral', sliding_window: 8, use_sliding_window: false },
      'a sliding window of 8 positions',
    ],
    ['a sliding window that is none', { model_type: 'mistral', sliding_window: 'x' }, 'a sliding window of x'],
    ['some layers with a sliding window', { layer_types: ['full_attention', 'sliding_attention'] }, 'layer_types = ['],
    ['scaling by its name alone', { rope_scaling: 'linear' }, 'rope_scaling = linear'],
    ['scaling in a list', { rope_scaling: [{ type: 'linear', factor: 2 }] }, 'rope_scaling = [{'],
    ['scaling without a type', { rope_scaling: { factor: 4 } }, 'rope_scaling.factor = 4'],
    ['scaling beside a type', { rope_scaling: { rope_type: 'default', factor: 4 } }, 'rope_scaling.factor = 4'],
    ['scaling of a type that is none', { rope_scaling: { type: 0 } }, 'rotary scaling 0'],
    ['two types of scaling', { rope_scaling: { rope_type: 'default', type: 'yarn' } }, 'rotary scaling yarn'],
    [
      'scaling for some layers',
      { rope_parameters: { full_attention: { rope_type: 'yarn' } } },
      'rope_parameters.full_attention = {"rope_type":"yarn"}',
    ],
    ['two rotary bases', { rope_parameters: { rope_theta: 1 } }, 'two rotary bases, 10000 and 1'],
    ['multipliers of logits', { logits_scaling: 8 }, 'logits_scaling = 8'],
    ['multipliers of embeddings', { embedding_multiplier: 12 }, 'embedding_multiplier = 12'],
    ['multipliers of attention', { attention_multiplier: 0.1 }, 'attention_multiplier = 0.1'],
    ['another activation by its other name', { hidden_activation: 'gelu' }, 'hidden_activation = gelu'],
    ['code of its own', { auto_map: { AutoModel: 'x.Y' } }, 'auto_map = {"AutoModel":"x.Y"}'],
    ['another head', { architectures: ['LlamaForSequenceClassification'] }, 'architectures = ['],
    ['experts', { num_local_experts: 8 }, 'num_local_experts = 8'],
    ['a key that objects have', JSON.parse('{"__proto__":{"x":1}}'), '__proto__ = {"x":1}'],
  ])('%s', async (_, config, reason) => {
    expect(await reasons(hf(config))).toEqual([expect.stringContaining(reason)])
  })

  test('types that are not read', async () => {
    hf()
    const tensors = hfTensors(weights).map((tensor) => ({
      ...tensor,
      type: tensor.type === 'F32' ? 'I32' : tensor.type,
    }))
    folder.write('hf/model.safetensors', safetensorsFile(tensors))
    expect(await reasons(folder.at('hf'))).toEqual([`${tensors.length} tensors in I32, only F32, F16, BF16 are read`])
  })

  test('what changes nothing is no reason, and a note where something is left out', async () => {
    const head = { name: 'lm_head.weight', shape: [272, 32], type: 'F32', data: Buffer.alloc(4 * 272 * 32) }
    const frequencies = {
      name: 'model.layers.0.self_attn.rotary_emb.inv_freq',
      shape: [4],
      type: 'F32',
      data: Buffer.alloc(16),
    }
    const path = hf(
      { model_type: 'mistral', sliding_window: 4096, rope_scaling: { type: 'default' }, eos_token_id: [1, 2] },
      hfTokenizerJson(),
      [head, frequencies],
    )
    const source = await openSourceModel(path)
    await source.close()
    expect(source.notes).toEqual([
      'of eos_token_id [1,2] the first counts',
      'lm_head.weight is not read: the head is the embedding',
    ])
    // As transformers, versions 4 and 5, and unsloth write them.
    const harmless = {
      ...{ _name_or_path: 'x', initializer_range: 0.02, pretraining_tp: 1, use_cache: true, pad_token_id: null },
      ...{
        attention_dropout: 0,
        dtype: 'float32',
        unsloth_version: '2024.9',
        rope_interleaved: false,
        mlp_bias: false,
      },
      ...{ rope_theta: undefined, rope_scaling: undefined, sliding_window: null, logits_scaling: null },
      ...{ rope_parameters: { rope_type: 'default', rope_theta: 5e5 }, layer_types: ['full_attention'] },
    }
    const newer = await openSourceModel(hf(harmless))
    await newer.close()
    expect([newer.config.ropeTheta, newer.notes]).toEqual([5e5, []])
    const windowed = hf({ model_type: 'mistral', sliding_window: 8 })
    await (await openSourceModel(windowed, { maxSeqLen: 8 })).close()
  })

  test('a folder without tokenizer.json', async () => {
    const path = hf()
    const { rmSync } = await import('node:fs')
    rmSync(folder.at('hf/tokenizer.json'))
    expect(await reasons(path)).toEqual([
      expect.stringMatching(/^no .*tokenizer\.json: a tokenizer of llama2\.c can be given/),
    ])
  })
})

describe('llama2.c', () => {
  test('other versions, and no tokenizer', async () => {
    const quantised = llama2cParts(weights, CONFIG, 2)
    expect(await reasons(folder.write('x.bin', Buffer.concat(quantised)))).toEqual([
      'llama2.c version 2, only 0 and 1 are read',
    ])
    const path = folder.write('x.bin', Buffer.concat(llama2cParts(weights)))
    expect(await reasons(path)).toEqual([
      'no tokenizer is in the file, and neither tok272.bin nor tokenizer.bin is beside it',
    ])
    folder.write('tokenizer.bin', llama2cTokenizer(PIECES.filter(({ text }) => !text.startsWith('<0x'))))
    expect(await reasons(path)).toEqual(['a tokenizer without byte tokens'])
  })

  test('containers of others', async () => {
    for (const [start, reason] of [
      ['PK\x03\x04', "a zip archive, perhaps PyTorch's"],
      ['\x80\x02}q', 'a Python pickle'],
      ['ggjt', 'GGML, which came before GGUF'],
    ] as const)
      expect(await reasons(folder.write('x.bin', Buffer.from(start.padEnd(64), 'latin1')))).toEqual([reason])
    const { code } = await failure(folder, folder.write('x.bin', Buffer.from('hello, this is a text and no model')))
    expect(code).toBe('MODEL_MALFORMED')
  })
})

/** Imports of broken files (P8): a typed error that says what is wrong, no file, and no memory for what only a count promises. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DiskFile } from '../src/import/disk-file.ts'
import type { SourceConfig } from '../src/import/source.ts'
import { Folder, failure } from './support/import-folder.ts'
import { type GgufTensorParts, ggufMetadata, ggufParts, ggufTensors, u64, type Value } from './support/import-gguf.ts'
import { type HfTensor, hfConfigJson, hfTensors, hfTokenizerJson, safetensorsFile } from './support/import-hf.ts'
import { llama2cParts, llama2cTokenizer } from './support/import-llama2c.ts'
import { CONFIG, randomWeights } from './support/import-weights.ts'

const weights = randomWeights()
let folder: Folder
beforeEach(() => {
  folder = new Folder()
  folder.write(`tok${CONFIG.vocabSize}.bin`, llama2cTokenizer())
})
afterEach(() => folder.remove())

/** Cuts before, at and behind the end of every part, and longer files. */
function spoiledLengths(parts: readonly Buffer[]): Buffer[] {
  const whole = Buffer.concat(parts)
  const lengths = new Set<number>()
  let end = 0
  for (const part of parts) {
    end += part.length
    for (const length of [end - 1, end, end + 1, end - (part.length >> 1)]) lengths.add(length)
  }
  const cut = [0, 1, ...lengths].filter((length) => length >= 0 && length < whole.length)
  return [
    ...cut.map((length) => whole.subarray(0, length)),
    ...[1, 64, 4096].map((n) => Buffer.concat([whole, Buffer.alloc(n)])),
  ]
}

async function expectMalformed(path: string, reason: string | RegExp): Promise<void> {
  const { code, message } = await failure(folder, path)
  expect(code).toBe('MODEL_MALFORMED')
  expect(message).toMatch(reason)
  expect(message).not.toContain('\n')
}

describe('llama2.c', () => {
  test.each([0, 1])('version %i: a file that ends early or goes on anywhere', async (version) => {
    const spoiled = spoiledLengths(llama2cParts(weights, CONFIG, version))
    expect(spoiled.length).toBeGreaterThan(30)
    for (const bytes of spoiled) await expectMalformed(folder.write('x.bin', bytes), /./)
  })

  const header = (at: number, value: number) => (bytes: Buffer) => void bytes.writeInt32LE(value, 4 * at)
  test.each<[string, (bytes: Buffer) => void, string]>([
    ['no width', header(0, 0), 'dim is 0'],
    ['a negative width', header(0, -64), 'dim is -64'],
    ['a width that heads do not divide', header(3, 5), 'does not split into 5 heads'],
    ['groups that do not divide the heads', header(4, 3), '4 heads do not split into 3 groups'],
    ['an odd head', header(3, 32), 'headDim 1 is odd'],
    ['no layers', header(2, 0), 'n_layers is 0'],
    ['more layers than any model has', header(2, 257), 'nLayers 257'],
    ['a width beyond the accumulator', header(0, 1 << 18), 'dModel 262144 is outside'],
    ['a feed-forward width beyond the accumulator', header(1, 1 << 17), 'gate,up layer is too wide'],
    ['a vocabulary of nothing', header(5, 0), 'vocab_size is 0'],
    ['a larger vocabulary than there is', header(5, 300), 'bytes, a llama2.c model of'],
    ['a head that is not there', header(5, -CONFIG.vocabSize), 'bytes, a llama2.c model of'],
    ['more positions than there are tables for', header(6, 17), 'bytes, a llama2.c model of'],
    ['no positions', header(6, 0), 'seq_len is 0'],
  ])('rejected: %s', async (_, spoil, reason) => {
    const bytes = Buffer.concat(llama2cParts(weights))
    spoil(bytes)
    // A tokenizer for whatever vocabulary the header says, so that it is not what is missing.
    folder.write('tokenizer.bin', llama2cTokenizer())
    await expectMalformed(folder.write('x.bin', bytes), reason)
  })

  test('rejected: tokenizers that end early or are others', async () => {
    folder.write('x.bin', Buffer.concat(llama2cParts(weights)))
    const good = llama2cTokenizer()
    const name = `tok${CONFIG.vocabSize}.bin`
    for (const length of [0, 3, 4, 5, 11, 12, 14, good.length - 1]) {
      folder.write(name, good.subarray(0, length))
      const { code } = await failure(folder, folder.at('x.bin'))
      // Nothing behind a whole number of pieces is a tokenizer with too few of them.
      expect([length, code]).toEqual([length, length === 4 ? 'MODEL_UNSUPPORTED' : 'MODEL_MALFORMED'])
    }
    for (const [at, bytes, reason] of [
      [4, [0, 0, 0xc0, 0x7f], 'has no score'],
      [8, [0xff, 0xff, 0xff, 0xff], 'the longest is to have'],
      [12, [0xff], 'is no UTF-8'],
    ] as const) {
      const changed = Buffer.from(good)
      // Token 259 is the first text piece: its score may not be NaN. The others are of token 0.
      const offset = reason === 'has no score' ? good.indexOf('ab') - 8 : at
      Buffer.from(bytes).copy(changed, offset)
      folder.write(name, changed)
      await expectMalformed(folder.at('x.bin'), reason)
    }
    folder.write(name, Buffer.concat([good, good.subarray(good.indexOf('ab') - 8)]))
    await expectMalformed(folder.at('x.bin'), 'the tokenizer has 285 tokens, the model 272')
  })
})

describe('GGUF', () => {
  const write = (change: {
    metadata?: (m: Map<string, Value>) => void
    tensors?: (t: GgufTensorParts[]) => void
  }): string => {
    const metadata = ggufMetadata()
    const tensors = ggufTensors(weights)
    change.metadata?.(metadata)
    change.tensors?.(tensors)
    return folder.write('x.gguf', Buffer.concat(ggufParts(metadata, tensors)))
  }

  test('a file that ends early or goes on anywhere', async () => {
    const spoiled = spoiledLengths(ggufParts(ggufMetadata(), ggufTensors(weights)))
    expect(spoiled.length).toBeGreaterThan(150)
    for (const bytes of spoiled) {
      // Fewer than four bytes are no GGUF, and nothing else either.
      await expectMalformed(folder.write('x.gguf', bytes), /./)
    }
  })

  const set = (key: string, value: Value) => ({ metadata: (m: Map<string, Value>): void => void m.set(key, value) })
  const without = (key: string) => ({ metadata: (m: Map<string, Value>): void => void m.delete(key) })
  const tensor = (i: number, change: Partial<GgufTensorParts>) => ({
    tensors: (t: GgufTensorParts[]): void => void Object.assign(t[i]!, change),
  })
  test.each<[string, Parameters<typeof write>[0], string]>([
    ['no architecture', without('general.architecture'), 'no general.architecture'],
    ['no layers', set('llama.block_count', ['u32', 0]), 'block_count is 0'],
    ['a width that is text', set('llama.embedding_length', ['string', '32']), 'is no number'],
    ['a missing width', without('llama.embedding_length'), 'no llama.embedding_length'],
    ['another width', set('llama.embedding_length', ['u32', 64]), 'token_embd.weight is 272 x 32, not 272 x 64'],
    ['a width beyond the accumulator', set('llama.embedding_length', ['u32', 1 << 18]), 'dModel 262144 is outside'],
    [
      'groups that do not divide the heads',
      set('llama.attention.head_count_kv', ['u32', 3]),
      'do not split into 3 groups',
    ],
    ['heads that do not divide the width', set('llama.attention.head_count', ['u32', 5]), '6.4'],
    ['an epsilon of 0', set('llama.attention.layer_norm_rms_epsilon', ['f32', 0]), 'normEps 0'],
    ['a rotary base that is no number', set('llama.rope.freq_base', ['f32', Number.NaN]), 'rotary base is NaN'],
    ['more layers than there are', set('llama.block_count', ['u32', 3]), 'no tensor for layers.2.attnNorm'],
    ['fewer layers than there are', set('llama.block_count', ['u32', 1]), 'no place for blk.1.'],
    ['more layers than any model has', set('llama.block_count', ['u32', 2 ** 31]), 'nLayers 2147483648'],
    ['a BOS outside the vocabulary', set('tokenizer.ggml.bos_token_id', ['u32', 272]), 'bosToken 272'],
    ['an alignment of 0', set('general.alignment', ['u32', 0]), 'the alignment is 0'],
    ['an alignment of 24', set('general.alignment', ['u32', 24]), 'the alignment is 24'],
    ['scores for fewer tokens', set('tokenizer.ggml.scores', ['f32', [1, 2]]), 'has 2 items for 272 tokens'],
    ['no scores', without('tokenizer.ggml.scores'), 'scores is no list of numbers'],
    ['a score that is none', set('tokenizer.ggml.scores', ['f32', new Array(272).fill(Number.NaN)]), 'has no score'],
    [
      'a type that is none',
      set('tokenizer.ggml.token_type', ['i32', new Array(272).fill(9)]),
      'token 0 has the type 9',
    ],
    ['byte tokens that are none', set('tokenizer.ggml.token_type', ['i32', new Array(272).fill(6)]), 'is no byte'],
    ['a shape of another size', tensor(2, { dimensions: [32, 31] }), 'is 31 x 32, not 32 x 32'],
    ['an empty tensor', tensor(2, { dimensions: [32, 0] }), 'blk.0.attn_q.weight is empty'],
    ['a third dimension', tensor(2, { dimensions: [32, 32, 2] }), 'is 2 x 32 x 32'],
    ['no dimensions', tensor(2, { dimensions: [] }), 'has 0 dimensions'],
    ['too many dimensions', tensor(2, { dimensions: [32, 32, 1, 1, 1] }), 'has 5 dimensions'],
    [
      'dimensions whose product overflows',
      tensor(2, { dimensions: [2 ** 39, 2 ** 39] }),
      'is 549755813888 x 549755813888',
    ],
    ['two tensors in one place', tensor(2, { offset: 0 }), 'overlaps another tensor'],
    ['an offset without alignment', tensor(2, { offset: 7 }), 'is not aligned'],
    ['an offset behind the end', tensor(2, { offset: 2 ** 40 }), 'no tensor has byte'],
    ['two tensors of one name', tensor(2, { name: 'token_embd.weight' }), 'two tensors token_embd.weight'],
    ['a missing tensor', { tensors: (t) => void t.pop() }, 'no tensor for finalNorm'],
  ])('rejected: %s', async (_, change, reason) => {
    await expectMalformed(write(change), reason)
  })

  test('rejected: blocks that the columns do not fill', async () => {
    const config = { ...CONFIG, dModel: 30, nHeads: 3, nKvHeads: 3, headDim: 10 }
    const tensors = ggufTensors(randomWeights(config), config)
    tensors[2]!.type = 8
    const path = folder.write('x.gguf', Buffer.concat(ggufParts(ggufMetadata(config), tensors)))
    await expectMalformed(path, 'attn_q.weight: 30 columns do not fill blocks of Q8_0')
  })

  test('rejected: a value that is no number, in every format that has such values', async () => {
    for (const [type, number, nan] of [
      ['F32', 0, [0, 0, 0xc0, 0x7f]],
      ['F16', 1, [0, 0x7e]],
      ['BF16', 30, [0xc0, 0x7f]],
      ['Q8_0', 8, [0, 0x7c]],
    ] as const) {
      const tensors = ggufTensors(weights, CONFIG, type)
      Buffer.from(nan).copy(tensors[2]!.data)
      expect(tensors[2]!.type).toBe(number)
      const path = folder.write('x.gguf', Buffer.concat(ggufParts(ggufMetadata(), tensors)))
      await expectMalformed(path, /blk\.0\.attn_q\.weight has (NaN|-?Infinity) in row 0, column 0/)
    }
  })

  test('counts that promise more than there is cost no memory', async () => {
    const reads = vi.spyOn(DiskFile.prototype, 'read')
    const parts = ggufParts(ggufMetadata(), ggufTensors(weights))
    const tokens = parts.findIndex((part) => part.includes('tokenizer.ggml.tokens'))
    const arrayLength = parts[tokens]!.indexOf('tokens') + 'tokens'.length + 8
    const huge: [number, number, Buffer][] = [
      [2, 0, u64(2n ** 63n)],
      [2, 0, u64(65_536)],
      [3, 0, u64(2n ** 40n)],
      [3, 0, u64(16_384)],
      [4, 0, u64(2n ** 63n)],
      [4, 0, u64(1024)],
      [tokens, arrayLength, u64(2n ** 62n)],
      [tokens, arrayLength, u64(1 << 22)],
      [tokens, arrayLength + 8, u64(2n ** 33n)],
      [tokens, arrayLength + 8, u64(1 << 27)],
    ]
    for (const [part, at, value] of huge) {
      const changed = parts.map((bytes) => Buffer.from(bytes))
      value.copy(changed[part]!, at)
      await expectMalformed(folder.write('x.gguf', Buffer.concat(changed)), /./)
    }
    const longest = Math.max(...reads.mock.calls.map(([, length]) => length))
    reads.mockRestore()
    expect(longest).toBeLessThanOrEqual(Buffer.concat(parts).length)
  })
})

describe('Hugging Face', () => {
  const write = (
    change: {
      config?: Record<string, unknown>
      tensors?: HfTensor[]
      header?: (h: Record<string, unknown>) => void
    } = {},
  ): string => {
    folder.write('hf/config.json', { ...hfConfigJson(), ...change.config })
    folder.write('hf/tokenizer.json', hfTokenizerJson())
    folder.write('hf/model.safetensors', safetensorsFile(change.tensors ?? hfTensors(weights), change.header))
    return folder.at('hf')
  }

  test('a file that ends early or goes on anywhere', async () => {
    const path = write()
    const whole = Buffer.from(safetensorsFile(hfTensors(weights)))
    const headerEnd = 8 + Number(whole.readBigUInt64LE())
    const tensors = hfTensors(weights).map(({ data }) => data)
    const parts = [whole.subarray(0, 8), whole.subarray(8, headerEnd), ...tensors]
    for (const bytes of spoiledLengths(parts)) {
      folder.write('hf/model.safetensors', bytes)
      await expectMalformed(path, /./)
    }
  })

  type Change = Parameters<typeof write>[0]
  const config = (values: Record<string, unknown>): Change => ({ config: values })
  const entry = (name: string, values: object): Change => ({
    header: (h) => void Object.assign(h[name] as object, values),
  })
  const Q = 'model.layers.0.self_attn.q_proj.weight'
  test.each<[string, Change, string]>([
    ['a width that is no number', config({ hidden_size: '32' }), 'hidden_size is 32'],
    ['a width of 0', config({ hidden_size: 0 }), 'hidden_size is 0'],
    ['a missing number of layers', config({ num_hidden_layers: undefined }), 'num_hidden_layers is undefined'],
    ['a width that heads do not divide', config({ num_attention_heads: 5 }), 'does not split into 5 heads'],
    ['groups that do not divide the heads', config({ num_key_value_heads: 3 }), 'do not split into 3 groups'],
    ['a width beyond the accumulator', config({ hidden_size: 1 << 18 }), 'dModel 262144 is outside'],
    [
      'a feed-forward width beyond the accumulator',
      config({ intermediate_size: 1 << 17 }),
      'gate,up layer is too wide',
    ],
    ['another width', config({ head_dim: 16 }), `${Q} is 32 x 32, not 64 x 32`],
    ['an odd head', config({ head_dim: 7 }), 'headDim 7 is odd'],
    ['more layers than there are', config({ num_hidden_layers: 3 }), 'no tensor for layers.2.attnNorm'],
    ['fewer layers than there are', config({ num_hidden_layers: 1 }), 'no place for model.layers.1.'],
    ['a head that is not there', config({ tie_word_embeddings: false }), 'no tensor for head'],
    ['a negative rotary base', config({ rope_theta: -1 }), 'rotary base is -1'],
    ['a BOS that is text', config({ bos_token_id: '<s>' }), 'bos_token_id is <s>'],
    ['an empty tensor', entry(Q, { shape: [0, 32] }), 'bytes for the shape 0 x 32'],
    ['a shape of another size', entry(Q, { shape: [32, 33] }), 'bytes for the shape 32 x 33'],
    [
      'a transposed shape',
      entry('model.layers.0.mlp.down_proj.weight', { shape: [64, 32] }),
      'is 64 x 32, not 32 x 64',
    ],
    ['a vector of two dimensions', entry('model.norm.weight', { shape: [1, 32] }), 'is 1 x 32, not 32'],
    ['two tensors in one place', entry(Q, { data_offsets: [0, 4096] }), 'overlap'],
    ['an offset behind the end', entry(Q, { data_offsets: [0, 2 ** 50] }), 'lies at'],
    ['a shape that overflows', entry(Q, { shape: [2 ** 52, 2 ** 52] }), 'bytes for the shape'],
    ['a type that is no text', entry(Q, { dtype: 1 }), 'has the type 1'],
  ])('rejected: %s', async (_, change, reason) => {
    await expectMalformed(write(change), reason)
  })

  test('rejected: a value that is no number', async () => {
    const tensors = hfTensors(weights)
    tensors[2]!.data.writeFloatLE(Number.NaN, 4 * 37)
    await expectMalformed(write({ tensors }), 'q_proj.weight has NaN in row 1, column 5')
  })

  test('rejected: configurations and indices that are none', async () => {
    const path = write()
    for (const text of ['', '[]', 'null', '{', '{"model_type":']) {
      folder.write('hf/config.json', Buffer.from(text))
      await expectMalformed(path, 'config.json is no JSON')
    }
    folder.write('hf/config.json', hfConfigJson())
    for (const [map, reason] of [
      [undefined, 'no weight_map'],
      [{}, 'names 0 files'],
      [{ a: '../secret.safetensors' }, 'names the file ../secret.safetensors'],
      [{ a: '/etc/passwd' }, 'names the file'],
      [{ a: 1 }, 'names the file 1'],
      [Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [i, `${i}.safetensors`])), 'names 1025 files'],
    ] as const) {
      folder.write('hf/model.safetensors.index.json', { weight_map: map })
      await expectMalformed(path, reason)
    }
    folder.write('empty/x', Buffer.alloc(0))
    await expectMalformed(folder.at('empty'), 'has neither model.safetensors nor')
  })

  test('a header length that promises more than there is costs no memory', async () => {
    const path = write()
    const reads = vi.spyOn(DiskFile.prototype, 'read')
    for (const length of [2n ** 64n - 1n, 2n ** 53n, BigInt(4 << 20), BigInt((4 << 20) + 1)]) {
      const bytes = Buffer.from(safetensorsFile(hfTensors(weights)))
      bytes.writeBigUInt64LE(length)
      folder.write('hf/model.safetensors', bytes)
      await expectMalformed(path, /header/)
    }
    const longest = Math.max(...reads.mock.calls.map(([, length]) => length))
    reads.mockRestore()
    expect(longest).toBeLessThan(100_000)
  })

  const dims = (values: Partial<SourceConfig>): SourceConfig => ({ ...CONFIG, ...values })
  test('a tensor that is cut while it is read', async () => {
    const big = dims({ dModel: 2048, nHeads: 2, nKvHeads: 1, headDim: 1024, ffnDim: 32, nLayers: 1 })
    const path = folder.write('x.bin', Buffer.concat(llama2cParts(randomWeights(big), big)))
    const read = DiskFile.prototype.read
    let calls = 0
    const spy = vi.spyOn(DiskFile.prototype, 'read').mockImplementation(function (this: DiskFile, position, length) {
      if (++calls === 12) folder.write('x.bin', Buffer.alloc(100))
      return read.call(this, position, length)
    })
    const { code, message } = await failure(folder, path)
    spy.mockRestore()
    expect([code, message]).toEqual(['MODEL_MALFORMED', expect.stringContaining('was cut while it was read')])
  })
})

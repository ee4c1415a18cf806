/** Imports of broken files (P8): a typed error that says what is wrong, no file, and no memory for what only a count promises. */
import { ProtocolError } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DiskFile } from '../src/import/disk-file.ts'
import type { SourceConfig } from '../src/import/source.ts'
import { openSourceModel } from '../src/index.ts'
import { expectMalformed, Folder, failure, spoiledLengths } from './support/import-folder.ts'
import { ggufMetadata, ggufParts, ggufTensors } from './support/import-gguf.ts'
import { type HfTensor, hfConfigJson, hfTensors, hfTokenizerJson, safetensorsFile } from './support/import-hf.ts'
import { llama2cParts, llama2cTokenizer } from './support/import-llama2c.ts'
import { CONFIG, randomWeights } from './support/import-weights.ts'
import { createRandom } from './support/random.ts'

const weights = randomWeights()
let folder: Folder
beforeEach(() => {
  folder = new Folder()
  folder.write(`tok${CONFIG.vocabSize}.bin`, llama2cTokenizer())
})
afterEach(() => folder.remove())

describe('llama2.c', () => {
  test.each([0, 1])('version %i: a file that ends early or goes on anywhere', async (version) => {
    const spoiled = spoiledLengths(llama2cParts(weights, CONFIG, version))
    expect(spoiled.length).toBeGreaterThan(30)
    for (const bytes of spoiled) await expectMalformed(folder, folder.write('x.bin', bytes), /./)
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
    await expectMalformed(folder, folder.write('x.bin', bytes), reason)
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
      await expectMalformed(folder, folder.at('x.bin'), reason)
    }
    folder.write(name, Buffer.concat([good, good.subarray(good.indexOf('ab') - 8)]))
    await expectMalformed(folder, folder.at('x.bin'), 'the tokenizer has 285 tokens, the model 272')
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
      await expectMalformed(folder, path, /./)
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
    ['a width that looks like no text', config({ hidden_size: { toString: 1 } }), 'hidden_size is {"toString":1}'],
    ['a BOS that looks like no text', config({ bos_token_id: { toString: 1 } }), 'bos_token_id is {"toString":1}'],
    ['a tied head that is a number', config({ tie_word_embeddings: 1 }), 'tie_word_embeddings is 1'],
    ['a type that looks like no text', entry(Q, { dtype: { toString: 1 } }), 'has the type {"toString":1}'],
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
    await expectMalformed(folder, write(change), reason)
  })

  test('rejected: a value that is no number', async () => {
    const tensors = hfTensors(weights)
    tensors[2]!.data.writeFloatLE(Number.NaN, 4 * 37)
    await expectMalformed(folder, write({ tensors }), 'q_proj.weight has NaN in row 1, column 5')
  })

  test('rejected: configurations and indices that are none', async () => {
    const path = write()
    for (const text of ['', '[]', 'null', '{', '{"model_type":']) {
      folder.write('hf/config.json', Buffer.from(text))
      await expectMalformed(folder, path, 'config.json is no JSON')
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
      await expectMalformed(folder, path, reason)
    }
    folder.write('empty/x', Buffer.alloc(0))
    await expectMalformed(folder, folder.at('empty'), 'has neither model.safetensors nor')
  })

  test('a header length that promises more than there is costs no memory', async () => {
    const path = write()
    const reads = vi.spyOn(DiskFile.prototype, 'read')
    for (const length of [2n ** 64n - 1n, 2n ** 53n, BigInt(4 << 20), BigInt((4 << 20) + 1)]) {
      const bytes = Buffer.from(safetensorsFile(hfTensors(weights)))
      bytes.writeBigUInt64LE(length)
      folder.write('hf/model.safetensors', bytes)
      await expectMalformed(folder, path, /header/)
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

test('600 files with random changes before the weights are read or rejected, nothing else', async () => {
  const gguf = Buffer.concat(ggufParts(ggufMetadata(), ggufTensors(weights)))
  const hf = Buffer.from(safetensorsFile(hfTensors(weights)))
  const checkpoint = Buffer.concat(llama2cParts(weights))
  folder.write('hf/config.json', hfConfigJson())
  folder.write('hf/tokenizer.json', hfTokenizerJson())
  const tokenizerName = `tok${CONFIG.vocabSize}.bin`
  folder.write('x.bin', checkpoint)
  folder.write('hf/model.safetensors', hf)
  folder.write('x.gguf', gguf)
  const targets = [
    { path: 'x.gguf', changed: 'x.gguf', bytes: gguf, head: gguf.length - 120_000 },
    { path: 'hf', changed: 'hf/model.safetensors', bytes: hf, head: 8 + Number(hf.readBigUInt64LE()) },
    { path: 'hf', changed: 'hf/config.json', bytes: Buffer.from(JSON.stringify(hfConfigJson())) },
    { path: 'hf', changed: 'hf/tokenizer.json', bytes: Buffer.from(JSON.stringify(hfTokenizerJson())) },
    { path: 'x.bin', changed: 'x.bin', bytes: checkpoint, head: 28 },
    { path: 'x.bin', changed: tokenizerName, bytes: llama2cTokenizer() },
  ]
  let rejected = 0
  for (const { path, changed, bytes, head = bytes.length } of targets) {
    for (let seed = 0; seed < 100; seed++) {
      const random = createRandom(seed)
      const copy = Buffer.from(bytes)
      for (let i = 0; i < 1 + (seed % 3); i++) copy[random.below(Math.max(head, 28))] = random.below(256)
      folder.write(changed, copy)
      try {
        await (await openSourceModel(folder.at(path))).close()
      } catch (error) {
        expect(error, `${changed}, seed ${seed}`).toBeInstanceOf(ProtocolError)
        rejected++
      }
    }
    folder.write(changed, bytes)
  }
  expect(rejected).toBeGreaterThan(250)
})

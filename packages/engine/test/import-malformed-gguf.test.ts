/** Imports of broken GGUF files (P8): a typed error that says what is wrong, no file, no memory for what only a count promises. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DiskFile } from '../src/import/disk-file.ts'
import { expectMalformed, Folder, spoiledLengths } from './support/import-folder.ts'
import { type GgufTensorParts, ggufMetadata, ggufParts, ggufTensors, u64, type Value } from './support/import-gguf.ts'
import { CONFIG, randomWeights } from './support/import-weights.ts'

const weights = randomWeights()
let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

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
      await expectMalformed(folder, folder.write('x.gguf', bytes), /./)
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
    await expectMalformed(folder, write(change), reason)
  })

  test('rejected: blocks that the columns do not fill', async () => {
    const config = { ...CONFIG, dModel: 30, nHeads: 3, nKvHeads: 3, headDim: 10 }
    const tensors = ggufTensors(randomWeights(config), config)
    tensors[2]!.type = 8
    const path = folder.write('x.gguf', Buffer.concat(ggufParts(ggufMetadata(config), tensors)))
    await expectMalformed(folder, path, 'attn_q.weight: 30 columns do not fill blocks of Q8_0')
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
      await expectMalformed(folder, path, /blk\.0\.attn_q\.weight has (NaN|-?Infinity) in row 0, column 0/)
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
      await expectMalformed(folder, folder.write('x.gguf', Buffer.concat(changed)), /./)
    }
    const longest = Math.max(...reads.mock.calls.map(([, length]) => length))
    reads.mockRestore()
    expect(longest).toBeLessThanOrEqual(Buffer.concat(parts).length)
  })
})

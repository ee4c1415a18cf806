/** Tokenizers of other projects (MOD-7): the same pieces give the same tokens; what works otherwise is refused. */
import { bpeTokenizer, encodeBpeDefinition, PIECE_TEXT, type Tokenizer } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ScoredPiece, SPACE_MARK } from '../src/import/pieces.ts'
import { Splits } from '../src/import/splits.ts'
import { openSourceModel } from '../src/index.ts'
import { Folder, failure } from './support/import-folder.ts'
import { ggufMetadata, ggufParts, ggufTensors, type Value } from './support/import-gguf.ts'
import { hfConfigJson, hfTensors, hfTokenizerJson, safetensorsFile } from './support/import-hf.ts'
import { llama2cParts, llama2cTokenizer } from './support/import-llama2c.ts'
import { PIECES, randomWeights } from './support/import-weights.ts'
import { createRandom } from './support/random.ts'

const weights = randomWeights()
let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

/** A GGUF file with other metadata. */
function gguf(values: Record<string, Value>): string {
  const metadata = new Map([...ggufMetadata(), ...Object.entries(values)])
  return folder.write('x.gguf', Buffer.concat(ggufParts(metadata, ggufTensors(weights))))
}

/** A Hugging Face folder with this tokenizer. */
function hf(tokenizer: object): string {
  folder.write('hf/config.json', hfConfigJson())
  folder.write('hf/tokenizer.json', tokenizer)
  folder.write('hf/model.safetensors', safetensorsFile(hfTensors(weights)))
  return folder.at('hf')
}

describe('tokenizers', () => {
  const opened = async (path: string): Promise<Tokenizer> => {
    const source = await openSourceModel(path)
    await source.close()
    return bpeTokenizer(encodeBpeDefinition(source.tokenizer))
  }
  const pieceTexts = (tokenizer: Tokenizer, text: string): string[] =>
    tokenizer.encode(text).map((token) => PIECES[token]!.text)

  test('split as the scores say', async () => {
    const tokenizer = await opened(gguf({}))
    expect(pieceTexts(tokenizer, 'abc')).toEqual([' ', 'abc'])
    expect(pieceTexts(tokenizer, 'ab a<s>')).toEqual([' ab', ' a', '<', '<0x73>', '>'])
    expect(tokenizer.decode(tokenizer.encode('abc \u00e9\u20ac'))).toBe('abc \u00e9\u20ac')
  })

  test('without a space in front, where the file says so', async () => {
    const without = await opened(gguf({ 'tokenizer.ggml.add_space_prefix': ['bool', false] }))
    expect(pieceTexts(without, 'abc')).toEqual(['abc'])
    const json = hfTokenizerJson() as { normalizer: { normalizers: unknown[] } }
    json.normalizer.normalizers.shift()
    expect(pieceTexts(await opened(hf(json)), 'abc')).toEqual(['abc'])
    for (const [scheme, first] of [
      ['first', ' '],
      ['always', ' '],
      ['never', 'abc'],
    ]) {
      const pre_tokenizer = { type: 'Metaspace', replacement: SPACE_MARK, prepend_scheme: scheme, split: false }
      const tokenizer = await opened(hf({ ...hfTokenizerJson(), normalizer: null, pre_tokenizer }))
      expect(pieceTexts(tokenizer, 'abc')[0]).toBe(first)
    }
  })

  test('merges as pairs, too', async () => {
    const json = hfTokenizerJson() as { model: { merges: unknown[] } }
    json.model.merges = json.model.merges.map((merge) => String(merge).split(' '))
    expect(pieceTexts(await opened(hf(json)), 'abc')).toEqual([' ', 'abc'])
  })

  test('pieces whose merges are mixed have one rank, like the runs of spaces of Llama', async () => {
    const texts = [' ', '  ', '   ', '    ']
    const pieces = [
      ...PIECES.slice(0, 259),
      ...texts.map((text, i): ScoredPiece => ({ kind: PIECE_TEXT, text, score: i === 0 ? 0 : -1e9 })),
    ]
    const json = hfTokenizerJson(pieces) as { model: { merges: string[] } }
    // As transformers orders merges of equal scores: by the tokens of their parts.
    json.model.merges = [
      [1, 1],
      [2, 2],
      [2, 1],
      [1, 2],
      [1, 3],
      [3, 1],
    ].map((pair) => pair.map((n) => SPACE_MARK.repeat(n)).join(' '))
    const source = await openSourceModel(hf(json))
    await source.close()
    expect(source.notes).toEqual(['1 more piece of one rank, because their merges are mixed'])
    expect(source.tokenizer.pieces.slice(259).map(({ rank }) => rank)).toEqual([0, 0, 1, 1])
  })

  test('user-defined and added tokens are special, with a note', async () => {
    const types = PIECES.map((_, token) => (token === 271 ? 4 : token < 3 ? 3 : token < 259 ? 6 : 1))
    const ggufSource = await openSourceModel(gguf({ 'tokenizer.ggml.token_type': ['i32', types] }))
    await ggufSource.close()
    const json = hfTokenizerJson() as { added_tokens: object[] }
    json.added_tokens.push({ id: 271, content: '>', special: false })
    const hfSource = await openSourceModel(hf(json))
    await hfSource.close()
    for (const { notes, tokenizer } of [ggufSource, hfSource]) {
      expect(notes).toEqual([expect.stringMatching(/^1 (user-defined|added) tokens are special here/)])
      expect(tokenizer.pieces[271]!.kind).toBe(2)
    }
  })

  type Json = { normalizer: unknown; pre_tokenizer: unknown; model: Record<string, unknown> }
  test.each<[string, (json: Json) => void, string]>([
    ['byte-level BPE', (j) => Object.assign(j.model, { byte_fallback: false }), 'no byte fallback'],
    ['merges left out', (j) => Object.assign(j.model, { dropout: 0.1 }), 'merges left out at random'],
    ['words that ignore merges', (j) => Object.assign(j.model, { ignore_merges: true }), 'words that ignore merges'],
    ['marks inside words', (j) => Object.assign(j.model, { end_of_word_suffix: '</w>' }), 'marks inside words'],
    [
      'a lower-case normaliser',
      (j) => Object.assign(j, { normalizer: { type: 'Lowercase' } }),
      'normaliser or pre-tok',
    ],
    [
      'words split first',
      (j) => Object.assign(j, { normalizer: null, pre_tokenizer: { type: 'ByteLevel' } }),
      'normaliser or pre-tok',
    ],
    [
      'a scheme that objects have',
      (j) => {
        const pre_tokenizer = { type: 'Metaspace', replacement: SPACE_MARK, prepend_scheme: 'toString', split: false }
        Object.assign(j, { normalizer: null, pre_tokenizer })
      },
      'normaliser or pre-tok',
    ],
    ['no normaliser at all', (j) => Object.assign(j, { normalizer: null }), 'normaliser or pre-tok'],
    ['a merge that is missing', (j) => void (j.model.merges as string[]).pop(), 'without the merge'],
  ])('tokenizer.json: %s', async (_, change, reason) => {
    const json = hfTokenizerJson() as unknown as Json
    change(json)
    const error = await failure(folder, hf(json))
    expect([error.code, error.message]).toEqual(['MODEL_UNSUPPORTED', expect.stringContaining(reason)])
  })

  test.each<[string, (json: Json) => void, string]>([
    ['no model', (j) => Reflect.deleteProperty(j, 'model'), 'has no model'],
    ['no merges', (j) => Reflect.deleteProperty(j.model, 'merges'), 'has no merges'],
    ['a merge of three', (j) => Object.assign(j.model, { merges: ['a b c'] }), 'is no pair'],
    ['no vocabulary', (j) => Object.assign(j.model, { vocab: [] }), 'no vocabulary'],
    ['a token that is text', (j) => Object.assign(j.model.vocab as object, { a: '1' }), '"a" has the token 1'],
    ['two pieces of one token', (j) => Object.assign(j.model.vocab as object, { a: 7 }), 'has the token'],
    ['a gap', (j) => Object.assign(j.model.vocab as object, { zz: 999 }), 'no piece is token 272'],
    [
      'a token beyond all limits',
      (j) => Object.assign(j.model.vocab as object, { zz: 2 ** 40 }),
      'has the token 1099511627776',
    ],
    ['added tokens that are none', (j) => Object.assign(j, { added_tokens: [{}] }), 'an added token is none'],
  ])('malformed tokenizer.json: %s', async (_, change, reason) => {
    const json = hfTokenizerJson() as unknown as Json
    change(json)
    const error = await failure(folder, hf(json))
    expect([error.code, error.message]).toEqual(['MODEL_MALFORMED', expect.stringContaining(reason)])
  })
})

describe('vocabularies beyond the bounds of MOD-7', () => {
  /** The same tokenizer in each format. */
  const everywhere = (pieces: readonly ScoredPiece[]): string[] => {
    const metadata = new Map([...ggufMetadata(undefined, pieces)])
    folder.write('tok272.bin', llama2cTokenizer(pieces))
    return [
      folder.write('x.gguf', Buffer.concat(ggufParts(metadata, ggufTensors(weights)))),
      folder.write('x.bin', Buffer.concat(llama2cParts(weights))),
      hf({ ...hfTokenizerJson(PIECES), model: { ...model(pieces) } }),
    ]
  }
  /** Without merges: the text of the long piece has too many to list. */
  const model = (pieces: readonly ScoredPiece[]): object => ({
    ...(hfTokenizerJson(PIECES).model as object),
    vocab: Object.fromEntries(pieces.map(({ text }, id) => [text.replaceAll(' ', SPACE_MARK), id])),
  })
  const withPiece = (text: string): ScoredPiece[] =>
    PIECES.map((piece, token) => (token === 261 ? { ...piece, text } : piece))

  test.each([257, 30_000])('a piece of %i bytes is refused at once', async (length) => {
    for (const path of everywhere(withPiece('ab'.repeat(length).slice(0, length)))) {
      const begin = performance.now()
      const { code, message } = await failure(folder, path)
      expect([path, code, message]).toEqual([
        path,
        'MODEL_UNSUPPORTED',
        expect.stringContaining('token 261 has more than 256 bytes'),
      ])
      expect(performance.now() - begin).toBeLessThan(2000)
    }
  })

  test('bytes count, not characters', async () => {
    const [path] = everywhere(withPiece('\u20ac'.repeat(85)))
    await (await openSourceModel(path!)).close()
    const [longer] = everywhere(withPiece('\u20ac'.repeat(86)))
    expect((await failure(folder, longer!)).message).toContain('token 261 has more than 256 bytes')
  })

  test('more pieces, and more bytes, than a definition has', async () => {
    const extra = (count: number, text: string): ScoredPiece[] => [
      ...PIECES,
      ...Array.from({ length: count }, (_, i) => ({ kind: PIECE_TEXT, text: `${text}${i}`, score: 0 }) as const),
    ]
    for (const [pieces, reason] of [
      [extra(131_072, 'x'), 'a tokenizer of more than 131072 pieces'],
      [extra(36_000, 'x'.repeat(240)), 'bytes, the limit is 8388608'],
    ] as const) {
      folder.write('tok272.bin', llama2cTokenizer(pieces))
      const { code, message } = await failure(folder, folder.write('x.bin', Buffer.concat(llama2cParts(weights))))
      expect([code, message]).toEqual(['MODEL_UNSUPPORTED', expect.stringContaining(reason)])
    }
  })
})

describe('ways to cut a piece in two', () => {
  test('are those that trying each gives', () => {
    let found = 0
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(seed)
      // A character of two units, and its halves, which JSON can have alone.
      const letters = ['a', 'b', '\u{1f600}', '\u{1f601}', ...(seed % 2 === 0 ? [] : ['\ud83d', '\ude00'])]
      const texts = new Set(
        Array.from({ length: 40 }, () => Array.from({ length: random.below(7) }, () => random.pick(letters)).join('')),
      )
      const splits = new Splits(texts)
      for (const text of texts) {
        const characters = [...text]
        const tried = characters
          .slice(1)
          .map((_, i) => [characters.slice(0, i + 1).join(''), characters.slice(i + 1).join('')] as const)
          .filter((cut) => cut.every((part) => texts.has(part)))
          .reverse()
        const cuts: (readonly [string, string])[] = []
        splits.some(text, (left, right) => {
          cuts.push([left, right])
          return false
        })
        expect([seed, text, cuts]).toEqual([seed, text, tried])
        const calls: string[] = []
        expect(splits.some(text, (left) => calls.push(left) > 0)).toBe(tried.length > 0)
        expect(calls.length).toBe(Math.min(tried.length, 1))
        found += tried.length
      }
    }
    expect(found).toBeGreaterThan(1000)
  })
})

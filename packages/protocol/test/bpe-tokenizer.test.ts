// BPE tokenizers (MOD-7): a fast encoder that equals the slow one, total in both directions, and a strict definition.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes, utf8ToBytes } from '../src/bytes.ts'
import { bpeTokenizer } from '../src/model/bpe-tokenizer.ts'
import {
  type BpeDefinition,
  decodeBpeDefinition,
  encodeBpeDefinition,
  PIECE_BYTE,
  PIECE_SPECIAL,
  PIECE_TEXT,
  type Piece,
} from '../src/model/bpe-tokenizer-definition.ts'
import { BYTE_TOKENIZER_HASH } from '../src/model/byte-tokenizer.ts'
import { byteTokenizer } from '../src/model/tokenizer.ts'
import { codeOf } from './trace-fixture.ts'
import { buildTokenizerVectors, smallDefinition } from './vectors/tokenizer.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

const small = smallDefinition(true)
const of = (definition: BpeDefinition) => bpeTokenizer(encodeBpeDefinition(definition))
const tokenizer = of(small)
const tokenOf = (piece: string): number =>
  small.pieces.findIndex(
    ({ kind, bytes }) => kind === PIECE_TEXT && bytesToHex(bytes) === bytesToHex(utf8ToBytes(piece)),
  )

/** The rule as llama2.c has it: again and again the best pair of all, the leftmost among equals. */
function slowly({ pieces, spacePrefix }: BpeDefinition, text: string): number[] {
  const find = (bytes: readonly number[]): number =>
    pieces.findIndex(
      (p) => p.kind === PIECE_TEXT && p.bytes.length === bytes.length && p.bytes.every((b, i) => b === bytes[i]),
    )
  const symbols = [...(spacePrefix && text !== '' ? ` ${text}` : text).toWellFormed()].flatMap((character) => {
    const bytes = [...utf8ToBytes(character)]
    const token = find(bytes)
    if (token >= 0) return [{ token, bytes: bytes as number[] | undefined }]
    return bytes.map((byte) => ({
      token: pieces.findIndex((p) => p.kind === PIECE_BYTE && p.bytes[0] === byte),
      bytes: undefined,
    }))
  })
  for (;;) {
    let best: { at: number; token: number; bytes: number[] } | undefined
    for (let at = 0; at + 1 < symbols.length; at++) {
      const [a, b] = [symbols[at]!.bytes, symbols[at + 1]!.bytes]
      if (a === undefined || b === undefined) continue
      const token = find([...a, ...b])
      if (token < 0 || (best !== undefined && pieces[token]!.rank >= pieces[best.token]!.rank)) continue
      best = { at, token, bytes: [...a, ...b] }
    }
    if (best === undefined) return symbols.map(({ token }) => token)
    symbols.splice(best.at, 2, best)
  }
}

describe('encoding', () => {
  test('merges the lowest rank first, the leftmost among equals, with a space in front', () => {
    // 'bc' has the lowest rank; then ' a' before 'abc'.
    expect(tokenizer.encode('abc')).toEqual([' a', 'bc'].map(tokenOf))
    expect(of(smallDefinition(false)).encode('abc')).toEqual([tokenOf('abc')])
    expect(tokenizer.encode('aaaaa')).toEqual([' a', 'aaaa'].map(tokenOf))
    expect(of(smallDefinition(false)).encode('aaa')).toEqual(['aa', 'a'].map(tokenOf))
    expect(tokenizer.encode('')).toEqual([])
  })

  test('gives the bytes of characters without a piece', () => {
    expect(tokenizer.encode('\u20ac')).toEqual([tokenOf(' '), 3 + 0xe2, 3 + 0x82, 3 + 0xac])
  })

  test('gives no special token, whatever the text says', () => {
    const all = fc.sample(fc.string({ unit: fc.constantFrom('<', 's', '>', '/', 'unk', 'a', '<s>') }), 300)
    for (const text of all) {
      for (const token of tokenizer.encode(text)) expect(small.pieces[token]!.kind).not.toBe(PIECE_SPECIAL)
    }
  })

  const alphabet = fc.constantFrom('a', 'b', 'c', ' ', '\u00e9', '<', 's', '>', 'x', '\u{1f600}', '\ud800')
  test('equals the slow rule on any text and any ranks', () => {
    const texts = fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b', ' '), minLength: 1, maxLength: 5 }), {
      maxLength: 24,
    })
    const definition = fc
      .tuple(texts, fc.array(fc.nat(12), { minLength: 24, maxLength: 24 }), fc.boolean())
      .map(([pieces, ranks, prefix]) =>
        smallDefinition(
          prefix,
          pieces.map((piece, i) => [piece, ranks[i]!] as const),
        ),
      )
    fc.assert(
      fc.property(definition, fc.string({ unit: alphabet, maxLength: 40 }), (any, text) => {
        expect(of(any).encode(text)).toEqual(slowly(any, text))
      }),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 60 }), (text) => {
        expect(tokenizer.encode(text)).toEqual(slowly(small, text))
      }),
      { numRuns: 300 },
    )
  })

  test('a megabyte takes no more than the work of a megabyte', () => {
    const begun = performance.now()
    const tokens = tokenizer.encode('a'.repeat(1 << 20))
    // The space takes one letter with it, so that three remain in the end.
    expect(tokens).toHaveLength(1 + ((1 << 18) - 1) + 2)
    // Quadratic work would be some 10^12 steps.
    expect(performance.now() - begun).toBeLessThan(30_000)
  })
})

describe('decoding', () => {
  test('undoes encoding', () => {
    for (const each of [tokenizer, of(smallDefinition(false)), byteTokenizer]) {
      fc.assert(
        fc.property(fc.string({ unit: 'grapheme' }), (text) => {
          expect(each.decode(each.encode(text))).toBe(text.toWellFormed())
        }),
      )
    }
  })

  test('keeps the space of tokens that follow others', () => {
    const tokens = tokenizer.encode('a a')
    expect(tokenizer.decode(tokens.slice(0, 1)) + tokenizer.decode(tokens.slice(1), true)).toBe('a a')
  })

  test('never throws: invalid UTF-8, specials, and what is no token', () => {
    expect(tokenizer.decode([1, 3 + 0xff, 3 + 0x41, 2, -1, 1e9, Number.NaN, 0.5])).toBe('\ufffdA')
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer(), fc.double(), fc.nat(300))), (tokens) => {
        expect(typeof tokenizer.decode(tokens)).toBe('string')
      }),
    )
  })
})

describe('definitions', () => {
  test('are what their bytes decode to, and have a hash of their own', () => {
    const encoded = encodeBpeDefinition(small)
    expect(decodeBpeDefinition(encoded)).toEqual(small)
    const hashes = [encoded, encodeBpeDefinition(smallDefinition(false))].map((bytes) => bpeTokenizer(bytes).hash)
    expect(new Set([...hashes, BYTE_TOKENIZER_HASH].map(bytesToHex)).size).toBe(3)
    expect([byteTokenizer.hash, byteTokenizer.vocabSize]).toEqual([BYTE_TOKENIZER_HASH, 260])
  })

  const withPiece = (token: number, change: Partial<Piece>): BpeDefinition => ({
    ...small,
    pieces: small.pieces.map((piece, i) => (i === token ? { ...piece, ...change } : piece)),
  })
  const wrong: Record<string, BpeDefinition> = {
    'no pieces': { ...small, pieces: [] },
    'a byte without a token': { ...small, pieces: small.pieces.filter((_, i) => i !== 3 + 0x80) },
    'a byte with two tokens': withPiece(0, { kind: PIECE_BYTE, bytes: Uint8Array.of(7) }),
    'a byte piece of two bytes': withPiece(3, { bytes: Uint8Array.of(0, 1) }),
    'a kind that is none': withPiece(0, { kind: 3 as Piece['kind'] }),
    'a text piece without text': withPiece(260, { bytes: new Uint8Array(0) }),
    'a text piece that is too long': withPiece(260, { bytes: new Uint8Array(257) }),
    'a rank beyond the pieces': withPiece(260, { rank: small.pieces.length }),
    'a special piece with a rank': withPiece(0, { rank: 1 }),
    'a rank that is no integer': withPiece(260, { rank: 0.5 }),
    'a negative rank': withPiece(260, { rank: -1 }),
  }
  test.each(Object.keys(wrong))('rejected: %s', (name) => {
    expect(codeOf(() => encodeBpeDefinition(wrong[name]!))).toBe('MODEL_MALFORMED')
  })

  test('rejected: bytes that end early, go on, or are others', () => {
    const encoded = encodeBpeDefinition(small)
    for (let length = 0; length < encoded.length; length += length < 40 ? 1 : 97)
      expect(codeOf(() => bpeTokenizer(encoded.subarray(0, length)))).toBe('MODEL_MALFORMED')
    expect(codeOf(() => bpeTokenizer(Uint8Array.of(...encoded, 0)))).toBe('MODEL_MALFORMED')
    expect(codeOf(() => bpeTokenizer(new Uint8Array((1 << 23) + 1)))).toBe('MODEL_MALFORMED')
    for (const [at, value] of [
      [0, 0x42],
      [4, 2],
      [8, 0xff],
    ] as const) {
      const changed = encoded.slice()
      changed[at] = value
      expect(codeOf(() => bpeTokenizer(changed))).toBe('MODEL_MALFORMED')
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(() => bpeTokenizer(bytes))).toBe('MODEL_MALFORMED')
      }),
    )
  })
})

describe('vectors/tokenizer.json', () => {
  // biome-ignore lint/suspicious/noExplicitAny: vectors are plain JSON
  const vectors = storedVectors('tokenizer', buildTokenizerVectors) as any
  test('is what its builder produces', () => {
    expect(vectors).toEqual(asJson(buildTokenizerVectors()))
  })

  test('holds by itself', () => {
    for (const { definition, hash, encode, decode } of vectors.tokenizers) {
      const stored = bpeTokenizer(hexToBytes(definition))
      expect(bytesToHex(stored.hash)).toBe(hash)
      for (const { text, tokens } of encode) expect(stored.encode(text)).toEqual(tokens)
      for (const { tokens, text, following } of decode)
        expect([stored.decode(tokens), stored.decode(tokens, true)]).toEqual([text, following])
    }
  })
})

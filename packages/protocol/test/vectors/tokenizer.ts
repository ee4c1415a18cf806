/** Builds `vectors/tokenizer.json`: a small BPE tokenizer and what it makes of texts (MOD-7). */
import { bytesToHex, utf8ToBytes } from '../../src/bytes.ts'
import { bpeTokenizer } from '../../src/model/bpe-tokenizer.ts'
import {
  type BpeDefinition,
  encodeBpeDefinition,
  PIECE_BYTE,
  PIECE_SPECIAL,
  PIECE_TEXT,
  type Piece,
} from '../../src/model/bpe-tokenizer-definition.ts'

const special = (name: string): Piece => ({ kind: PIECE_SPECIAL, rank: 0, bytes: utf8ToBytes(name) })
const text = (piece: string, rank = 0): Piece => ({ kind: PIECE_TEXT, rank, bytes: utf8ToBytes(piece) })

/** Three specials, 256 bytes, then text pieces: [text, rank], rank 0 where nothing merges into them. */
export function smallDefinition(
  spacePrefix: boolean,
  texts: readonly (readonly [string, number])[] = SMALL_PIECES,
): BpeDefinition {
  const bytes = Array.from({ length: 256 }, (_, i): Piece => ({ kind: PIECE_BYTE, rank: 0, bytes: Uint8Array.of(i) }))
  const specials = ['<unk>', '<s>', '</s>'].map(special)
  return { spacePrefix, pieces: [...specials, ...bytes, ...texts.map(([piece, rank]) => text(piece, rank))] }
}

const SMALL_PIECES = [
  [' ', 0],
  ['a', 0],
  ['b', 0],
  ['c', 0],
  ['\u00e9', 0],
  ['ab', 3],
  ['bc', 2],
  ['abc', 5],
  [' a', 4],
  ['aa', 6],
  ['aaaa', 7],
  ['<', 0],
  ['s', 0],
  ['>', 0],
  ['<s', 8],
  ['<s>', 9],
] as const

const TEXTS = ['', 'a', 'abc', 'aabc', ' abc', 'aaaaaaa', 'caf\u00e9 \u20ac', '<s>ab', 'abcabc ab\n', '\ufeff\u0000z']

export function buildTokenizerVectors(): unknown {
  return {
    about: 'A BPE tokenizer (MOD-7), with and without the space prefix. Hex is bytes in order.',
    tokenizers: [true, false].map((spacePrefix) => {
      const definition = encodeBpeDefinition(smallDefinition(spacePrefix))
      const tokenizer = bpeTokenizer(definition)
      return {
        spacePrefix,
        definition: bytesToHex(definition),
        hash: bytesToHex(tokenizer.hash),
        encode: TEXTS.map((each) => ({ text: each, tokens: tokenizer.encode(each) })),
        decode: [
          [1, 259, 260, 2],
          [259, 260],
          [260, 259],
          [0, 3 + 0xff, 3 + 0x41],
          [9999, 260],
        ].map((tokens) => ({ tokens, text: tokenizer.decode(tokens), following: tokenizer.decode(tokens, true) })),
      }
    }),
  }
}

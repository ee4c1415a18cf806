import {
  BYTE_TOKENIZER_HASH,
  BYTE_VOCAB_SIZE,
  decodeTokens as decodeByteTokens,
  encodeText as encodeByteText,
} from './byte-tokenizer.ts'

/** Text to tokens and back (MOD-7). Neither direction ever throws; time and memory are about linear in the input. */
export interface Tokenizer {
  readonly kind: 'byte' | 'bpe'
  /** The `tokenizerHash` of a manifest. */
  readonly hash: Uint8Array
  /** Tokens lie below it; a model's vocabulary is at least as large. */
  readonly vocabSize: number
  /** The tokens of a text, without BOS or EOS. */
  encode(text: string): number[]
  /**
   * The text of tokens; invalid UTF-8 becomes U+FFFD, specials and tokens outside the vocabulary vanish.
   * @param follows the tokens go on where others ended, so that no space before them is one that `encode` put there.
   */
  decode(tokens: Iterable<number>, follows?: boolean): string
}

export const byteTokenizer: Tokenizer = {
  kind: 'byte',
  hash: BYTE_TOKENIZER_HASH,
  vocabSize: BYTE_VOCAB_SIZE,
  encode: encodeByteText,
  decode: (tokens) => decodeByteTokens(tokens),
}

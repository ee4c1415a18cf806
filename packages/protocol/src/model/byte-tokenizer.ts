/** The byte tokenizer (MOD-7): one token per byte and a few specials. */
import { utf8ToBytes } from '../bytes.ts'
import { taggedHash } from '../hash.ts'

export const BYTE_BOS = 256
export const BYTE_EOS = 257
/** 256 bytes, BOS, EOS, and two reserved tokens that nothing produces. */
export const BYTE_VOCAB_SIZE = 260

/** The definition whose hash a manifest carries. */
export const BYTE_TOKENIZER_DEFINITION = 'byte: tokens 0..255 are bytes, 256 is BOS, 257 is EOS, 258..259 are reserved'

/** `tokenizerHash` of models with byte tokens. */
export const BYTE_TOKENIZER_HASH: Uint8Array = taggedHash('tokenizer', utf8ToBytes(BYTE_TOKENIZER_DEFINITION))

/** Part of the host's UTF-8 decoder that every runtime has; the compiler's library has none without a host. */
declare const TextDecoder: {
  new (label: 'utf-8', options: { ignoreBOM: boolean }): { decode(bytes: Uint8Array): string }
}

/** The UTF-8 bytes of `text` as tokens, without BOS or EOS. */
export function encodeText(text: string): number[] {
  return Array.from(utf8ToBytes(text))
}

/** The text of the byte tokens; invalid UTF-8 becomes U+FFFD, specials and tokens outside the vocabulary vanish. */
export function decodeTokens(tokens: Iterable<number>): string {
  const bytes: number[] = []
  for (const token of tokens) if (token >= 0 && token < 256) bytes.push(token)
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))
}

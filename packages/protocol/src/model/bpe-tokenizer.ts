/** The BPE tokenizer (MOD-7), as llama2.c and SentencePiece have it: merges by rank, bytes for characters without a piece. */
import { utf8ToBytes } from '../bytes.ts'
import {
  bpeTokenizerHash,
  decodeBpeDefinition,
  PIECE_BYTE,
  PIECE_SPECIAL,
  PIECE_TEXT,
  type Piece,
} from './bpe-tokenizer-definition.ts'
import { MergeQueue } from './bpe-tokenizer-queue.ts'
import type { Tokenizer } from './tokenizer.ts'

const SPACE = 0x20
const NONE = -1

/** Part of the host's UTF-8 decoder that every runtime has; the compiler's library has none without a host. */
declare const TextDecoder: {
  new (label: 'utf-8', options: { ignoreBOM: boolean }): { decode(bytes: Uint8Array): string }
}

/** The tokenizer of an encoded definition. Throws MODEL_MALFORMED and nothing else. */
export function bpeTokenizer(encoded: Uint8Array): Tokenizer {
  const { pieces, spacePrefix } = decodeBpeDefinition(encoded)
  let lookup: Lookup | undefined
  return {
    kind: 'bpe',
    hash: bpeTokenizerHash(encoded),
    vocabSize: pieces.length,
    encode: (text) => {
      lookup ??= lookupOf(pieces)
      return encode(pieces, lookup, spacePrefix && text !== '' ? ` ${text}` : text)
    },
    decode: (tokens, follows = false) => decode(pieces, tokens, spacePrefix && !follows),
  }
}

interface Lookup {
  /** Tokens of text pieces by their bytes, one character a byte; the first of equal pieces. */
  readonly text: ReadonlyMap<string, number>
  /** Tokens of byte pieces by their byte. */
  readonly byte: readonly number[]
  readonly longest: number
}

function lookupOf(pieces: readonly Piece[]): Lookup {
  const text = new Map<string, number>()
  const byte: number[] = []
  let longest = 0
  pieces.forEach(({ kind, bytes }, token) => {
    if (kind === PIECE_BYTE) byte[bytes[0]!] = token
    if (kind !== PIECE_TEXT) return
    const key = binary(bytes)
    if (!text.has(key)) text.set(key, token)
    longest = Math.max(longest, bytes.length)
  })
  return { text, byte, longest }
}

/** Bytes as a string of as many characters. */
function binary(bytes: Uint8Array): string {
  let out = ''
  for (let i = 0; i < bytes.length; i += 4096) out += String.fromCharCode(...bytes.subarray(i, i + 4096))
  return out
}

/** Bytes of the UTF-8 character that begins with `first`; the text is well-formed. */
const characterLength = (first: number): number => (first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4)

/**
 * Symbols lie side by side in the text, so two neighbours joined are a stretch of it. A queue holds the neighbours that can be
 * merged; one whose symbols have changed since is recognised by where they end.
 */
function encode(pieces: readonly Piece[], { text: pieceAt, byte, longest }: Lookup, text: string): number[] {
  const raw = binary(utf8ToBytes(text))
  // By the offset of a symbol: where it ends, where the one before it starts, and its token. A merged symbol ends at 0.
  const end = new Int32Array(raw.length + 1)
  const before = new Int32Array(raw.length + 1)
  const token = new Int32Array(raw.length)
  const queue = new MergeQueue()

  const offer = (left: number): void => {
    const right = end[left]!
    if (right >= raw.length || end[right]! - left > longest) return
    if (token[left] === NONE || token[right] === NONE) return
    const merged = pieceAt.get(raw.slice(left, end[right]))
    if (merged !== undefined) queue.push(pieces[merged]!.rank, left, end[right]!, merged)
  }

  for (let at = 0, previous = NONE; at < raw.length; previous = at, at = end[at]!) {
    end[at] = at + characterLength(raw.charCodeAt(at))
    before[at] = previous
    token[at] = pieceAt.get(raw.slice(at, end[at])) ?? NONE
  }
  for (let at = 0; at < raw.length; at = end[at]!) offer(at)

  for (let merge = queue.pop(); merge !== undefined; merge = queue.pop()) {
    const { left, end: stop } = merge
    const right = end[left]!
    if (right === 0 || right >= raw.length || end[right] !== stop) continue
    end[right] = 0
    end[left] = stop
    before[stop] = left
    token[left] = merge.token
    offer(left)
    if (before[left] !== NONE) offer(before[left]!)
  }

  const out: number[] = []
  for (let at = 0; at < raw.length; at = end[at]!) {
    if (token[at] !== NONE) out.push(token[at]!)
    else for (let i = at; i < end[at]!; i++) out.push(byte[raw.charCodeAt(i)]!)
  }
  return out
}

/** @param dropSpace whether the first byte, if it is a space, is one that encoding put there. */
function decode(pieces: readonly Piece[], tokens: Iterable<number>, dropSpace: boolean): string {
  const bytes: number[] = []
  for (const token of tokens) {
    const piece = pieces[token]
    if (piece === undefined || piece.kind === PIECE_SPECIAL) continue
    for (const byte of piece.bytes) bytes.push(byte)
  }
  const start = dropSpace && bytes[0] === SPACE ? 1 : 0
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes.slice(start)))
}

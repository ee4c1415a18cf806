/** From the vocabularies of other projects to the definition of a Nacre tokenizer (MOD-7). */
import {
  type BpeDefinition,
  checkBpeDefinition,
  MAX_MODEL_DIMENSION,
  MAX_PIECE_BYTES,
  MAX_TOKENIZER_BYTES,
  PIECE_BYTE,
  PIECE_SPECIAL,
  PIECE_TEXT,
  type Piece,
  type PieceKind,
} from '@nacre/protocol'
import { malformed } from '../files/safetensors.ts'
import type { Findings } from './findings.ts'
import { Splits } from './splits.ts'

/** How SentencePiece writes a space. */
export const SPACE_MARK = '\u2581'

export interface ScoredPiece {
  readonly kind: PieceKind
  /** With plain spaces. A byte piece is `<0x41>`. */
  readonly text: string
  /** Of text pieces: the highest is merged first. */
  readonly score: number
}

const BYTE_PIECE = /^<0x([0-9A-Fa-f]{2})>$/

/** The byte of `<0x41>`, undefined for any other piece. */
export function byteOfPiece(text: string): number | undefined {
  const hex = BYTE_PIECE.exec(text)?.[1]
  return hex === undefined ? undefined : Number.parseInt(hex, 16)
}

/**
 * The definition of a vocabulary, or undefined with the reason among the findings. Scores become ranks, and only those of pieces
 * that can come from a merge count, so that one vocabulary has one definition whatever file it comes from.
 * Throws MODEL_MALFORMED for a score that is none.
 */
export function definitionOf(
  scored: readonly ScoredPiece[],
  spacePrefix: boolean,
  findings: Findings,
): BpeDefinition | undefined {
  if (!fits(scored, findings)) return undefined
  const encoder = new TextEncoder()
  const rankOf = ranks(scored)
  const pieces = scored.map(({ kind, text }, token): Piece => {
    const byte = kind === PIECE_BYTE ? byteOfPiece(text) : undefined
    if (kind === PIECE_BYTE && byte === undefined) malformed(`token ${token}, "${text}", is no byte`)
    const bytes = byte === undefined ? encoder.encode(text) : Uint8Array.of(byte)
    return { kind, rank: rankOf(token), bytes }
  })
  if (!pieces.some(({ kind }) => kind === PIECE_BYTE)) {
    findings.unsupported('a tokenizer without byte tokens')
    return undefined
  }
  checkBpeDefinition({ pieces })
  return { spacePrefix, pieces }
}

/** First bytes, prefix and count of an encoded definition; kind, rank and length of a piece (MOD-7). */
const DEFINITION_BYTES = 9
const PIECE_OVERHEAD = 9

/**
 * Whether a vocabulary is within the bounds of MOD-7; a finding if not. Readers ask before all work that grows faster than the
 * file, and before texts are compared with one another.
 */
export function fits(scored: readonly ScoredPiece[], findings: Findings): boolean {
  const refuse = (reason: string): boolean => {
    findings.unsupported(reason)
    return false
  }
  if (scored.length > MAX_MODEL_DIMENSION) return refuse(`a tokenizer of more than ${MAX_MODEL_DIMENSION} pieces`)
  const room = new Uint8Array(MAX_PIECE_BYTES)
  const encoder = new TextEncoder()
  let total = DEFINITION_BYTES
  for (const [token, { kind, text }] of scored.entries()) {
    // What does not fit is not read to its end.
    const { read, written } = encoder.encodeInto(text, room)
    if (read < text.length) return refuse(`token ${token} has more than ${MAX_PIECE_BYTES} bytes`)
    total += PIECE_OVERHEAD + (kind === PIECE_BYTE ? 1 : written)
  }
  if (total > MAX_TOKENIZER_BYTES) return refuse(`a tokenizer of ${total} bytes, the limit is ${MAX_TOKENIZER_BYTES}`)
  return true
}

/** Ranks by token: equal scores have equal ranks, the highest has 0; 0 also where nothing merges into the piece. */
function ranks(scored: readonly ScoredPiece[]): (token: number) => number {
  const texts = new Set(scored.filter(({ kind }) => kind === PIECE_TEXT).map(({ text }) => text))
  const splits = new Splits(texts)
  const mergeable = new Map<number, number>()
  scored.forEach(({ kind, text, score }, token) => {
    if (Number.isNaN(score)) malformed(`token ${token} has no score`)
    if (kind !== PIECE_TEXT) return
    if (splits.some(text, () => true)) mergeable.set(token, score)
  })
  const scores = [...new Set(mergeable.values())].sort((a, b) => b - a)
  const rankOfScore = new Map(scores.map((score, rank) => [score, rank]))
  return (token) => {
    const score = mergeable.get(token)
    return score === undefined ? 0 : rankOfScore.get(score)!
  }
}

/** Text pieces and the like from SentencePiece's own types, which GGUF keeps. */
export const SENTENCEPIECE_KINDS: Readonly<Record<number, PieceKind>> = {
  1: PIECE_TEXT,
  2: PIECE_SPECIAL, // unknown
  3: PIECE_SPECIAL, // control
  4: PIECE_SPECIAL, // user-defined
  5: PIECE_SPECIAL, // unused
  6: PIECE_BYTE,
}

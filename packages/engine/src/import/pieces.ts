/** From the vocabularies of other projects to the definition of a Nacre tokenizer (MOD-7). */
import {
  type BpeDefinition,
  checkBpeDefinition,
  MAX_MODEL_DIMENSION,
  MAX_PIECE_BYTES,
  PIECE_BYTE,
  PIECE_SPECIAL,
  PIECE_TEXT,
  type Piece,
  type PieceKind,
} from '@nacre/protocol'
import { malformed } from '../files/safetensors.ts'
import type { Findings } from './findings.ts'

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
  if (scored.length > MAX_MODEL_DIMENSION) {
    findings.unsupported(`a tokenizer of ${scored.length} pieces, the limit is ${MAX_MODEL_DIMENSION}`)
    return undefined
  }
  const encoder = new TextEncoder()
  const rankOf = ranks(scored)
  const pieces = scored.map(({ kind, text }, token): Piece => {
    const byte = kind === PIECE_BYTE ? byteOfPiece(text) : undefined
    if (kind === PIECE_BYTE && byte === undefined) malformed(`token ${token}, "${text}", is no byte`)
    const bytes = byte === undefined ? encoder.encode(text) : Uint8Array.of(byte)
    return { kind, rank: rankOf(token), bytes }
  })
  const long = pieces.findIndex(({ bytes }) => bytes.length > MAX_PIECE_BYTES)
  if (long >= 0)
    findings.unsupported(`token ${long} has ${pieces[long]!.bytes.length} bytes, more than ${MAX_PIECE_BYTES}`)
  const bytePieces = pieces.reduce((count, { kind }) => count + (kind === PIECE_BYTE ? 1 : 0), 0)
  if (bytePieces === 0) findings.unsupported('a tokenizer without byte tokens')
  if (long >= 0 || bytePieces === 0) return undefined
  checkBpeDefinition({ pieces })
  return { spacePrefix, pieces }
}

/** Calls `each` with both parts of every way to cut a piece in two between characters. */
export function forEachSplit(text: string, each: (left: string, right: string) => void): void {
  const characters = [...text]
  for (let i = 1; i < characters.length; i++) each(characters.slice(0, i).join(''), characters.slice(i).join(''))
}

/** Ranks by token: equal scores have equal ranks, the highest has 0; 0 also where nothing merges into the piece. */
function ranks(scored: readonly ScoredPiece[]): (token: number) => number {
  const texts = new Set(scored.filter(({ kind }) => kind === PIECE_TEXT).map(({ text }) => text))
  const mergeable = new Map<number, number>()
  scored.forEach(({ kind, text, score }, token) => {
    if (Number.isNaN(score)) malformed(`token ${token} has no score`)
    if (kind !== PIECE_TEXT) return
    let splits = false
    forEachSplit(text, (left, right) => {
      splits ||= texts.has(left) && texts.has(right)
    })
    if (splits) mergeable.set(token, score)
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

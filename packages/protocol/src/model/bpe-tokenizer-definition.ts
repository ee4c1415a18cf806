/** What a BPE tokenizer is (MOD-7): its pieces, as bytes whose hash a manifest carries. */
import * as P from 'micro-packed'
import { utf8ToBytes } from '../bytes.ts'
import { boundedBytes, boundedList, type Codec, defineCodec, u8, u32 } from '../codec.ts'
import { check, ProtocolError } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import { MAX_MODEL_DIMENSION, MAX_PIECE_BYTES, MAX_TOKENIZER_BYTES } from '../limits.ts'

/** Stands for its bytes; text is made of these. */
export const PIECE_TEXT = 0
/** Stands for its one byte, where no text piece does. */
export const PIECE_BYTE = 1
/** Begins or ends a sequence and the like: text never gives it, and it gives no text. */
export const PIECE_SPECIAL = 2
export type PieceKind = typeof PIECE_TEXT | typeof PIECE_BYTE | typeof PIECE_SPECIAL

export interface Piece {
  readonly kind: PieceKind
  /** Pieces of lower rank are merged first. 0 for pieces that are no text. */
  readonly rank: number
  /** 1 to 256 bytes; a special piece, whose bytes are only its name, may have none. */
  readonly bytes: Uint8Array
}

export interface BpeDefinition {
  /** Whether a space is put in front of every text that is not empty. */
  readonly spacePrefix: boolean
  /** Piece t is token t. */
  readonly pieces: readonly Piece[]
}

/** First bytes of an encoded definition; that of the byte tokenizer begins otherwise. */
const MAGIC = utf8ToBytes('bpe1')

interface Stored {
  readonly spacePrefix: number
  readonly pieces: readonly Piece[]
}

const codec: Codec<Stored> = defineCodec(
  'tokenizer',
  P.struct({
    magic: P.magicBytes(MAGIC),
    spacePrefix: u8,
    pieces: boundedList(
      MAX_MODEL_DIMENSION,
      P.struct({ kind: u8, rank: u32, bytes: boundedBytes(MAX_PIECE_BYTES) }) as unknown as P.CoderType<Piece>,
    ),
  }) as unknown as P.CoderType<Stored>,
  MAX_TOKENIZER_BYTES,
)

/**
 * The bounds of MOD-7. Together they make encoding total: every byte has a token. Throws MODEL_MALFORMED.
 */
export function checkBpeDefinition({ pieces }: Pick<BpeDefinition, 'pieces'>): void {
  const need = (holds: boolean, why: string): void => check(holds, 'MODEL_MALFORMED', why)
  const byteTokens = new Uint8Array(256)
  pieces.forEach(({ kind, rank, bytes }, token) => {
    if (kind !== PIECE_TEXT && kind !== PIECE_BYTE && kind !== PIECE_SPECIAL)
      need(false, `token ${token} is of kind ${String(kind)}`)
    if (bytes.length < 1 && kind !== PIECE_SPECIAL) need(false, `token ${token} has no bytes`)
    if (rank >= pieces.length || (kind !== PIECE_TEXT && rank !== 0)) need(false, `token ${token} has the rank ${rank}`)
    if (kind !== PIECE_BYTE) return
    if (bytes.length !== 1) need(false, `token ${token} stands for ${bytes.length} bytes, not for one`)
    if (byteTokens[bytes[0]!]!++ > 0) need(false, `the byte ${bytes[0]} has two tokens`)
  })
  const missing = byteTokens.indexOf(0)
  need(missing < 0, `the byte ${missing} has no token`)
}

/** Canonical bytes (MOD-7). Throws MODEL_MALFORMED. */
export function encodeBpeDefinition(definition: BpeDefinition): Uint8Array {
  checkBpeDefinition(definition)
  return asModelError(() => codec.encode({ spacePrefix: definition.spacePrefix ? 1 : 0, pieces: definition.pieces }))
}

/** Inverse of {@link encodeBpeDefinition}. Throws MODEL_MALFORMED and nothing else. */
export function decodeBpeDefinition(encoded: Uint8Array): BpeDefinition {
  const { spacePrefix, pieces } = asModelError(() => codec.decode(encoded))
  check(spacePrefix <= 1, 'MODEL_MALFORMED', `the space prefix ${spacePrefix} is neither 0 nor 1`)
  checkBpeDefinition({ pieces })
  return { spacePrefix: spacePrefix === 1, pieces }
}

/** The `tokenizerHash` of a manifest. */
export function bpeTokenizerHash(encoded: Uint8Array): Uint8Array {
  return taggedHash('tokenizer', encoded)
}

function asModelError<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new ProtocolError('MODEL_MALFORMED', `the tokenizer: ${cause.message}`, { cause })
  }
}

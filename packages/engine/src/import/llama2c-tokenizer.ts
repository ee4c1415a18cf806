/**
 * Tokenizers of llama2.c: the longest piece, then score, length and bytes of each piece. Ids are those of a SentencePiece
 * model that begins with unknown, BOS, EOS and the 256 bytes. Source: `tokenizer.py` and `run.c` of karpathy/llama2.c.
 */
import { type BpeDefinition, MAX_MODEL_DIMENSION, PIECE_BYTE, PIECE_SPECIAL, PIECE_TEXT } from '@nacre/protocol'
import { readBounded } from '../files/regular-file.ts'
import { malformed } from '../files/safetensors.ts'
import type { Findings } from './findings.ts'
import { byteOfPiece, definitionOf, type ScoredPiece } from './pieces.ts'

const MAX_FILE_BYTES = 1 << 25
const SPECIALS = 3

/** Throws MODEL_MALFORMED or the error of the disk; undefined with the reason among the findings. */
export async function readLlama2cTokenizer(path: string, findings: Findings): Promise<BpeDefinition | undefined> {
  return definitionOf(parseLlama2cTokenizer(await readBounded(path, MAX_FILE_BYTES), path), true, findings)
}

/**
 * The pieces, or the first of them if there are more than any tokenizer may have.
 * @param what the file's name for messages. Throws MODEL_MALFORMED.
 */
export function parseLlama2cTokenizer(bytes: Uint8Array, what: string): ScoredPiece[] {
  if (bytes.length < 4) malformed(`${what} is no tokenizer of llama2.c`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const longest = view.getUint32(0, true)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const pieces: ScoredPiece[] = []
  for (let at = 4; at < bytes.length && pieces.length <= MAX_MODEL_DIMENSION; ) {
    const token = pieces.length
    if (at + 8 > bytes.length) malformed(`${what} ends inside token ${token}`)
    const score = view.getFloat32(at, true)
    const length = view.getUint32(at + 4, true)
    at += 8
    if (length > longest) malformed(`${what}: token ${token} has ${length} bytes, the longest is to have ${longest}`)
    if (at + length > bytes.length) malformed(`${what} ends inside token ${token}`)
    let text: string
    try {
      text = decoder.decode(bytes.subarray(at, at + length))
    } catch {
      malformed(`${what}: token ${token} is no UTF-8`)
    }
    at += length
    const isSpecial = token < SPECIALS || length === 0
    const kind = isSpecial ? PIECE_SPECIAL : byteOfPiece(text) === undefined ? PIECE_TEXT : PIECE_BYTE
    // `tokenizer.py` puts line breaks around BOS and EOS, for display; everywhere else they are `<s>` and `</s>`.
    pieces.push({ kind, text: isSpecial ? text.trim() : text, score })
  }
  return pieces
}

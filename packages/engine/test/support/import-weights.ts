/** One small Llama model with weights that every format holds exactly: int8 values times 2^-6. */
import { PIECE_BYTE, PIECE_SPECIAL, PIECE_TEXT, type PieceKind } from '@nacre/protocol'
import type { ScoredPiece } from '../../src/import/pieces.ts'
import { type SourceConfig, sourceParts } from '../../src/import/source.ts'
import { createRandom } from './random.ts'

/** Widths fill Q8_0's blocks of 32. BOS ends a text, as in llama2.c. */
export const CONFIG: SourceConfig = {
  ...{ dModel: 32, nLayers: 2, nHeads: 4, nKvHeads: 2, headDim: 8, ffnDim: 64, vocabSize: 272, maxSeqLen: 16 },
  ...{ tiedHead: true, normEps: Math.fround(1e-5), ropeTheta: 10_000, bosToken: 1, eosToken: 1 },
}

/** Values by part, in Nacre's row order. */
export type Weights = ReadonlyMap<string, Float32Array>

export function randomWeights(config: SourceConfig = CONFIG, seed = 1): Map<string, Float32Array> {
  const random = createRandom(seed)
  return new Map(
    sourceParts(config).map(({ part, rows, columns }) => [
      part,
      Float32Array.from({ length: rows * columns }, () =>
        part.endsWith('Norm') ? 0.75 + random.below(32) / 64 : (random.below(255) - 127) / 64,
      ),
    ]),
  )
}

/** A few text pieces behind the specials and the bytes; "abc" can come from two merges. */
const TEXTS = ['ab', 'bc', 'abc', ' a', 'aa', ' ab', ' ', 'a', 'b', 'c', '\u00e9', '<', '>'] as const

const piece = (kind: PieceKind, text: string, score = 0): ScoredPiece => ({ kind, text, score })

/** As SentencePiece has it: pieces that merges make come first, with falling scores. */
export const PIECES: readonly ScoredPiece[] = [
  ...['<unk>', '<s>', '</s>'].map((text) => piece(PIECE_SPECIAL, text)),
  ...Array.from({ length: 256 }, (_, byte) => piece(PIECE_BYTE, byteName(byte))),
  ...TEXTS.map((text, i) => piece(PIECE_TEXT, text, -i)),
]

function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

/** Rows of q and k with rotary pairs (j, j + headDim / 2): what a Hugging Face file holds for Nacre's interleaved rows. */
export function toHalves(values: Float32Array, columns: number, headDim: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let row = 0; row < values.length / columns; row++) {
    const j = row % headDim
    const source = row - j + (j < headDim / 2 ? 2 * j : 2 * (j - headDim / 2) + 1)
    out.set(values.subarray(source * columns, (source + 1) * columns), row * columns)
  }
  return out
}

/** The bits of a binary16 of a value that it holds exactly. */
function half(value: number): number {
  if (value === 0) return 0
  const sign = value < 0 ? 0x8000 : 0
  const exponent = Math.floor(Math.log2(Math.abs(value)))
  const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024
  if (fraction % 1 !== 0 || exponent < -14 || exponent > 15) throw new RangeError(`${value} is no binary16`)
  return sign | ((exponent + 15) << 10) | fraction
}

const scratch = new DataView(new ArrayBuffer(4))

/** Encodes values that the type holds exactly. */
export function encodeValues(type: string, values: Float32Array): Buffer {
  switch (type) {
    case 'F32':
      return Buffer.from(Float32Array.from(values).buffer)
    case 'F16':
      return Buffer.from(Uint16Array.from(values, half).buffer)
    case 'BF16':
      return Buffer.from(
        Uint16Array.from(values, (value) => {
          scratch.setFloat32(0, value)
          if (scratch.getUint16(2) !== 0) throw new RangeError(`${value} is no bfloat16`)
          return scratch.getUint16(0)
        }).buffer,
      )
    case 'Q8_0': {
      const blocks: Buffer[] = []
      for (let at = 0; at < values.length; at += 32) {
        const block = Buffer.alloc(34)
        block.writeUInt16LE(half(2 ** -6))
        values.subarray(at, at + 32).forEach((value, i) => void block.writeInt8(value * 64, 2 + i))
        blocks.push(block)
      }
      return Buffer.concat(blocks)
    }
    default:
      throw new RangeError(type)
  }
}

/** Writes checkpoints and tokenizers as llama2.c's `export.py` and `tokenizer.py` do. */
import type { ScoredPiece } from '../../src/import/pieces.ts'
import type { SourceConfig } from '../../src/import/source.ts'
import { CONFIG, PIECES, type Weights } from './import-weights.ts'

const int32 = (...values: number[]): Buffer => Buffer.from(Int32Array.from(values).buffer)
const f32 = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength)

const LAYER_PARTS = ['attnNorm', 'q', 'k', 'v', 'o', 'ffnNorm', 'gate', 'down', 'up']

/** The parts of the file: header, then one for each tensor or gap, so that tests know every boundary. */
export function llama2cParts(weights: Weights, config: SourceConfig = CONFIG, version = 0): Buffer[] {
  const { dModel, ffnDim, nLayers, nHeads, nKvHeads, vocabSize, maxSeqLen, tiedHead, headDim } = config
  const counts = [dModel, ffnDim, nLayers, nHeads, nKvHeads]
  const each = (name: string): Buffer[] =>
    Array.from({ length: nLayers }, (_, l) => f32(weights.get(`layers.${l}.${name}`)!))
  const head = tiedHead ? [] : [f32(weights.get('head')!)]
  if (version === 0) {
    const tables = Buffer.alloc(2 * 4 * maxSeqLen * (headDim / 2), 0xff)
    return [
      int32(...counts, tiedHead ? vocabSize : -vocabSize, maxSeqLen),
      f32(weights.get('embed')!),
      ...LAYER_PARTS.flatMap(each),
      f32(weights.get('finalNorm')!),
      tables,
      ...head,
    ]
  }
  const header = Buffer.alloc(256)
  int32(0x616b3432, version, ...counts, vocabSize, maxSeqLen).copy(header)
  header[36] = tiedHead ? 1 : 0
  return [
    header,
    ...['attnNorm', 'ffnNorm'].flatMap(each),
    f32(weights.get('finalNorm')!),
    f32(weights.get('embed')!),
    ...['q', 'k', 'v', 'o', 'gate', 'down', 'up'].flatMap(each),
    ...head,
  ]
}

export function llama2cTokenizer(pieces: readonly ScoredPiece[] = PIECES): Buffer {
  const texts = pieces.map(({ text }) => Buffer.from(text === '<s>' || text === '</s>' ? `\n${text}\n` : text))
  const longest = texts.reduce((most, text) => Math.max(most, text.length), 0)
  return Buffer.concat([
    int32(longest),
    ...texts.flatMap((text, i) => [f32(Float32Array.of(pieces[i]!.score)), int32(text.length), text]),
  ])
}

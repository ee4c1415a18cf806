/** What the model commands print about a model. */
import { type ModelDims, PIECE_SPECIAL, type Piece, tensorShapes } from '@nacre/protocol'

export const thousands = (n: number): string => n.toLocaleString('en-US')

/** `label      text` lines; a list goes on in the second column. */
export function reportLines(rows: readonly (readonly [string, string | readonly string[]])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + 2
  return rows
    .flatMap(([label, text]) =>
      (typeof text === 'string' ? [text] : text).map((line, i) => `${(i === 0 ? label : '').padEnd(width)}${line}\n`),
    )
    .join('')
}

export function dimensionsText(config: ModelDims & { readonly tiedHead: boolean }): string {
  const { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize, maxSeqLen, tiedHead } = config
  return [
    `width ${dModel}`,
    `${nLayers} layers`,
    `${nHeads} heads of ${headDim} in ${nKvHeads} groups`,
    `feed-forward ${ffnDim}`,
    `${thousands(vocabSize)} tokens`,
    `${thousands(maxSeqLen)} positions`,
    tiedHead ? 'head tied to the embedding' : 'head of its own',
  ].join(', ')
}

/** Trained numbers: weights and norm gains, without scales and rotary tables. */
export function parameterCount(config: Parameters<typeof tensorShapes>[0]): number {
  return tensorShapes(config)
    .filter(({ name }) => !name.endsWith('.scale') && !name.startsWith('rope.'))
    .reduce((sum, { leafCount, leafLength }) => sum + leafCount * leafLength, 0)
}

export function piecesText(pieces: readonly Piece[]): string {
  const specials = pieces.filter(({ kind }) => kind === PIECE_SPECIAL).length
  return `BPE with ${thousands(pieces.length)} pieces, ${specials} of them special`
}

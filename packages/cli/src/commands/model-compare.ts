import {
  createKernels,
  createUnitEngine,
  engineScorer,
  floatScorer,
  loadFloatModel,
  loadModelFile,
  perplexity,
  type SourceModel,
  sampleTexts,
} from '@nacre/engine'
import { type KeyedHash, tensorShapes } from '@nacre/protocol'

/** Above so many weights, comparing takes gigabytes and minutes: only on demand. */
export const MAX_COMPARED_PARAMETERS: number = 1 << 28

export interface Comparison {
  readonly tokens: number
  /** Where the text is from, for people. */
  readonly text: string
  readonly floatPerplexity: number
  readonly int8Perplexity: number
  /** int8 over float. */
  readonly ratio: number
}

export interface CompareOptions {
  readonly source: SourceModel
  /** The Nacre model made of it. */
  readonly file: string
  readonly hash: KeyedHash
  /** A text to predict, and where it is from; without one, the float model makes it up. */
  readonly text: { readonly content: string; readonly path: string } | undefined
  /** Tokens at most. */
  readonly tokens: number
  readonly signal: AbortSignal
}

/** Perplexity of the source in float and of the Nacre model by its own engine, on the same tokens. */
export async function compareWithFloat(options: CompareOptions): Promise<Comparison> {
  const { source, file, hash, signal, text } = options
  const float = await loadFloatModel(source, signal)
  const { model, tokenizer } = await loadModelFile(file, hash)
  const texts =
    text === undefined
      ? await sampleTexts(float, options.tokens, signal)
      : [tokenizer.encode(text.content).slice(0, options.tokens)]
  const engine = createUnitEngine({ model, kernels: await createKernels(), hash })
  const floatPerplexity = await perplexity(floatScorer(float), float.config, texts, signal)
  const int8Perplexity = await perplexity(engineScorer(engine), model.config, texts, signal)
  return {
    tokens: texts.reduce((sum, { length }) => sum + length, 0),
    text: text === undefined ? 'that the float model made up at temperature 1' : `of ${text.path}`,
    ...{ floatPerplexity, int8Perplexity, ratio: int8Perplexity / floatPerplexity },
  }
}

/** Whether a model is small enough to be compared without being asked to. */
export function isSmall(config: Parameters<typeof tensorShapes>[0]): boolean {
  const weights = tensorShapes(config).reduce((sum, { leafCount, leafLength }) => sum + leafCount * leafLength, 0)
  return weights <= MAX_COMPARED_PARAMETERS
}

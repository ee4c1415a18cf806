/** Reading from disk: the only part of `files` that needs Node. */
import type { KeyedHash, Model } from '@nacre/protocol'
import { type Corpus, parseCorpus } from './corpus.ts'
import { type ModelFile, parseModel, parseModelFile } from './model-file.ts'
import { readBounded } from './regular-file.ts'

/** Largest model file: what one buffer can hold everywhere. */
export const MAX_MODEL_FILE_BYTES: number = 2 ** 31 - 1
export const MAX_CORPUS_FILE_BYTES: number = 1 << 28

/** Loads a model file. Throws MODEL_MALFORMED, or the error of the disk. */
export async function loadModel(path: string, hash?: KeyedHash): Promise<Model> {
  return parseModel(await readBounded(path, MAX_MODEL_FILE_BYTES), hash)
}

/** Loads a model file with its tokenizer. Throws MODEL_MALFORMED, or the error of the disk. */
export async function loadModelFile(path: string, hash?: KeyedHash): Promise<ModelFile> {
  return parseModelFile(await readBounded(path, MAX_MODEL_FILE_BYTES), hash)
}

/** Loads a bootstrap corpus. Throws MODEL_MALFORMED, or the error of the disk. */
export async function loadCorpus(path: string): Promise<Corpus> {
  return parseCorpus(await readBounded(path, MAX_CORPUS_FILE_BYTES))
}

import { stat } from 'node:fs/promises'
import { MODEL_FORMAT } from '../files/model-file.ts'
import { headerLength, MAX_HEADER_BYTES, malformed, parseSafetensorsHeader } from '../files/safetensors.ts'
import { DiskFile } from './disk-file.ts'
import { UnsupportedModelError } from './findings.ts'
import { isGguf } from './gguf.ts'
import { openGguf } from './gguf-model.ts'
import { openHuggingFace } from './hf-model.ts'
import { isLlama2c, openLlama2c } from './llama2c.ts'
import type { SourceModel, SourceOptions } from './source.ts'

/** How a model is stored. */
export type ModelFormat = 'nacre' | 'huggingface' | 'gguf' | 'llama2c'

/** Other containers by their first bytes, to say what they are. */
const KNOWN_OTHERS: readonly (readonly [string, string])[] = [
  ['PK', "a zip archive, perhaps PyTorch's"],
  ['\x80', 'a Python pickle'],
  ['ggjt', 'GGML, which came before GGUF'],
  ['tjgg', 'GGML, which came before GGUF'],
  ['lmgg', 'GGML, which came before GGUF'],
]

/** Looks at a file or folder. Throws MODEL_MALFORMED, MODEL_UNSUPPORTED, or the error of the disk. */
export async function modelFormat(path: string): Promise<ModelFormat> {
  if ((await stat(path)).isDirectory() || path.endsWith('.json')) return 'huggingface'
  const file = await DiskFile.open(path)
  try {
    const first = await file.read(0, Math.min(64, file.size))
    if (isGguf(first)) return 'gguf'
    if (path.endsWith('.safetensors') || isSafetensors(first)) return await safetensorsFormat(file, first)
    const start = String.fromCharCode(...first.subarray(0, 4))
    const other = KNOWN_OTHERS.find(([magic]) => start.startsWith(magic))
    if (other !== undefined) throw new UnsupportedModelError(path, [other[1]])
    if (isLlama2c(first)) return 'llama2c'
    return malformed(`${path} is neither safetensors nor GGUF nor a checkpoint of llama2.c`)
  } finally {
    await file.close()
  }
}

/** A plausible header length, then JSON. */
function isSafetensors(first: Uint8Array): boolean {
  if (first.length < 9 || first[8] !== 0x7b) return false
  return new DataView(first.buffer, first.byteOffset).getBigUint64(0, true) <= BigInt(MAX_HEADER_BYTES)
}

async function safetensorsFormat(file: DiskFile, first: Uint8Array): Promise<ModelFormat> {
  const length = headerLength(first)
  if (8 + length > file.size) malformed(`${file.path}: the header is longer than the file`)
  const { metadata } = parseSafetensorsHeader(await file.read(8, length), file.size - 8 - length)
  return metadata.get('format') === MODEL_FORMAT ? 'nacre' : 'huggingface'
}

/**
 * Opens a model of another project: a llama2.c checkpoint, a GGUF file, a Hugging Face folder, index or safetensors file.
 * Nothing of its weights is read yet. Throws MODEL_MALFORMED, MODEL_UNSUPPORTED with every reason, or the error of the disk.
 */
export async function openSourceModel(path: string, options: SourceOptions = {}): Promise<SourceModel> {
  const format = await modelFormat(path)
  if (format === 'nacre') throw new UnsupportedModelError(path, ['it is a Nacre model already'])
  const open = { huggingface: openHuggingFace, gguf: openGguf, llama2c: openLlama2c }[format]
  const source = await open(path, options)
  if (source.tokenizer.pieces.length <= source.config.vocabSize) return source
  await source.close()
  return malformed(`the tokenizer has ${source.tokenizer.pieces.length} tokens, the model ${source.config.vocabSize}`)
}

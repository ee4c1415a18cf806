/**
 * Checkpoints of llama2.c: its legacy format (version 0) and version 1, both binary32. Rotary pairs are interleaved, as in Nacre.
 * Source: `export.py` and `run.c` of karpathy/llama2.c.
 */
import { dirname, join } from 'node:path'
import { exists } from '../files/regular-file.ts'
import { malformed } from '../files/safetensors.ts'
import { DiskFile } from './disk-file.ts'
import { F32 } from './element-types.ts'
import { Findings, UnsupportedModelError } from './findings.ts'
import { readLlama2cTokenizer } from './llama2c-tokenizer.ts'
import {
  checkSourceConfig,
  type SourceConfig,
  type SourceModel,
  type SourceOptions,
  type SourceTensor,
  sourceParts,
} from './source.ts'

export const LLAMA2C_MAGIC = 0x616b3432
const LEGACY_HEADER_BYTES = 28
const VERSIONED_HEADER_BYTES = 256
/** Not in the file: what `run.c` computes with. */
const NORM_EPS = Math.fround(1e-5)
const ROPE_THETA = 10_000
const BOS = 1
/** BOS delimits sequences: `run.c` ends there, and its training data has no other end. */
const EOS = BOS

/** Whether a file that begins like this can be a llama2.c checkpoint. */
export function isLlama2c(first: Uint8Array): boolean {
  if (first.length < LEGACY_HEADER_BYTES) return false
  const view = new DataView(first.buffer, first.byteOffset, LEGACY_HEADER_BYTES)
  if (view.getUint32(0, true) === LLAMA2C_MAGIC) return true
  return [0, 4, 8, 12, 16, 20, 24].every((at) => Math.abs(view.getInt32(at, true)) < 1 << 24)
}

/** Opens a checkpoint. Throws MODEL_MALFORMED, MODEL_UNSUPPORTED, or the error of the disk. */
export async function openLlama2c(path: string, options: SourceOptions): Promise<SourceModel> {
  const file = await DiskFile.open(path)
  try {
    const findings = new Findings()
    const { version, stored, headerBytes } = await readHeader(file, findings)
    const config = checkSourceConfig(stored, options.maxSeqLen, findings)
    const tokenizerPath = options.tokenizer ?? (await tokenizerBeside(path, config.vocabSize))
    const tokenizer = await readLlama2cTokenizer(tokenizerPath, findings)
    findings.settle(path)
    const isLegacy = version === 0
    const gap = isLegacy ? rotaryBytes(stored) : 0
    const tensors = place(file, config, isLegacy ? LEGACY_ORDER : VERSIONED_ORDER, headerBytes, gap)
    checkSize(file, config, tensors, headerBytes + gap)
    return {
      format: isLegacy ? 'llama2.c' : `llama2.c version ${version}`,
      path,
      config,
      tokenizer: tokenizer!,
      tokenizerFrom: tokenizerPath,
      tensors,
      notes: findings.notes,
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The tokenizer that llama2.c's own tools would leave beside a checkpoint. Throws MODEL_UNSUPPORTED if there is none. */
async function tokenizerBeside(path: string, vocabSize: number): Promise<string> {
  const names = [`tok${vocabSize}.bin`, 'tokenizer.bin']
  for (const name of names) {
    const candidate = join(dirname(path), name)
    if (await exists(candidate)) return candidate
  }
  throw new UnsupportedModelError(path, [
    `no tokenizer is in the file, and neither ${names.join(' nor ')} is beside it`,
  ])
}

async function readHeader(
  file: DiskFile,
  findings: Findings,
): Promise<{ version: number; stored: SourceConfig; headerBytes: number }> {
  const first = await file.read(0, LEGACY_HEADER_BYTES)
  const view = new DataView(first.buffer)
  if (view.getUint32(0, true) !== LLAMA2C_MAGIC) {
    const counts = Array.from({ length: 7 }, (_, i) => view.getInt32(4 * i, true))
    // The sign of the vocabulary says whether the head is the embedding.
    const tied = counts[5]! > 0
    counts[5] = Math.abs(counts[5]!)
    return { version: 0, stored: configOf(counts, tied), headerBytes: LEGACY_HEADER_BYTES }
  }
  const version = view.getInt32(4, true)
  if (version !== 1) {
    findings.unsupported(`llama2.c version ${version}, only 0 and 1 are read`)
    findings.settle(file.path)
  }
  const header = await file.read(0, VERSIONED_HEADER_BYTES)
  const rest = new DataView(header.buffer, 8)
  const counts = Array.from({ length: 7 }, (_, i) => rest.getInt32(4 * i, true))
  return { version, stored: configOf(counts, rest.getUint8(28) !== 0), headerBytes: VERSIONED_HEADER_BYTES }
}

function configOf(counts: readonly number[], tiedHead: boolean): SourceConfig {
  const names = ['dim', 'hidden_dim', 'n_layers', 'n_heads', 'n_kv_heads', 'vocab_size', 'seq_len']
  const [dModel, ffnDim, nLayers, nHeads, nKvHeads, vocabSize, maxSeqLen] = counts.map((count, i) => {
    // The protocol's own bounds are tighter; these keep the sizes that follow exact.
    if (count < 1 || count > 1 << 24) malformed(`${names[i]} is ${count}`)
    return count
  }) as [number, number, number, number, number, number, number]
  if (dModel % nHeads !== 0) malformed(`a width of ${dModel} does not split into ${nHeads} heads`)
  const dims = { dModel, nLayers, nHeads, nKvHeads, headDim: dModel / nHeads, ffnDim, vocabSize, maxSeqLen }
  return { ...dims, tiedHead, normEps: NORM_EPS, ropeTheta: ROPE_THETA, bosToken: BOS, eosToken: EOS }
}

/** Two tables that nothing reads any more. */
const rotaryBytes = ({ maxSeqLen, headDim }: SourceConfig): number => 2 * 4 * maxSeqLen * Math.floor(headDim / 2)

const inAllLayers = (...names: string[]): string[] => names.map((name) => `${EACH_LAYER}${name}`)
/** A part of all layers, one layer after the other. */
const EACH_LAYER = 'layers.*.'
const MATRICES = ['gate', 'down', 'up']

const LEGACY_ORDER = ['embed', ...inAllLayers('attnNorm', 'q', 'k', 'v', 'o', 'ffnNorm', ...MATRICES), 'finalNorm']
const VERSIONED_ORDER = [
  ...inAllLayers('attnNorm', 'ffnNorm'),
  'finalNorm',
  'embed',
  ...inAllLayers('q', 'k', 'v', 'o', ...MATRICES),
]

/** @param gap bytes between the last of `order` and the head. */
function place(
  file: DiskFile,
  config: SourceConfig,
  order: readonly string[],
  start: number,
  gap: number,
): Map<string, SourceTensor> {
  const parts = new Map(sourceParts(config).map((part) => [part.part, part]))
  const out = new Map<string, SourceTensor>()
  let position = start
  const add = (name: string): void => {
    const { rows, columns } = parts.get(name)!
    out.set(name, { name, file, position, type: F32, rows, columns })
    position += 4 * rows * columns
  }
  for (const name of order) {
    if (!name.startsWith(EACH_LAYER)) add(name)
    else for (let l = 0; l < config.nLayers; l++) add(`layers.${l}.${name.slice(EACH_LAYER.length)}`)
  }
  position += gap
  if (!config.tiedHead) add('head')
  return out
}

function checkSize(
  file: DiskFile,
  config: SourceConfig,
  tensors: ReadonlyMap<string, SourceTensor>,
  otherBytes: number,
): void {
  let bytes = otherBytes
  for (const { rows, columns } of tensors.values()) bytes += 4 * rows * columns
  if (file.size === bytes) return
  const { dModel, nLayers, vocabSize } = config
  const what = `a llama2.c model of width ${dModel}, ${nLayers} layers and ${vocabSize} tokens`
  malformed(`${file.path} has ${file.size} bytes, ${what} has ${bytes}`)
}

import { type ModelConfig, tensorShapes } from '@nacre/protocol'
import { MODEL_FORMAT, TOKENIZER_TENSOR } from './model-file.ts'

/** A model file before its data: the first bytes, and where each tensor goes. */
export interface ModelFileLayout {
  /** Header length and header. */
  readonly start: Uint8Array
  /** Position in the file by name, in file order. */
  readonly positions: ReadonlyMap<string, number>
  readonly fileBytes: number
}

/**
 * Where everything lies in the file of a model: the manifest's tensors in their order without gaps, then the tokenizer.
 * @param tokenizer the definition of a BPE tokenizer; without it, tokens are bytes.
 */
export function modelFileLayout(config: ModelConfig, tokenizer?: Uint8Array): ModelFileLayout {
  const { tokenizerHash: _, ...counts } = config
  const metadata: Record<string, string> = { format: MODEL_FORMAT }
  for (const [key, value] of Object.entries(counts)) metadata[key] = String(value)
  metadata.tokenizer = tokenizer === undefined ? 'byte' : 'bpe'
  metadata.scheme = 'int8-row63'
  const header: Record<string, unknown> = { __metadata__: metadata }
  const offsets = new Map<string, number>()
  let end = 0
  const place = (name: string, dtype: string, shape: readonly number[], bytes: number): void => {
    offsets.set(name, end)
    header[name] = { dtype, shape, data_offsets: [end, end + bytes] }
    end += bytes
  }
  for (const { name, leafCount, leafLength } of tensorShapes(config)) {
    const isInt8 = name.endsWith('.q')
    const shape = isInt8 || name.startsWith('rope.') ? [leafCount, leafLength] : [leafLength]
    place(name, isInt8 ? 'I8' : 'F32', shape, leafCount * leafLength * (isInt8 ? 1 : 4))
  }
  if (tokenizer !== undefined) place(TOKENIZER_TENSOR, 'U8', [tokenizer.length], tokenizer.length)

  // Spaces up to a multiple of 8, so that the data is aligned. All names and values are ASCII.
  const text = JSON.stringify(header)
  const json = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8))
  const start = new Uint8Array(8 + json.length)
  new DataView(start.buffer).setBigUint64(0, BigInt(json.length), true)
  start.set(json, 8)
  return {
    start,
    positions: new Map([...offsets].map(([name, offset]) => [name, start.length + offset])),
    fileBytes: start.length + end,
  }
}

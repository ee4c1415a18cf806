import { f32ToBytes, type Model, tensorData, tensorShapes } from '@nacre/protocol'

/** The header of a model file as an object, for tests to spoil. */
export interface Header {
  __metadata__: Record<string, unknown>
  [tensor: string]: unknown
}

export interface ModelParts {
  header: Header
  data: Uint8Array
}

/** A model as header and data, in the order and form of the published files. */
export function modelParts(model: Model): ModelParts {
  const { tokenizerHash: _, ...config } = model.config
  const metadata: Record<string, unknown> = { format: 'nacre-model-1', tokenizer: 'byte', scheme: 'int8-row63' }
  for (const [key, value] of Object.entries(config)) metadata[key] = String(value)
  const header: Header = { __metadata__: metadata }
  const chunks: Uint8Array[] = []
  let offset = 0
  const arrays = tensorData(model.config, model)
  tensorShapes(model.config).forEach(({ name, leafCount, leafLength }, i) => {
    const array = arrays[i]!
    const bytes = array instanceof Int8Array ? new Uint8Array(array) : f32ToBytes(array)
    const shape = name.endsWith('.q') || name.startsWith('rope') ? [leafCount, leafLength] : [leafLength]
    const dtype = array instanceof Int8Array ? 'I8' : 'F32'
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] }
    chunks.push(bytes)
    offset += bytes.length
  })
  return { header, data: new Uint8Array(Buffer.concat(chunks)) }
}

/** The container. */
export function containerBytes(header: unknown, data: Uint8Array): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return new Uint8Array(Buffer.concat([length, json, data]))
}

export function modelBytes(model: Model): Uint8Array {
  const { header, data } = modelParts(model)
  return containerBytes(header, data)
}

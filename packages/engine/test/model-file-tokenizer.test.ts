/** Model files with a BPE tokenizer (MOD-7): one file, one modelId; layouts for writing; everything else is a typed rejection (P8). */
import {
  bpeTokenizerHash,
  buildModel,
  bytesToHex,
  encodeBpeDefinition,
  f32ToBytes,
  ProtocolError,
  tensorData,
  tensorShapes,
  unitModel,
} from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import { modelFileLayout } from '../src/files/model-file-layout.ts'
import { Findings } from '../src/import/findings.ts'
import { definitionOf } from '../src/import/pieces.ts'
import { parseModel, parseModelFile } from '../src/index.ts'
import { PIECES } from './support/import-weights.ts'
import { containerBytes, type Header, modelBytes, modelParts } from './support/model-bytes.ts'

const byteModel = unitModel()
const definition = encodeBpeDefinition(definitionOf(PIECES.slice(0, 260), true, new Findings())!)
const model = buildModel({ ...byteModel.config, tokenizerHash: bpeTokenizerHash(definition) }, byteModel)

/** The file of `model`, changed. */
function file(change: (header: Header) => void = () => undefined, tokenizer: Uint8Array = definition): Uint8Array {
  const { header, data } = modelParts(model)
  header.__metadata__.tokenizer = 'bpe'
  const end = data.length + tokenizer.length
  header.tokenizer = { dtype: 'U8', shape: [tokenizer.length], data_offsets: [data.length, end] }
  change(header)
  return containerBytes(header, new Uint8Array(Buffer.concat([data, tokenizer])))
}

test('the tokenizer comes with the model, whose id depends on it', () => {
  const read = parseModelFile(file())
  expect(read.model).toEqual(model)
  expect(bytesToHex(read.tokenizer.hash)).toBe(bytesToHex(model.config.tokenizerHash))
  expect(read.tokenizer.decode(read.tokenizer.encode('abc'))).toBe('abc')
  expect(read.model.modelId).not.toEqual(byteModel.modelId)
  expect(parseModelFile(modelBytes(byteModel))).toMatchObject({ model: byteModel, tokenizer: { kind: 'byte' } })
})

test.each([
  ['bytes', byteModel, undefined],
  ['BPE', model, definition],
] as const)('a layout for writing gives a file that is read: %s', (_, written, tokenizer) => {
  const { start, positions, fileBytes } = modelFileLayout(written.config, tokenizer)
  const bytes = new Uint8Array(fileBytes)
  bytes.set(start)
  const data = tensorData(written.config, written)
  tensorShapes(written.config).forEach(({ name }, i) => {
    const array = data[i]!
    bytes.set(array instanceof Int8Array ? new Uint8Array(array) : f32ToBytes(array), positions.get(name)!)
  })
  if (tokenizer !== undefined) bytes.set(tokenizer, positions.get('tokenizer')!)
  expect(parseModel(bytes)).toEqual(written)
  expect(positions.get('embed.q')! % 8).toBe(0)
})

describe('rejected', () => {
  const tooMany = encodeBpeDefinition(definitionOf(PIECES.slice(0, 261), true, new Findings())!)
  const cases: [string, () => Uint8Array, string][] = [
    ['a BPE model without its tokenizer', () => file((h) => Reflect.deleteProperty(h, 'tokenizer')), 'no tensor'],
    [
      'a byte model with a tokenizer',
      () => file((h) => Object.assign(h.__metadata__, { tokenizer: 'byte' })),
      'tensors',
    ],
    ['a tokenizer of another type', () => file((h) => Object.assign(h.tokenizer as object, { dtype: 'I8' })), 'not U8'],
    [
      'a tokenizer of two dimensions',
      () => file((h) => Object.assign(h.tokenizer as object, { shape: [1, definition.length] })),
      'not U8',
    ],
    ['a tokenizer that ends early', () => file(undefined, definition.subarray(0, -1)), 'the tokenizer'],
    ['a tokenizer that goes on', () => file(undefined, Uint8Array.of(...definition, 0)), 'the tokenizer'],
    ['no bytes', () => file(undefined, new Uint8Array(0)), 'the tokenizer'],
    ['more tokens than the model has', () => file(undefined, tooMany), 'the tokenizer has 261 tokens, the model 260'],
    [
      'a tokenizer that is not known',
      () => file((h) => Object.assign(h.__metadata__, { tokenizer: 'unigram' })),
      'unigram is not known',
    ],
  ]
  test.each(cases)('%s', (_, bytes, reason) => {
    let error: unknown
    try {
      parseModelFile(bytes())
    } catch (cause) {
      error = cause
    }
    expect(error).toBeInstanceOf(ProtocolError)
    expect([(error as ProtocolError).code, (error as ProtocolError).message]).toEqual([
      'MODEL_MALFORMED',
      expect.stringContaining(reason),
    ])
  })
})

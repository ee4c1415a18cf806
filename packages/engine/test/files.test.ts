/** Model files and corpora: what is valid is read exactly, everything else is a typed rejection (P8). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProtocolError, syntheticModel, unitModel } from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import { createFastHash, loadCorpus, loadModel, parseCorpus, parseModel } from '../src/index.ts'
import { containerBytes, type Header, modelBytes, modelParts } from './support/model-bytes.ts'
import { createRandom } from './support/random.ts'

const model = unitModel()

/** The message of the MODEL_MALFORMED that `work` throws; fails for anything else. */
function rejection(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError)
    expect((error as ProtocolError).code).toBe('MODEL_MALFORMED')
    return (error as ProtocolError).message
  }
  throw new Error('it was accepted')
}

const set = (target: unknown, values: object): void => {
  Object.assign(target as object, values)
}

describe('model files', () => {
  test('a file gives the model that it was written from', async () => {
    const hash = await createFastHash()
    const { vocabSize } = model.config
    const untied = syntheticModel({ name: 'untied', dims: { ...model.config, vocabSize }, seed: 's', tiedHead: false })
    for (const each of [model, untied]) {
      for (const keyed of [hash, undefined]) expect(parseModel(modelBytes(each), keyed)).toEqual(each)
    }
    expect(parseModel(modelBytes(model)).head).not.toBe(model.head)
  })

  test('files load from disk, from buffers with an offset, and from shared memory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nacre-'))
    try {
      const bytes = modelBytes(model)
      await writeFile(join(folder, 'model.safetensors'), bytes)
      expect((await loadModel(join(folder, 'model.safetensors'))).modelId).toEqual(model.modelId)
      const shifted = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)
      expect(parseModel(shifted).modelId).toEqual(model.modelId)
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
      shared.set(bytes)
      expect(parseModel(shared).modelId).toEqual(model.modelId)
      await expect(loadModel(join(folder, 'absent'))).rejects.toThrow('ENOENT')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  const spoiled: [string, (header: Header) => void, string][] = [
    ['no metadata', (h) => Reflect.deleteProperty(h, '__metadata__'), 'has no'],
    ['another format', (h) => set(h.__metadata__, { format: 'x' }), 'format'],
    ['another tokenizer', (h) => set(h.__metadata__, { tokenizer: 'bpe' }), 'tokenizer'],
    ['another scheme', (h) => set(h.__metadata__, { scheme: 'int4' }), 'scheme'],
    ['metadata that is no string', (h) => set(h.__metadata__, { dModel: 32 }), 'no string'],
    ['unknown metadata', (h) => set(h.__metadata__, { extra: '1' }), 'not known'],
    ['a count with a sign', (h) => set(h.__metadata__, { nHeads: '+4' }), 'no count'],
    ['a count that is too large', (h) => set(h.__metadata__, { nLayers: '999999999' }), 'nLayers'],
    ['no heads', (h) => set(h.__metadata__, { nHeads: '0' }), 'nHeads'],
    ['an epsilon that is no number', (h) => set(h.__metadata__, { normEps: 'NaN' }), 'decimal'],
    ['a wrong width', (h) => set(h.__metadata__, { dModel: '64' }), 'not I8 260 x 64'],
    ['an untied head without one', (h) => set(h.__metadata__, { tiedHead: 'false' }), 'no tensor head'],
    ['a missing tensor', (h) => Reflect.deleteProperty(h, 'layers.1.down.scale'), 'no tensor has byte'],
    ['a tensor too many', (h) => set(h, { extra: { dtype: 'I8', shape: [0], data_offsets: [0, 0] } }), 'tensors'],
    ['another type', (h) => set(h.finalNorm, { dtype: 'BF16' }), 'type BF16'],
    ['an offset behind the end', (h) => set(h.finalNorm, { data_offsets: [0, 2 ** 40] }), 'lies at'],
    ['a negative offset', (h) => set(h.finalNorm, { data_offsets: [-4, 4] }), 'offsets'],
    ['offsets in the wrong order', (h) => set(h.finalNorm, { data_offsets: [8, 4] }), 'lies at'],
    ['a shape of another size', (h) => set(h.finalNorm, { shape: [33] }), 'bytes for the shape'],
    ['a shape that overflows', (h) => set(h.finalNorm, { shape: [2 ** 52, 2 ** 52] }), 'shape'],
    ['a tensor that is null', (h) => set(h, { finalNorm: null }), 'no object'],
    ['two tensors in one place', (h) => set(h, { 'layers.0.ffnNorm': h['layers.0.attnNorm'] }), 'overlap'],
  ]
  test.each(spoiled)('rejected: %s', (_, spoil, reason) => {
    const { header, data } = modelParts(model)
    spoil(header)
    expect(rejection(() => parseModel(containerBytes(header, data)))).toContain(reason)
  })

  test('rejected: weights and scales outside their ranges', () => {
    const { header, data } = modelParts(model)
    const offsetOf = (name: string): number => (header[name] as { data_offsets: number[] }).data_offsets[0]!
    const spoiledAt = (name: string, bytes: number[]): Uint8Array => {
      const copy = data.slice()
      copy.set(bytes, offsetOf(name))
      return containerBytes(header, copy)
    }
    expect(rejection(() => parseModel(spoiledAt('embed.q', [64])))).toContain('outside [-63, 63]')
    expect(rejection(() => parseModel(spoiledAt('embed.scale', [0, 0, 0, 0x80])))).toContain('embed.scale')
    expect(rejection(() => parseModel(spoiledAt('layers.0.qkv.scale', [1, 0, 0, 0])))).toContain('qkv.scale')
    expect(rejection(() => parseModel(spoiledAt('rope.sin', [0, 0, 0x80, 0x7f])))).toContain('rope.sin')
  })

  test('rejected: files that end early or go on, and headers that are none', () => {
    const bytes = modelBytes(model)
    const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))
    for (const length of [0, 1, 7, 8, 9, headerEnd - 1, headerEnd, bytes.length - 1]) {
      rejection(() => parseModel(bytes.subarray(0, length)))
    }
    rejection(() => parseModel(new Uint8Array(Buffer.concat([bytes, Buffer.alloc(1)]))))
    const huge = bytes.slice()
    huge.fill(0xff, 0, 8)
    expect(rejection(() => parseModel(huge))).toContain('exceeds')
    for (const header of ['', '[]', 'null', '1', '{', '"x"', '{"__metadata__":[]}']) {
      rejection(() => parseModel(containerBytes(header, new Uint8Array(0))))
    }
  })

  test('500 headers with random changes are read or rejected, nothing else', () => {
    const bytes = modelBytes(model)
    const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true))
    let rejected = 0
    for (let seed = 0; seed < 500; seed++) {
      const random = createRandom(seed)
      const copy = bytes.slice()
      const changes = 1 + random.below(3)
      for (let i = 0; i < changes; i++) copy[random.below(8 + headerBytes)] = random.below(256)
      try {
        parseModel(copy)
      } catch (error) {
        expect(error, `seed ${seed}`).toBeInstanceOf(ProtocolError)
        rejected++
      }
    }
    expect(rejected).toBeGreaterThan(400)
  })
})

describe('corpora', () => {
  const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

  test("the project's corpus", async () => {
    const path = new URL('../../../models/nacre-small/corpus.json', import.meta.url).pathname
    const corpus = await loadCorpus(path)
    expect(corpus.promptTokens).toBe(48)
    expect(corpus.prompts).toHaveLength(512)
    expect(corpus.prompts.every((prompt) => prompt.length === 48 && prompt.every((token) => token < 260))).toBe(true)
  })

  test.each([
    ['no object', null],
    ['no length', { prompts: [[1]] }],
    ['a length of 0', { promptTokens: 0, prompts: [[]] }],
    ['no prompts', { promptTokens: 1, prompts: [] }],
    ['another length', { promptTokens: 2, prompts: [[1, 2], [1]] }],
    ['a token that is none', { promptTokens: 1, prompts: [[1.5]] }],
    ['a negative token', { promptTokens: 1, prompts: [[-1]] }],
    ['prompts that are no lists', { promptTokens: 1, prompts: ['a'] }],
  ])('rejected: %s', (_, value) => {
    rejection(() => parseCorpus(bytesOf(value)))
  })

  test('rejected: no JSON', () => {
    rejection(() => parseCorpus(new Uint8Array([0xff, 0x7b])))
  })
})

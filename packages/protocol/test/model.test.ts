// Models (MOD-1, MOD-7): the manifest, its codec, and every way in which a model can be malformed; MACs (JOB-2).
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex } from '../src/bytes.ts'
import { merkleRoot } from '../src/merkle.ts'
import { buildModel } from '../src/model/build-model.ts'
import {
  BYTE_BOS,
  BYTE_EOS,
  BYTE_TOKENIZER_HASH,
  BYTE_VOCAB_SIZE,
  decodeTokens,
  encodeText,
} from '../src/model/byte-tokenizer.ts'
import { decodeMacs, headMacs, macsPerPosition, promptMacs, unitMacs } from '../src/model/macs.ts'
import { decodeManifest, encodeManifest, modelIdOf } from '../src/model/manifest.ts'
import { ropeTables, syntheticModel, UNIT_MODEL_DIMS, unitModel } from '../src/model/synthetic.ts'
import { tensorShapes } from '../src/model/tensors.ts'
import type { LayerWeights, Model, ModelConfig, ModelWeights, QuantMatrix } from '../src/model/types.ts'
import { UNIT_MODEL } from '../src/params/registered-models.ts'
import { codeOf, oddModel } from './trace-fixture.ts'

const model = unitModel()
const rebuild = (config: Partial<ModelConfig>, weights: Partial<ModelWeights> = {}): Model =>
  buildModel({ ...model.config, ...config }, { ...model, ...weights })
const withQ = (matrix: QuantMatrix, at: number, value: number): QuantMatrix => ({
  ...matrix,
  q: matrix.q.map((q, i) => (i === at ? value : q)),
})
const withF32 = (array: Float32Array, at: number, value: number): Float32Array =>
  array.map((x, i) => (i === at ? value : x))
const withScale = (matrix: QuantMatrix, value: number): QuantMatrix => ({
  ...matrix,
  scale: withF32(matrix.scale, 3, value),
})
const withLayer = (change: (layer: LayerWeights) => Partial<LayerWeights>): Partial<ModelWeights> => ({
  layers: model.layers.map((layer, l) => (l === 1 ? { ...layer, ...change(layer) } : layer)),
})
const withEmbed = (embed: QuantMatrix): Partial<ModelWeights> => ({ embed, head: embed })

describe('the manifest', () => {
  test('of the unit model is the registered one', () => {
    expect(bytesToHex(model.modelId)).toBe(UNIT_MODEL.modelId)
    expect(model.manifest.tensorRoots).toHaveLength(tensorShapes(model.config).length)
  })

  test('lists tensors in file order, without a head when it is tied', () => {
    const names = (config: ModelConfig): string[] => tensorShapes(config).map(({ name }) => name)
    const layer = (l: number): string[] =>
      'attnNorm qkv.q qkv.scale o.q o.scale ffnNorm gateUp.q gateUp.scale down.q down.scale'
        .split(' ')
        .map((name) => `layers.${l}.${name}`)
    const start = ['embed.q', 'embed.scale', ...layer(0), ...layer(1), 'finalNorm']
    expect(names(model.config)).toEqual([...start, 'rope.cos', 'rope.sin'])
    expect(names({ ...model.config, tiedHead: false })).toEqual([
      ...start,
      'head.q',
      'head.scale',
      'rope.cos',
      'rope.sin',
    ])
  })

  test('has one leaf per output column, per position of a rotary table, and per vector', () => {
    const { embed, ropeCos, finalNorm } = model
    const [q, scale] = model.manifest.tensorRoots
    const rows = Array.from({ length: embed.rows }, (_, n) =>
      Uint8Array.from(embed.q.subarray(n * embed.columns, (n + 1) * embed.columns)),
    )
    const f32 = (array: Float32Array): Uint8Array => {
      const view = new DataView(new ArrayBuffer(4 * array.length))
      array.forEach((value, i) => {
        view.setFloat32(4 * i, value, true)
      })
      return new Uint8Array(view.buffer)
    }
    expect(q).toEqual(merkleRoot(rows))
    expect(scale).toEqual(merkleRoot([f32(embed.scale)]))
    expect(model.manifest.tensorRoots.at(-3)).toEqual(merkleRoot([f32(finalNorm)]))
    const positions = Array.from({ length: 64 }, (_, i) => f32(ropeCos.subarray(4 * i, 4 * i + 4)))
    expect(model.manifest.tensorRoots.at(-2)).toEqual(merkleRoot(positions))
  })

  test('survives its codec', () => {
    for (const { manifest, modelId } of [model, oddModel()]) {
      const decoded = decodeManifest(encodeManifest(manifest))
      expect(decoded).toEqual(manifest)
      expect(modelIdOf(decoded)).toEqual(modelId)
    }
  })

  test('any changed byte is another model or no manifest', () => {
    const bytes = encodeManifest(model.manifest)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const other = bytes.slice()
        other[at]! ^= change
        const code = codeOf(() => expect(modelIdOf(decodeManifest(other))).not.toEqual(model.modelId))
        expect([
          'accepted',
          'MODEL_MALFORMED',
          'CODEC_MALFORMED',
          'CODEC_TRAILING_BYTES',
          'CODEC_NOT_CANONICAL',
        ]).toContain(code)
      }),
    )
  })

  test('garbage is a typed rejection', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(codeOf(() => decodeManifest(bytes))).toMatch(/^(CODEC_|MODEL_MALFORMED)/)
      }),
    )
    expect(codeOf(() => decodeManifest(new Uint8Array(200_000)))).toBe('CODEC_TOO_LARGE')
  })

  test('is checked when decoded: bounds of the configuration, number of roots', () => {
    const bytes = encodeManifest(model.manifest)
    const nHeads = bytes.slice()
    nHeads[4 + 'unit-model'.length + 8] = 3
    expect(codeOf(() => decodeManifest(nHeads))).toBe('MODEL_MALFORMED')
    const fewer = bytes.slice(0, -32)
    fewer[bytes.length - 4 - 32 * model.manifest.tensorRoots.length]!--
    expect(codeOf(() => decodeManifest(fewer))).toBe('MODEL_MALFORMED')
  })

  test('with a tensor root too many or too few is malformed', () => {
    const { config, tensorRoots } = model.manifest
    const wrong = [tensorRoots.slice(1), [...tensorRoots, new Uint8Array(32)]]
    for (const roots of wrong)
      expect(codeOf(() => encodeManifest({ config, tensorRoots: roots }))).toBe('MODEL_MALFORMED')
  })

  test('every tensor counts: one changed value anywhere gives another id', () => {
    const ids = [
      model,
      rebuild({ name: 'other' }),
      rebuild({ eosToken: 5 }),
      rebuild({ normEps: Math.fround(1e-6) }),
      rebuild({ tokenizerHash: new Uint8Array(32) }),
      rebuild({}, withEmbed(withQ(model.embed, 0, -63))),
      rebuild({}, withEmbed(withScale(model.embed, 1))),
      rebuild(
        {},
        withLayer((layer) => ({ attnNorm: withF32(layer.attnNorm, 0, 9) })),
      ),
      rebuild(
        {},
        withLayer((layer) => ({ down: withScale(layer.down, 9) })),
      ),
      rebuild({}, { finalNorm: withF32(model.finalNorm, 31, 9) }),
      rebuild({}, { ropeSin: withF32(model.ropeSin, 255, 9) }),
      rebuild({ tiedHead: false }, { head: { ...model.head } }),
    ].map(({ modelId }) => bytesToHex(modelId))
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('a malformed model is rejected:', () => {
  const cases: Record<string, () => Model> = {
    'no layers': () => rebuild({ nLayers: 0 }, { layers: [] }),
    'a layer missing': () => rebuild({}, { layers: model.layers.slice(1) }),
    'heads that do not split into groups': () => rebuild({ nKvHeads: 3 }),
    'an odd head': () => rebuild({ headDim: 7 }),
    'a fractional width': () => rebuild({ dModel: 32.5 }),
    'a width that the matrices do not have': () => rebuild({ dModel: 33 }),
    'a vocabulary that the matrices do not have': () => rebuild({ vocabSize: 261 }),
    'dimensions beyond their bounds': () => rebuild({ vocabSize: 1 << 18 }),
    'a fused layer that is too wide': () => rebuild({ ffnDim: 1 << 17 }),
    'more layers than any model has': () => rebuild({ nLayers: 257 }),
    'a sequence length of 0': () => rebuild({ maxSeqLen: 0 }),
    'tables shorter than the sequence': () => rebuild({ maxSeqLen: 65 }),
    'a special token outside the vocabulary': () => rebuild({ eosToken: 260 }),
    'an epsilon of 0': () => rebuild({ normEps: 0 }),
    'an epsilon that is no binary32': () => rebuild({ normEps: 1e-5 }),
    'a name with capitals': () => rebuild({ name: 'Unit' }),
    'no name': () => rebuild({ name: '' }),
    'a short tokenizer hash': () => rebuild({ tokenizerHash: new Uint8Array(31) }),
    'a tied head of its own': () => rebuild({}, { head: { ...model.head } }),
    'an untied head that is the embedding': () => rebuild({ tiedHead: false }),
    'a weight of 64': () => rebuild({}, withEmbed(withQ(model.embed, 7, 64))),
    'a weight of -64': () =>
      rebuild(
        {},
        withLayer(({ qkv }) => ({ qkv: withQ(qkv, 7, -64) })),
      ),
    'a negative scale': () =>
      rebuild(
        {},
        withLayer(({ o }) => ({ o: withScale(o, -1) })),
      ),
    'a scale of -0': () =>
      rebuild(
        {},
        withLayer(({ o }) => ({ o: withScale(o, -0) })),
      ),
    'a subnormal scale': () =>
      rebuild(
        {},
        withLayer(({ down }) => ({ down: withScale(down, 2 ** -127) })),
      ),
    'an infinite scale': () =>
      rebuild(
        {},
        withLayer(({ gateUp }) => ({ gateUp: withScale(gateUp, Number.POSITIVE_INFINITY) })),
      ),
    'an embedding that overflows': () => rebuild({}, withEmbed(withScale(model.embed, 3e38))),
    'a norm gain that is no number': () => rebuild({}, { finalNorm: withF32(model.finalNorm, 0, Number.NaN) }),
    'an infinite rotary value': () => rebuild({}, { ropeCos: withF32(model.ropeCos, 9, Number.NEGATIVE_INFINITY) }),
    'a short matrix': () => rebuild({}, withEmbed({ ...model.embed, q: model.embed.q.slice(1) })),
    'a short scale vector': () => rebuild({}, withEmbed({ ...model.embed, scale: model.embed.scale.slice(1) })),
    'a short norm': () =>
      rebuild(
        {},
        withLayer(({ ffnNorm }) => ({ ffnNorm: ffnNorm.slice(1) })),
      ),
    'a matrix of another type': () =>
      rebuild({}, withEmbed({ ...model.embed, q: Float32Array.from(model.embed.q) as unknown as Int8Array })),
  }
  test.each(Object.keys(cases))('%s', (name) => {
    expect(codeOf(cases[name]!)).toBe('MODEL_MALFORMED')
  })

  test('but scales of 0 and weights of 63 are fine', () => {
    expect(codeOf(() => rebuild({}, withEmbed(withScale(withQ(model.embed, 0, 63), 0))))).toBe('accepted')
  })
})

describe('synthetic models', () => {
  const options = { name: 'a', dims: UNIT_MODEL_DIMS, seed: 's', tiedHead: true }
  test('are functions of their options', () => {
    expect(syntheticModel(options)).toEqual(syntheticModel(options))
    expect(syntheticModel({ ...options, seed: 't' }).embed.q).not.toEqual(syntheticModel(options).embed.q)
  })

  test('turn by rotary tables that stay close to the unit circle and differ at every position', () => {
    const { cos, sin } = ropeTables(8, 4096)
    for (let i = 0; i < cos.length; i++) expect(cos[i]! ** 2 + sin[i]! ** 2).toBeCloseTo(1, 3)
    const rows = Array.from(
      { length: 4096 },
      (_, i) => `${cos.subarray(4 * i, 4 * i + 4)} ${sin.subarray(4 * i, 4 * i + 4)}`,
    )
    expect(new Set(rows).size).toBe(4096)
  })
})

describe('the byte tokenizer', () => {
  test('has one token per byte', () => {
    expect(encodeText('Aé€')).toEqual([0x41, 0xc3, 0xa9, 0xe2, 0x82, 0xac])
    expect([BYTE_BOS, BYTE_EOS, BYTE_VOCAB_SIZE]).toEqual([256, 257, 260])
    expect(model.config.tokenizerHash).toEqual(BYTE_TOKENIZER_HASH)
  })

  test('decodes what it encodes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decodeTokens([BYTE_BOS, ...encodeText(text), BYTE_EOS])).toBe(text.toWellFormed())
      }),
    )
  })

  test('replaces invalid UTF-8, keeps a byte order mark, drops specials', () => {
    expect(decodeTokens([0xff, 0x41, 0xe2, 0x82])).toBe('\ufffdA\ufffd')
    expect(decodeTokens([0xef, 0xbb, 0xbf, 0x41])).toBe('\ufeffA')
    expect(decodeTokens([BYTE_BOS, 0x41, BYTE_EOS, 258, 259])).toBe('A')
  })
})

describe('MACs (JOB-2)', () => {
  const dims = model.config
  test('count linear layers at each position and the head at each generating one', () => {
    const layer = 32 * 64 + 32 * 32 + 32 * 128 + 64 * 32
    expect(macsPerPosition(dims)).toBe(2 * layer)
    expect(headMacs(dims)).toBe(260 * 32)
    expect(unitMacs(dims, 10, 3)).toBe(12 * 2 * layer + 3 * 260 * 32)
    expect(promptMacs(dims, 10) + decodeMacs(dims, 3)).toBe(unitMacs(dims, 10, 3))
    expect(decodeMacs(dims, 1)).toBe(headMacs(dims))
  })

  test('refuse what a double cannot count', () => {
    const huge = { ...dims, dModel: 1 << 17, ffnDim: 1 << 16, nLayers: 256, vocabSize: 1 << 17 }
    expect(codeOf(() => unitMacs(huge, 1 << 10, 1))).toBe('accepted')
    expect(codeOf(() => unitMacs(huge, 1 << 15, 1))).toBe('UNIT_SHAPE')
  })
})

/** Imports (MOD-7): one model in every format gives one Nacre model; the file is whole or not there (MOD-1, MOD-2, P8). */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { buildModel, bytesToHex, type Model, type QuantMatrix, quantiseRow } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DiskFile } from '../src/import/disk-file.ts'
import { PartialFile } from '../src/import/partial-file.ts'
import { rotaryTables } from '../src/import/rope.ts'
import { type SourceConfig, type SourceOptions, sourceParts } from '../src/import/source.ts'
import { createFastHash, importModel, loadCorpus, loadModelFile, modelFormat, openSourceModel } from '../src/index.ts'
import { Folder, failure } from './support/import-folder.ts'
import { ggufFile } from './support/import-gguf.ts'
import { hfConfigJson, hfTensors, hfTokenizerJson, safetensorsFile } from './support/import-hf.ts'
import { llama2cParts, llama2cTokenizer } from './support/import-llama2c.ts'
import { CONFIG, randomWeights, type Weights } from './support/import-weights.ts'

let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

const UNTIED: SourceConfig = { ...CONFIG, tiedHead: false }

async function imported(path: string, options: SourceOptions = {}): Promise<{ modelId: string; model: Model }> {
  const source = await openSourceModel(path, options)
  const out = folder.at(`out/${folder.names().length}.safetensors`)
  const { modelId } = await importModel(source, { name: 'small', out })
  await source.close()
  const { model } = await loadModelFile(out)
  // What was computed while writing is what the file says.
  expect(bytesToHex(model.modelId)).toBe(bytesToHex(modelId))
  return { modelId: bytesToHex(modelId), model }
}

/** The Nacre model by the rules: rows quantised by MOD-2, tables from the base. */
function expectedModel(weights: Weights, config: SourceConfig, tokenizerHash: Uint8Array): Model {
  const columnsOf = new Map(sourceParts(config).map(({ part, columns }) => [part, columns]))
  const matrix = (...parts: string[]): QuantMatrix => {
    const columns = columnsOf.get(parts[0]!)!
    const all = parts.flatMap((part) => [...weights.get(part)!])
    const rows = Array.from({ length: all.length / columns }, (_, i) =>
      quantiseRow(Float32Array.from(all.slice(i * columns, (i + 1) * columns))),
    )
    return {
      ...{ rows: rows.length, columns },
      q: Int8Array.from(rows.flatMap(({ q }) => [...q])),
      scale: Float32Array.from(rows, ({ scale }) => scale),
    }
  }
  const embed = matrix('embed')
  const { cos, sin } = rotaryTables(config.headDim, config.maxSeqLen, config.ropeTheta)
  const { ropeTheta: _, ...rest } = config
  return buildModel(
    { ...rest, name: 'small', tokenizerHash },
    {
      embed,
      layers: Array.from({ length: config.nLayers }, (_, l) => ({
        attnNorm: weights.get(`layers.${l}.attnNorm`)!,
        qkv: matrix(`layers.${l}.q`, `layers.${l}.k`, `layers.${l}.v`),
        o: matrix(`layers.${l}.o`),
        ffnNorm: weights.get(`layers.${l}.ffnNorm`)!,
        gateUp: matrix(`layers.${l}.gate`, `layers.${l}.up`),
        down: matrix(`layers.${l}.down`),
      })),
      finalNorm: weights.get('finalNorm')!,
      head: config.tiedHead ? embed : matrix('head'),
      ...{ ropeCos: cos, ropeSin: sin },
    },
  )
}

function writeLlama2c(weights: Weights, config: SourceConfig, version = 0): string {
  folder.write(`tok${config.vocabSize}.bin`, llama2cTokenizer())
  return folder.write(`v${version}.bin`, Buffer.concat(llama2cParts(weights, config, version)))
}

/** A Hugging Face folder: one file, or the tensors dealt out to several with an index. */
function writeHf(name: string, weights: Weights, config: SourceConfig, type = 'F32', shards = 1): string {
  folder.write(`${name}/config.json`, hfConfigJson(config))
  folder.write(`${name}/tokenizer.json`, hfTokenizerJson())
  const tensors = hfTensors(weights, config, type)
  if (shards === 1) {
    folder.write(`${name}/model.safetensors`, safetensorsFile(tensors))
    return folder.at(name)
  }
  const shardOf = (i: number): string => `model-${i % shards}.safetensors`
  for (let shard = 0; shard < shards; shard++)
    folder.write(`${name}/${shardOf(shard)}`, safetensorsFile(tensors.filter((_, i) => i % shards === shard)))
  const weightMap = Object.fromEntries(tensors.map((tensor, i) => [tensor.name, shardOf(i)]))
  folder.write(`${name}/model.safetensors.index.json`, { metadata: {}, weight_map: weightMap })
  return folder.at(name)
}

describe('the same weights give the same model', () => {
  test.each([
    ['tied', CONFIG],
    ['untied', UNTIED],
  ])('from every format, with a head that is %s', async (_, config) => {
    const weights = randomWeights(config)
    const paths: string[] = [
      writeLlama2c(weights, config),
      writeLlama2c(weights, config, 1),
      ...['F32', 'F16', 'BF16'].map((type) => writeHf(`hf-${type}`, weights, config, type)),
      writeHf('shards', weights, config, 'F32', 3),
      ...['F32', 'F16', 'BF16', 'Q8_0'].map((type) => folder.write(`${type}.gguf`, ggufFile(weights, config, type))),
      folder.write('version-2.gguf', ggufFile(weights, config, 'F32', 2)),
    ]
    const { model } = await imported(paths[0]!)
    expect(model).toEqual(expectedModel(weights, config, model.config.tokenizerHash))
    for (const path of paths) expect([path, (await imported(path)).modelId]).toEqual([path, bytesToHex(model.modelId)])
    // A folder's index and its only file are ways to name the folder.
    for (const path of [folder.at('hf-F32/model.safetensors'), folder.at('shards/model.safetensors.index.json')])
      expect((await imported(path)).modelId).toBe(bytesToHex(model.modelId))
  })

  test('a head without shared keys, and widths that are no multiples of 8', async () => {
    const odd = { dModel: 30, nHeads: 3, nKvHeads: 3, headDim: 10, ffnDim: 21, nLayers: 1, maxSeqLen: 5 }
    const config = { ...CONFIG, ...odd }
    const weights = randomWeights(config)
    const { model, modelId } = await imported(writeLlama2c(weights, config))
    expect(model).toEqual(expectedModel(weights, config, model.config.tokenizerHash))
    expect((await imported(writeHf('hf', weights, config))).modelId).toBe(modelId)
    expect((await imported(folder.write('x.gguf', ggufFile(weights, config)))).modelId).toBe(modelId)
  })

  test('a tokenizer of llama2.c instead of the own one', async () => {
    const weights = randomWeights()
    const { modelId } = await imported(writeLlama2c(weights, CONFIG))
    const tokenizer = folder.at(`tok${CONFIG.vocabSize}.bin`)
    const hf = writeHf('hf', weights, CONFIG)
    folder.write('hf/tokenizer.json', { model: { type: 'WordPiece' } })
    expect((await imported(hf, { tokenizer })).modelId).toBe(modelId)
    expect((await imported(folder.write('x.gguf', ggufFile(weights)), { tokenizer })).modelId).toBe(modelId)
  })
})

describe('values', () => {
  test('fewer positions than the model has', async () => {
    const weights = randomWeights()
    const path = writeLlama2c(weights, CONFIG)
    const { model } = await imported(path, { maxSeqLen: 7 })
    expect(model.config.maxSeqLen).toBe(7)
    expect(model).toEqual(expectedModel(weights, { ...CONFIG, maxSeqLen: 7 }, model.config.tokenizerHash))
    expect((await imported(path, { maxSeqLen: 99 })).model.config.maxSeqLen).toBe(CONFIG.maxSeqLen)
  })

  test('rotary tables are those of the base, in rows by position', () => {
    const { cos, sin } = rotaryTables(4, 3, 10_000)
    expect([...cos]).toEqual([1, 1, Math.cos(1), Math.cos(0.01), Math.cos(2), Math.cos(0.02)].map(Math.fround))
    expect([...sin]).toEqual([0, 0, Math.sin(1), Math.sin(0.01), Math.sin(2), Math.sin(0.02)].map(Math.fround))
  })

  test('rows of zeros, and rows too small for a scale, are zero and counted', async () => {
    const weights = randomWeights()
    weights.get('layers.0.q')!.fill(0, 0, 32)
    weights.get('layers.1.down')!.fill(2 ** -140, 64, 128)
    const source = await openSourceModel(writeLlama2c(weights, CONFIG))
    const out = folder.at('out.safetensors')
    expect((await importModel(source, { name: 'small', out })).zeroRows).toBe(2)
    await source.close()
    const { model } = await loadModelFile(out)
    expect(model.layers[0]!.qkv.scale[0]).toBe(0)
    expect(model.layers[1]!.down.scale[1]).toBe(0)
    expect(model).toEqual(expectedModel(weights, CONFIG, model.config.tokenizerHash))
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    '%f anywhere is an error that says where',
    async (value) => {
      for (const [part, name] of [
        ['embed', 'embed'],
        ['layers.1.k', 'layers.1.k'],
        ['layers.0.ffnNorm', 'layers.0.ffnNorm'],
        ['finalNorm', 'finalNorm'],
      ] as const) {
        const weights = randomWeights()
        weights.get(part)![9] = value
        const error = await failure(folder, writeLlama2c(weights, CONFIG))
        expect([error.code, error.message]).toEqual([
          'MODEL_MALFORMED',
          expect.stringContaining(`${name} has ${value} in row 0, column 9`),
        ])
      }
    },
  )

  test('the largest numbers there are: a scale times 63 is still finite, so that embeddings are (MOD-1)', async () => {
    const weights = randomWeights()
    for (const values of weights.values()) values[1] = 3.4028234663852886e38
    const { model } = await imported(writeLlama2c(weights, CONFIG))
    expect(model).toEqual(expectedModel(weights, CONFIG, model.config.tokenizerHash))
  })
})

describe('files', () => {
  test('are read about a megabyte at a time, however large a tensor is', async () => {
    const config = { ...CONFIG, dModel: 2048, nHeads: 2, nKvHeads: 1, headDim: 1024, ffnDim: 32, nLayers: 1 }
    const path = writeLlama2c(randomWeights(config), config)
    const reads = vi.spyOn(DiskFile.prototype, 'read')
    const source = await openSourceModel(path)
    await importModel(source, { name: 'x', out: folder.at('out.safetensors'), hash: await createFastHash() })
    await source.close()
    const lengths = reads.mock.calls.map(([, length]) => length)
    reads.mockRestore()
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1 << 20)
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(10 << 20)
  })

  test('heads wider than a megabyte are read in parts, and written like those that are not', async () => {
    const config = { ...CONFIG, dModel: 600, nHeads: 1, nKvHeads: 1, headDim: 600, ffnDim: 32, nLayers: 1 }
    const weights = randomWeights(config)
    const { modelId } = await imported(folder.write('x.gguf', ggufFile(weights, config)))
    const reads = vi.spyOn(DiskFile.prototype, 'read')
    expect((await imported(writeHf('hf', weights, config))).modelId).toBe(modelId)
    const longest = Math.max(...reads.mock.calls.map(([, length]) => length))
    reads.mockRestore()
    expect(4 * config.dModel * config.headDim).toBeGreaterThan(1 << 20)
    expect(longest).toBeLessThanOrEqual(1 << 20)
  })

  test('rotary tables that a small file asks for are written in parts, and interrupted between them', async () => {
    const config = {
      ...CONFIG,
      dModel: 2,
      nHeads: 1,
      nKvHeads: 1,
      headDim: 512,
      ffnDim: 1,
      nLayers: 1,
      maxSeqLen: 4096,
    }
    const path = writeHf('hf', randomWeights(config), config)
    const { write } = PartialFile.prototype
    const writes = vi.spyOn(PartialFile.prototype, 'write')
    const { model } = await imported(path)
    expect([model.ropeCos, model.ropeSin]).toEqual(Object.values(rotaryTables(512, 4096, 10_000)))
    const lengths = writes.mock.calls.map(([, bytes]) => bytes.length)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1 << 20)
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(8 << 20)

    const names = folder.names()
    const abort = new AbortController()
    writes.mockClear()
    let tables = 0
    writes.mockImplementation(function (this: PartialFile, position, bytes) {
      if (bytes.length > 1 << 16 && ++tables === 3) abort.abort(new Error('enough'))
      return write.call(this, position, bytes)
    })
    const source = await openSourceModel(path)
    const out = folder.at('other/x.safetensors')
    await expect(importModel(source, { name: 'x', out, signal: abort.signal })).rejects.toThrow('enough')
    await source.close()
    writes.mockRestore()
    expect(tables).toBeLessThanOrEqual(4)
    expect(folder.names()).toEqual(names)
  })

  test('what a killed import of the same process id left does not stop another', async () => {
    const source = await openSourceModel(writeLlama2c(randomWeights(), CONFIG))
    const out = folder.at('out.safetensors')
    const stale = folder.write(`out.safetensors.${process.pid}.partial`, Buffer.from('stale'))
    const names = folder.names()
    await Promise.all([importModel(source, { name: 'x', out }), importModel(source, { name: 'x', out })])
    await source.close()
    expect(folder.names()).toEqual([...names, 'out.safetensors'].sort())
    expect(readFileSync(stale, 'utf8')).toBe('stale')
    expect((await loadModelFile(out)).model.config.name).toBe('x')
  })

  // Opening a pipe for reading waits for a writer; a device may give bytes without end.
  test.skipIf(process.platform === 'win32')(
    'what is no regular file is refused at once, wherever it stands',
    async () => {
      const refused = async (work: Promise<unknown>): Promise<void> => {
        await expect(work).rejects.toMatchObject({
          code: 'MODEL_MALFORMED',
          message: expect.stringContaining('is no regular file'),
        })
      }
      const put: ((path: string) => void)[] = [
        (path) => execFileSync('mkfifo', [path]),
        (path) => mkdirSync(path),
        (path) => symlinkSync('/dev/zero', path),
      ]
      for (const [i, place] of put.entries()) {
        const at = (name: string): string => {
          const path = folder.at(name)
          rmSync(path, { recursive: true, force: true })
          place(path)
          return path
        }
        const plain = at(`plain-${i}`)
        await refused(loadModelFile(plain))
        await refused(loadCorpus(plain))
        // A folder is a way to name a model.
        if (i !== 1) {
          await refused(modelFormat(plain))
          await refused(openSourceModel(plain))
          await refused(openSourceModel(at('x.safetensors')))
        }
        for (const name of ['model.safetensors', 'config.json', 'tokenizer.json', 'model.safetensors.index.json']) {
          const path = writeHf(`hf-${i}-${name}`, randomWeights(), CONFIG)
          at(`hf-${i}-${name}/${name}`)
          await refused(openSourceModel(path))
        }
        const checkpoint = writeLlama2c(randomWeights(), CONFIG)
        at(`tok${CONFIG.vocabSize}.bin`)
        await refused(openSourceModel(checkpoint))
        rmSync(folder.at(`tok${CONFIG.vocabSize}.bin`), { recursive: true })
      }
    },
  )

  test('an interrupted import leaves nothing, and what was there before as it was', async () => {
    const path = writeLlama2c(randomWeights(), CONFIG)
    const out = folder.write('there.safetensors', Buffer.from('before'))
    const names = folder.names()
    for (const rows of [1, 300, 700]) {
      const abort = new AbortController()
      const source = await openSourceModel(path)
      const onProgress = (done: number): void => {
        if (done >= rows) abort.abort(new Error('enough'))
      }
      await expect(importModel(source, { name: 'x', out, signal: abort.signal, onProgress })).rejects.toThrow('enough')
      await source.close()
    }
    expect(folder.names()).toEqual(names)
    expect(readFileSync(out, 'utf8')).toBe('before')
    const source = await openSourceModel(path)
    await importModel(source, { name: 'x', out })
    await source.close()
    expect(folder.names()).toEqual(names)
    expect((await loadModelFile(out)).model.config.name).toBe('x')
  })

  test('an invalid name, and a place that cannot be written, are refused before anything is', async () => {
    const source = await openSourceModel(writeLlama2c(randomWeights(), CONFIG))
    const out = folder.at('new/folder/x.safetensors')
    await expect(importModel(source, { name: 'Capital', out })).rejects.toMatchObject({ code: 'MODEL_MALFORMED' })
    folder.write('file', Buffer.from('x'))
    await expect(importModel(source, { name: 'x', out: folder.at('file/x') })).rejects.toMatchObject({
      code: 'ENOTDIR',
    })
    await source.close()
    expect(existsSync(folder.at('new'))).toBe(false)
  })

  test('formats are told by content', async () => {
    const weights = randomWeights()
    expect(await modelFormat(writeLlama2c(weights, CONFIG))).toBe('llama2c')
    expect(await modelFormat(folder.write('a', ggufFile(weights)))).toBe('gguf')
    expect(await modelFormat(folder.write('b', safetensorsFile(hfTensors(weights))))).toBe('huggingface')
    const { model } = await imported(folder.at('v0.bin'))
    expect(model.config.name).toBe('small')
    const nacre = folder.at(folder.names().find((name) => name.startsWith('out/'))!)
    expect(await modelFormat(nacre)).toBe('nacre')
    expect((await failure(folder, nacre)).message).toContain('already')
  })
})

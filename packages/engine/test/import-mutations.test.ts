/** Whole imports of files with random changes: a model that loads, or a typed error and nothing left on disk. */
import { rmSync } from 'node:fs'
import { ProtocolError } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFastHash, importModel, loadModelFile, openSourceModel } from '../src/index.ts'
import { Folder } from './support/import-folder.ts'
import { ggufMetadata, ggufParts, ggufTensors } from './support/import-gguf.ts'
import { hfConfigJson, hfTensors, hfTokenizerJson, safetensorsFile } from './support/import-hf.ts'
import { llama2cParts, llama2cTokenizer } from './support/import-llama2c.ts'
import { CONFIG, randomWeights } from './support/import-weights.ts'
import { createRandom, type Random } from './support/random.ts'

const weights = randomWeights()
const hash = await createFastHash()
let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

/** What a reader of JSON may not expect. */
const ODD: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 2, 0.5, 7, 1e300, 2 ** 31, 2 ** 53, 65_536, '', 'x', 'constructor', '__proto__'],
  ...[[], {}, [1, 2], [[1]], { toString: 1 }, { type: 'linear' }, { __proto__: null, length: 3 }],
  JSON.parse('{"__proto__":{"type":"yarn"}}'),
]
const KEYS = ['constructor', 'toString', '__proto__', 'length', 'head_dim', 'sliding_window', 'rope_parameters', 'new']

/** Changes, removes or adds something somewhere in a value of JSON. */
function mutated(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) return random.pick(ODD)
  if (Array.isArray(value)) {
    const out = [...value]
    const at = random.below(out.length + 1)
    if (at < out.length && random.chance(0.2)) out.splice(at, 1)
    else out[at] = mutated(out[at], random)
    return out
  }
  const entries = Object.entries(value)
  const at = random.below(entries.length + 1)
  const key = entries[at]?.[0]
  if (key === undefined) entries.push([random.pick(KEYS), random.pick(ODD)])
  else if (random.chance(0.2)) entries.splice(at, 1)
  else entries[at] = [key, mutated(entries[at]![1], random)]
  return Object.fromEntries(entries)
}

/** Changes some bytes among the first `head`, or anywhere, or the length. */
function spoiled(bytes: Uint8Array, head: number, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  if (random.chance(0.1)) return copy.subarray(0, random.below(copy.length))
  if (random.chance(0.05)) return Buffer.concat([copy, random.bytes(1 + random.below(64))])
  const within = random.chance(0.8) ? head : copy.length
  for (let i = 0; i < 1 + random.below(3); i++) copy[random.below(within)] = random.pick([0, 1, 255, random.below(256)])
  return copy
}

interface Target {
  /** What is imported. */
  readonly path: string
  /** The file that is changed. */
  readonly file: string
  readonly content: Uint8Array | object
  /** Bytes before the weights. */
  readonly head?: number
  /** Changes to try. */
  readonly count: number
}

/** Tries all changes of all targets; returns how many of them were refused. */
async function tryAll(targets: readonly Target[]): Promise<number> {
  let refused = 0
  for (const { file, content } of targets) folder.write(file, content)
  const names = folder.names()
  for (const { path, file, content, head, count } of targets) {
    for (let seed = 0; seed < count; seed++) {
      const random = createRandom(seed)
      folder.write(
        file,
        content instanceof Uint8Array
          ? spoiled(content, head ?? content.length, random)
          : // `null` is no object for the compiler, but JSON for a reader.
            (mutated(content, random) as object),
      )
      const out = folder.at('out/model.safetensors')
      try {
        const source = await openSourceModel(folder.at(path))
        try {
          await importModel(source, { name: 'x', out, hash })
        } finally {
          await source.close()
        }
        await loadModelFile(out, hash)
        rmSync(folder.at('out'), { recursive: true })
      } catch (error) {
        expect(error, `${file}, seed ${seed}`).toBeInstanceOf(ProtocolError)
        expect((error as ProtocolError).code, `${file}, seed ${seed}`).toMatch(/^MODEL_(MALFORMED|UNSUPPORTED)$/)
        refused++
      }
      expect(folder.names(), `${file}, seed ${seed}`).toEqual(names)
    }
    folder.write(file, content)
  }
  return refused
}

describe('a change somewhere', () => {
  test('in a model of Hugging Face', { timeout: 60_000 }, async () => {
    const model = safetensorsFile(hfTensors(weights))
    const head = 8 + Number(Buffer.from(model).readBigUInt64LE())
    const bytes = (value: object): Buffer => Buffer.from(JSON.stringify(value))
    const targets: Target[] = [
      { path: 'hf', file: 'hf/config.json', content: hfConfigJson(), count: 300 },
      { path: 'hf', file: 'hf/config.json', content: bytes(hfConfigJson()), count: 100 },
      { path: 'hf', file: 'hf/tokenizer.json', content: hfTokenizerJson(), count: 100 },
      { path: 'hf', file: 'hf/tokenizer.json', content: bytes(hfTokenizerJson()), count: 100 },
      { path: 'hf', file: 'hf/model.safetensors', content: model, head, count: 100 },
    ]
    expect(await tryAll(targets)).toBeGreaterThan(400)
  })

  test('in a model of llama2.c', { timeout: 60_000 }, async () => {
    const targets: Target[] = [0, 1].flatMap((version) => [
      {
        ...{ path: `${version}/x.bin`, file: `${version}/x.bin` },
        ...{ content: Buffer.concat(llama2cParts(weights, CONFIG, version)), head: version === 0 ? 28 : 37 },
        count: 100,
      },
      {
        path: `${version}/x.bin`,
        file: `${version}/tok${CONFIG.vocabSize}.bin`,
        content: llama2cTokenizer(),
        count: 100,
      },
    ])
    expect(await tryAll(targets)).toBeGreaterThan(150)
  })

  test('in a GGUF file', { timeout: 60_000 }, async () => {
    const tensors = ggufTensors(weights)
    const content = Buffer.concat(ggufParts(ggufMetadata(), tensors))
    const head = content.length - tensors.reduce((sum, { data }) => sum + data.length, 0)
    expect(await tryAll([{ path: 'x.gguf', file: 'x.gguf', content, head, count: 200 }])).toBeGreaterThan(50)
  })
})

/**
 * Llama models in Hugging Face's form: a folder with `config.json`, `tokenizer.json` and safetensors, in one file or several with
 * an index. Rows of q and k are heads with rotary pairs (j, j + headDim / 2), as `rotate_half` of transformers takes them.
 */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { BpeDefinition } from '@nacre/protocol'
import { exists, readBounded } from '../files/regular-file.ts'
import {
  checkTensorBytes,
  headerLength,
  malformed,
  parseSafetensorsHeader,
  type TensorEntry,
} from '../files/safetensors.ts'
import { shown } from '../files/shown.ts'
import { asRecord, DiskFile, parseJson } from './disk-file.ts'
import { BF16, type ElementType, F16, F32 } from './element-types.ts'
import { Findings } from './findings.ts'
import { hfConfig } from './hf-config.ts'
import { hfTokenizer } from './hf-tokenizer.ts'
import { readLlama2cTokenizer } from './llama2c-tokenizer.ts'
import {
  checkAllPlaced,
  checkSourceConfig,
  type SourceConfig,
  type SourceModel,
  type SourceOptions,
  type SourceTensor,
  sourceParts,
} from './source.ts'

const MAX_CONFIG_BYTES = 1 << 20
const MAX_INDEX_BYTES = 1 << 24
const MAX_TOKENIZER_JSON_BYTES = 1 << 26
const MAX_SHARDS = 1024
const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const TYPES: Readonly<Record<string, ElementType>> = { F32, F16, BF16 }

const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'model.embed_tokens.weight': 'embed',
    'model.norm.weight': 'finalNorm',
    'lm_head.weight': 'head',
  }),
)
const LAYER_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ 'self_attn.q_proj': 'q', 'self_attn.k_proj': 'k', 'self_attn.v_proj': 'v', 'self_attn.o_proj': 'o' },
    ...{ input_layernorm: 'attnNorm', post_attention_layernorm: 'ffnNorm' },
    ...{ 'mlp.gate_proj': 'gate', 'mlp.up_proj': 'up', 'mlp.down_proj': 'down' },
  }),
)
/** Frequencies that older versions stored; they follow from the configuration. */
const COMPUTED = /^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/

interface Located extends TensorEntry {
  readonly name: string
  readonly file: DiskFile
  readonly dataStart: number
}

/**
 * Opens a folder, its index, or its only safetensors file. Throws MODEL_MALFORMED, MODEL_UNSUPPORTED with every reason, or the
 * error of the disk.
 */
export async function openHuggingFace(path: string, options: SourceOptions): Promise<SourceModel> {
  const { folder, files } = await filesOf(path)
  const open: DiskFile[] = []
  const close = async (): Promise<void> => {
    await Promise.all(open.map((file) => file.close()))
  }
  try {
    const findings = new Findings()
    const configPath = join(folder, 'config.json')
    const stored = hfConfig(
      parseJson(configPath, await readBounded(configPath, MAX_CONFIG_BYTES)),
      options.maxSeqLen,
      findings,
    )
    const located: Located[] = []
    for (const name of files) {
      const file = await DiskFile.open(join(folder, name))
      open.push(file)
      located.push(...(await tensorsOf(file)))
    }
    const named = partsOf(located, stored?.tiedHead ?? false, findings)
    const { tokenizer, tokenizerFrom } = await tokenizerOf(folder, options, findings)
    findings.settle(path)
    const config = checkSourceConfig(stored!, options.maxSeqLen, findings)
    findings.settle(path)
    const tensors = place(config, named)
    return {
      format: files.length === 1 ? 'safetensors (Hugging Face)' : `safetensors (Hugging Face, ${files.length} files)`,
      ...{ path, config, tokenizer: tokenizer!, tokenizerFrom, tensors, notes: findings.notes, close },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The folder of a model and the names of its safetensors files. */
async function filesOf(path: string): Promise<{ folder: string; files: readonly string[] }> {
  const isFolder = (await stat(path)).isDirectory()
  if (!isFolder && path.endsWith('.safetensors')) return { folder: dirname(path), files: [basename(path)] }
  const folder = isFolder ? path : dirname(path)
  const index = isFolder ? join(path, INDEX) : path
  if (isFolder && !(await exists(index))) {
    if (!(await exists(join(path, SINGLE)))) malformed(`the folder ${path} has neither ${SINGLE} nor ${INDEX}`)
    return { folder, files: [SINGLE] }
  }
  const map = asRecord(parseJson(index, await readBounded(index, MAX_INDEX_BYTES)).weight_map)
  if (map === undefined) malformed(`${index} has no weight_map`)
  const files = [...new Set(Object.values(map))]
  if (files.length < 1 || files.length > MAX_SHARDS) malformed(`${index} names ${files.length} files`)
  for (const name of files) {
    // A name is a file beside the index, never a way to another folder.
    if (typeof name !== 'string' || name !== basename(name) || !name.endsWith('.safetensors'))
      malformed(`${index} names the file ${shown(name)}`)
  }
  return { folder, files: files as string[] }
}

async function tensorsOf(file: DiskFile): Promise<Located[]> {
  const length = headerLength(await file.read(0, Math.min(8, file.size)))
  const dataStart = 8 + length
  if (dataStart > file.size) malformed(`${file.path}: the header is longer than the file`)
  const { entries } = parseSafetensorsHeader(await file.read(8, length), file.size - dataStart)
  return [...entries].map(([name, entry]) => ({ ...entry, name, file, dataStart }))
}

/** The tensors by part; all that Nacre has no place for, and all types that are not read, are findings. */
function partsOf(located: readonly Located[], tiedHead: boolean, findings: Findings): Map<string, Located> {
  const out = new Map<string, Located>()
  const others = new Map<string, number>()
  const types = new Map<string, number>()
  const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const tensor of located) {
    const { name, type } = tensor
    if (COMPUTED.test(name)) continue
    const [, layer, inLayer] = /^model\.layers\.(0|[1-9]\d{0,5})\.([\w.]+)\.weight$/.exec(name) ?? []
    const partInLayer = LAYER_NAMES.get(inLayer ?? '')
    const part = partInLayer === undefined ? NAMES.get(name) : `layers.${layer}.${partInLayer}`
    if (part === undefined) {
      add(others, name.replace(/\.layers\.\d+\./, '.layers.*.'))
      continue
    }
    if (part === 'head' && tiedHead) {
      findings.note(`${name} is not read: the head is the embedding`)
      continue
    }
    if (out.has(part)) malformed(`there are two tensors ${name}`)
    out.set(part, tensor)
    if (!Object.hasOwn(TYPES, type)) add(types, type)
  }
  for (const [type, count] of types)
    findings.unsupported(
      `${count} tensor${count === 1 ? '' : 's'} in ${type}, only ${Object.keys(TYPES).join(', ')} are read`,
    )
  for (const [name, count] of others)
    findings.unsupported(`the tensor ${name}${count > 1 ? ` (${count} of them)` : ''}`)
  return out
}

async function tokenizerOf(
  folder: string,
  options: SourceOptions,
  findings: Findings,
): Promise<{ tokenizer: BpeDefinition | undefined; tokenizerFrom: string }> {
  if (options.tokenizer !== undefined)
    return { tokenizer: await readLlama2cTokenizer(options.tokenizer, findings), tokenizerFrom: options.tokenizer }
  const path = join(folder, 'tokenizer.json')
  if (!(await exists(path))) {
    findings.unsupported(`no ${path}: a tokenizer of llama2.c can be given instead`)
    return { tokenizer: undefined, tokenizerFrom: path }
  }
  const json = parseJson(path, await readBounded(path, MAX_TOKENIZER_JSON_BYTES))
  return { tokenizer: hfTokenizer(json, findings), tokenizerFrom: path }
}

function place(config: SourceConfig, named: ReadonlyMap<string, Located>): Map<string, SourceTensor> {
  const out = new Map<string, SourceTensor>()
  for (const { part, rows, columns } of sourceParts(config)) {
    const tensor = named.get(part) ?? malformed(`there is no tensor for ${part}`)
    const { name, file, dataStart, start, shape } = tensor
    const type = TYPES[tensor.type]!
    checkTensorBytes(name, tensor, type.blockBytes)
    const asked = part.endsWith('Norm') ? [columns] : [rows, columns]
    if (shape.length !== asked.length || shape.some((n, i) => n !== asked[i]))
      malformed(`${name} is ${shape.join(' x ')}, not ${asked.join(' x ')}`)
    const splitHeads = /\.[qk]$/.test(part) ? { splitHeads: config.headDim } : {}
    out.set(part, { name, file, position: dataStart + start, type, rows, columns, ...splitHeads })
  }
  checkAllPlaced(out, named)
  return out
}

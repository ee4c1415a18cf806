import { fileURLToPath } from 'node:url'
import {
  createKernels,
  createUnitEngine,
  inlineWorkers,
  type KernelName,
  loadCorpus,
  loadModel,
  loadModelFile,
  processWorkers,
  type WorkerPort,
} from '@nacre/engine'
import { messageOf } from '@nacre/node/rpc-client'
import {
  bytesToHex,
  byteTokenizer,
  type ConsensusContext,
  type Corpus,
  check,
  createContext,
  type KeyedHash,
  type LotteryParams,
  type Model,
  type Params,
  type Tokenizer,
  unitCorpus,
  unitModel,
} from '@nacre/protocol'
import { CliError } from './errors.ts'

const models = new URL('../../../models/', import.meta.url)

/** The synthetic model of the preset `unit` has no file. */
const SYNTHETIC = 'unit-model'

/** A registered model with what makes text of its tokens. */
export interface TextModel {
  readonly name: string
  /** Hex. */
  readonly modelId: string
  readonly model: Model
  readonly tokenizer: Tokenizer
}

const folderOf = (name: string): string => fileURLToPath(new URL(`${name}/`, models))

/** A model that the parameters list, by its name. Throws CliError UNKNOWN_MODEL, and MODEL_UNREGISTERED where the file holds another. */
export async function loadTextModel(params: Params, name: string, hash: KeyedHash): Promise<TextModel> {
  const listed = params.models.find((each) => each.name === name)
  if (listed === undefined) {
    const names = params.models.map((each) => each.name).join(', ')
    throw new CliError(`there is no model "${messageOf(name)}" on this network, but ${names}`, 1, 'UNKNOWN_MODEL')
  }
  const { modelId } = listed
  const { model, tokenizer } =
    name === SYNTHETIC
      ? { model: unitModel(), tokenizer: byteTokenizer }
      : await loadModelFile(`${folderOf(name)}model.safetensors`, hash).catch((error: unknown) => missing(name, error))
  check(bytesToHex(model.modelId) === modelId, 'MODEL_UNREGISTERED', `the file of "${name}" holds another model`)
  return { name, modelId, model, tokenizer }
}

function missing(name: string, error: unknown): never {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  throw new CliError(`the model "${name}" is not in ${folderOf(name)}`, 1, 'UNKNOWN_MODEL')
}

/** Runs one model on the spot, for a few units. */
export async function inlineModelWorkers({ model }: TextModel, hash: KeyedHash): Promise<WorkerPort> {
  return inlineWorkers([createUnitEngine({ model, kernels: await createKernels(), hash })], hash)
}

/** The model and corpus that the parameters list first: a folder under `models/`, or the synthetic one of the preset `unit`. */
export async function loadNetworkModel(params: Params, hash: KeyedHash): Promise<{ model: Model; corpus: Corpus }> {
  const { name } = params.models[0]!
  if (name === SYNTHETIC) return { model: unitModel(), corpus: unitCorpus() }
  const folder = folderOf(name)
  const [model, corpus] = await Promise.all([
    loadModel(`${folder}model.safetensors`, hash),
    loadCorpus(`${folder}corpus.json`),
  ]).catch((error: unknown) => missing(name, error))
  return { model, corpus: corpus.prompts }
}

export async function loadContext(params: Params, hash: KeyedHash): Promise<ConsensusContext> {
  const { model, corpus } = await loadNetworkModel(params, hash)
  return createContext(params, model, corpus)
}

/** Without inlining: V8's revectorizer ends the process over some functions that it meets inlined. */
const REVECTORIZE = ['--experimental-wasm-revectorize', '--no-wasm-inlining']

export interface WorkerOptions {
  readonly threads: number
  /**
   * Let V8 join neighbouring 128-bit vectors in WebAssembly into 256-bit ones. An experiment of V8's: kernels are used with it only if
   * they pass their self-test, and no longer once the process that runs them has ended twice.
   */
  readonly revectorize?: boolean
  readonly onReady?: (kernels: KernelName) => void
}

/**
 * Workers for the context's model: threads that load its file, in a process of their own; the synthetic model's units are small enough to
 * run inline.
 */
export async function createWorkers(
  context: ConsensusContext,
  options: WorkerOptions,
  hash: KeyedHash,
): Promise<WorkerPort> {
  const { name } = context.bootstrap.params
  const { threads, revectorize = false, onReady } = options
  const lottery = context.bootstrap.params
  if (name !== SYNTHETIC) {
    const path = fileURLToPath(new URL(`${name}/model.safetensors`, models))
    const heard = onReady === undefined ? {} : { onReady }
    const execArgv = revectorize ? REVECTORIZE : []
    return processWorkers({
      models: [{ path, lottery: lotteryOf(lottery) }],
      ...{ threads, wide: revectorize, execArgv, ...heard },
    })
  }
  const kernels = await createKernels()
  onReady?.(kernels.name)
  const engine = createUnitEngine({ model: context.bootstrap.model, kernels, hash, lottery })
  return inlineWorkers([engine], hash)
}

/** Only what the lottery needs: the rest of a model's parameters need not reach the threads. */
function lotteryOf({ noiseRank, tileRows, tileColumns }: LotteryParams): LotteryParams {
  return { noiseRank, tileRows, tileColumns }
}

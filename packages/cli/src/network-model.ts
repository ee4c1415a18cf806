import { fileURLToPath } from 'node:url'
import {
  createKernels,
  createUnitEngine,
  inlineWorkers,
  type KernelName,
  loadCorpus,
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

/** Where the files of a model that comes with the project are, with a slash at the end. */
export const modelFolder = (name: string): string => fileURLToPath(new URL(`${name}/`, models))

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
      : await loadModelFile(`${modelFolder(name)}model.safetensors`, hash).catch((error: unknown) =>
          missing(name, error),
        )
  check(bytesToHex(model.modelId) === modelId, 'MODEL_UNREGISTERED', `the file of "${name}" holds another model`)
  return { name, modelId, model, tokenizer }
}

function missing(name: string, error: unknown): never {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  throw new CliError(`the model "${name}" is not in ${modelFolder(name)}`, 1, 'UNKNOWN_MODEL')
}

/** Runs one model on the spot, for a few units. */
export async function inlineModelWorkers({ model }: TextModel, hash: KeyedHash): Promise<WorkerPort> {
  return inlineWorkers([createUnitEngine({ model, kernels: await createKernels(), hash })], hash)
}

/** The prompts of the bootstrap lane, which come with the first model. */
async function loadBootstrapCorpus(name: string): Promise<Corpus> {
  if (name === SYNTHETIC) return unitCorpus()
  const { prompts } = await loadCorpus(`${modelFolder(name)}corpus.json`).catch((error: unknown) =>
    missing(name, error),
  )
  return prompts
}

/** Every model that the parameters list, and the corpus of the first. */
export async function loadContext(params: Params, hash: KeyedHash): Promise<ConsensusContext> {
  const [corpus, first, ...further] = await Promise.all([
    loadBootstrapCorpus(params.models[0]!.name),
    ...params.models.map(({ name }) => loadTextModel(params, name, hash)),
  ])
  return createContext(
    params,
    first!.model,
    corpus,
    further.map(({ model }) => model),
  )
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
 * Workers for the context's models: threads that load their files, in a process of their own. Where one is synthetic all run inline: the
 * synthetic model's units are small enough.
 */
export async function createWorkers(
  context: ConsensusContext,
  options: WorkerOptions,
  hash: KeyedHash,
): Promise<WorkerPort> {
  const listed = [...context.models.values()]
  const { threads, revectorize = false, onReady } = options
  if (listed.every(({ params }) => params.name !== SYNTHETIC)) {
    const sources = listed.map(({ params }) => ({
      path: `${modelFolder(params.name)}model.safetensors`,
      lottery: lotteryOf(params),
    }))
    const heard = onReady === undefined ? {} : { onReady }
    const execArgv = revectorize ? REVECTORIZE : []
    return processWorkers({ models: sources, threads, wide: revectorize, execArgv, ...heard })
  }
  const kernels = await createKernels()
  onReady?.(kernels.name)
  const engines = listed.map(({ params, model }) =>
    createUnitEngine({ model, kernels, hash, lottery: lotteryOf(params) }),
  )
  return inlineWorkers(engines, hash)
}

/** Only what the lottery needs: the rest of a model's parameters need not reach the threads. */
function lotteryOf({ noiseRank, tileRows, tileColumns }: LotteryParams): LotteryParams {
  return { noiseRank, tileRows, tileColumns }
}

import { fileURLToPath } from 'node:url'
import {
  createKernels,
  createUnitEngine,
  inlineWorkers,
  type KernelName,
  loadCorpus,
  loadModel,
  processWorkers,
  type WorkerPort,
} from '@nacre/engine'
import {
  type ConsensusContext,
  type Corpus,
  createContext,
  type KeyedHash,
  type LotteryParams,
  type Model,
  type Params,
  unitCorpus,
  unitModel,
} from '@nacre/protocol'
import { CliError } from './errors.ts'

const models = new URL('../../../models/', import.meta.url)

/** The synthetic model of the preset `unit` has no file. */
const SYNTHETIC = 'unit-model'

const folderOf = (name: string): string => fileURLToPath(new URL(`${name}/`, models))

/** A model that the parameters list: a folder under `models/`, or the synthetic one of the preset `unit`. */
async function loadListedModel(name: string, hash: KeyedHash): Promise<Model> {
  if (name === SYNTHETIC) return unitModel()
  return fromFolder(name, (folder) => loadModel(`${folder}model.safetensors`, hash))
}

/** The prompts of the bootstrap lane, which come with the first model. */
async function loadBootstrapCorpus(name: string): Promise<Corpus> {
  if (name === SYNTHETIC) return unitCorpus()
  const { prompts } = await fromFolder(name, (folder) => loadCorpus(`${folder}corpus.json`))
  return prompts
}

async function fromFolder<T>(name: string, load: (folder: string) => Promise<T>): Promise<T> {
  const folder = folderOf(name)
  try {
    return await load(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new CliError(`the model "${name}" is not in ${folder}`)
    throw error
  }
}

/** Every model that the parameters list, and the corpus of the first. */
export async function loadContext(params: Params, hash: KeyedHash): Promise<ConsensusContext> {
  const [corpus, first, ...further] = await Promise.all([
    loadBootstrapCorpus(params.models[0]!.name),
    ...params.models.map(({ name }) => loadListedModel(name, hash)),
  ])
  return createContext(params, first!, corpus, further)
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
      path: `${folderOf(params.name)}model.safetensors`,
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

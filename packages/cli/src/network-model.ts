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

/** The model and corpus that the parameters list first: a folder under `models/`, or the synthetic one of the preset `unit`. */
export async function loadNetworkModel(params: Params, hash: KeyedHash): Promise<{ model: Model; corpus: Corpus }> {
  const { name } = params.models[0]!
  if (name === SYNTHETIC) return { model: unitModel(), corpus: unitCorpus() }
  const folder = fileURLToPath(new URL(`${name}/`, models))
  try {
    const [model, corpus] = await Promise.all([
      loadModel(`${folder}model.safetensors`, hash),
      loadCorpus(`${folder}corpus.json`),
    ])
    return { model, corpus: corpus.prompts }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new CliError(`the model "${name}" is not in ${folder}`)
    throw error
  }
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

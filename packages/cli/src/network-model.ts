import { fileURLToPath } from 'node:url'
import {
  createKernels,
  createUnitEngine,
  inlineWorkers,
  loadCorpus,
  loadModel,
  threadWorkers,
  type WorkerPort,
} from '@nacre/engine'
import {
  type ConsensusContext,
  type Corpus,
  createContext,
  type KeyedHash,
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

/** Workers for the context's model: threads that load its file; the synthetic model's units are small enough to run inline. */
export async function createWorkers(context: ConsensusContext, threads: number, hash: KeyedHash): Promise<WorkerPort> {
  const { name } = context.bootstrap.params
  if (name !== SYNTHETIC) {
    return threadWorkers({ models: [{ path: fileURLToPath(new URL(`${name}/model.safetensors`, models)) }], threads })
  }
  const engine = createUnitEngine({ model: context.bootstrap.model, kernels: await createKernels(), hash })
  return inlineWorkers([engine], hash)
}

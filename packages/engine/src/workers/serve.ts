import type { MessagePort } from 'node:worker_threads'
import type { Model } from '@nacre/protocol'
import { loadModel } from '../files/load.ts'
import { parseModel } from '../files/model-file.ts'
import { createFastHash } from '../hashing/fast-hash.ts'
import { createKernels } from '../kernels/create.ts'
import type { KernelFactory } from '../kernels/types.ts'
import { createSharedMemory, createUnitEngine, type UnitEngineOptions } from '../run/engine.ts'
import { createJobRunner, type JobRunner, transfersOf } from './jobs.ts'
import { type JobMessage, type SharedModelMemory, sendError, type ThreadData, type ThreadMessage } from './messages.ts'

/** Loads the models, says so, and runs jobs one after the other. Rejects if a model cannot be loaded. */
export async function serve(
  port: MessagePort,
  data: ThreadData,
  wrap: (runner: JobRunner) => JobRunner = (runner) => runner,
): Promise<void> {
  const send = (message: ThreadMessage, transfers: ArrayBuffer[] = []): void => port.postMessage(message, transfers)
  const hash = await createFastHash()
  const kernels = await createKernels(data.kernels, data.wide)
  const models = await Promise.all(
    data.models.map((source) => ('path' in source ? loadModel(source.path, hash) : parseModel(source.bytes, hash))),
  )
  const memories = data.memories ?? sharedMemories(models, data, kernels)
  const engines = models.map((model, i) => createUnitEngine({ model, kernels, hash, ...placeOf(data, memories, i) }))
  const runner = wrap(createJobRunner(engines, hash, (model) => createUnitEngine({ model, kernels, hash })))
  port.on('message', ({ id, job }: JobMessage) => {
    try {
      const outcome = runner(job)
      send({ kind: 'outcome', id, outcome }, transfersOf(outcome))
    } catch (error) {
      send({ kind: 'error', id, error: sendError(error) })
    }
  })
  send({ kind: 'ready', kernels: kernels.name, memories })
}

/** One memory for each model, for all threads; undefined for a single thread, whose memory is its own. */
function sharedMemories(
  models: readonly Model[],
  { models: sources, threads }: ThreadData,
  kernels: KernelFactory,
): readonly SharedModelMemory[] | undefined {
  if (threads === 1) return undefined
  return models.map((model, i) => createSharedMemory(model, kernels, sources[i]!.lottery, threads))
}

function placeOf(
  { models, thread, threads }: ThreadData,
  memories: readonly SharedModelMemory[] | undefined,
  i: number,
): Pick<UnitEngineOptions, 'lottery' | 'shared'> {
  const { lottery } = models[i]!
  const memory = memories?.[i]?.memory
  return memory === undefined ? { lottery } : { lottery, shared: { memory, thread, threads } }
}

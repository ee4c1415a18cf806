import type { MessagePort } from 'node:worker_threads'
import { loadModel } from '../files/load.ts'
import { parseModel } from '../files/model-file.ts'
import { createFastHash } from '../hashing/fast-hash.ts'
import { createKernels } from '../kernels/create.ts'
import { createUnitEngine } from '../run/engine.ts'
import { createJobRunner, type JobRunner, transfersOf } from './jobs.ts'
import { type JobMessage, sendError, type ThreadData, type ThreadMessage } from './messages.ts'

/** Loads the models, says so, and runs jobs one after the other. Rejects if a model cannot be loaded. */
export async function serve(
  port: MessagePort,
  data: ThreadData,
  wrap: (runner: JobRunner) => JobRunner = (runner) => runner,
): Promise<void> {
  const send = (message: ThreadMessage, transfers: ArrayBuffer[] = []): void => port.postMessage(message, transfers)
  const hash = await createFastHash()
  const kernels = await createKernels(data.kernels)
  const models = await Promise.all(
    data.models.map((source) => ('path' in source ? loadModel(source.path, hash) : parseModel(source.bytes, hash))),
  )
  const engines = models.map((model) => createUnitEngine({ model, kernels, hash }))
  const runner = wrap(createJobRunner(engines, hash))
  port.on('message', ({ id, job }: JobMessage) => {
    try {
      const outcome = runner(job)
      send({ kind: 'outcome', id, outcome }, transfersOf(outcome))
    } catch (error) {
      send({ kind: 'error', id, error: sendError(error) })
    }
  })
  send({ kind: 'ready' })
}

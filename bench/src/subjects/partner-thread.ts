/** Entry of the second thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { createFastHash, createKernels, createUnitEngine } from '@nacre/engine'
import { task as unitTask } from './devnet.ts'
import { tokenModel } from './nacre-tokens.ts'
import { ASKED, DONE, FAILED, type PartnerData, type PartnerTask, waitFor } from './partner.ts'

const { task, control } = workerData as PartnerData
const words = new Int32Array(control)
const work = await prepare(task)
parentPort!.postMessage('ready')
for (let done = 0; ; done++) {
  waitFor(words, ASKED, (asked) => asked > done)
  try {
    work()
    Atomics.store(words, DONE, done + 1)
  } catch (error) {
    Atomics.store(words, DONE, FAILED)
    throw error
  } finally {
    Atomics.notify(words, DONE)
  }
}

async function prepare(given: PartnerTask): Promise<() => void> {
  const factory = await createKernels(given.kernels)
  if (given.kind === 'gemm') {
    const kernels = factory.attach(given.memory, given.scratch, given.limits)
    return () => kernels.gemm(given.call)
  }
  const hash = await createFastHash()
  const model = await tokenModel(given.model, hash)
  const shared = { memory: given.memory, thread: 1, threads: 2 }
  const engine = createUnitEngine({ model, kernels: factory, hash, shared })
  return () => {
    engine.generate(unitTask(1, given.promptTokens, given.newTokens))
  }
}

/** Executions that wait for their turn, and an answer's score when they cannot be executed. */
import { createFastHash, createKernels, createUnitEngine, inlineWorkers } from '@nacre/engine'
import { unitModel } from '@nacre/protocol'
import { afterEach, describe, expect, it } from 'vitest'
import { createScorer } from '../src/index.ts'
import { queuedWorkers } from '../src/jobs/queued-workers.ts'
import { shortQueue } from './support/short-queue.ts'
import { closeAll, realAnswer, testGateway } from './support.ts'

afterEach(closeAll)

const hash = await createFastHash()
const engine = createUnitEngine({ model: unitModel(), kernels: await createKernels(), hash })
const task = {
  promptTokens: [1, 2, 3],
  maxNewTokens: 2,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
}
const job = { kind: 'executeUnit', modelId: unitModel().modelId, task } as const
const few = () => shortQueue(inlineWorkers([engine], hash), 4)

describe('a queue before workers', () => {
  it('turns nobody away, and is one queue for all who ask for it', async () => {
    const workers = few()
    expect(queuedWorkers(queuedWorkers(workers))).toBe(queuedWorkers(workers))
    await expect(Promise.all(Array.from({ length: 20 }, () => workers.run(job)))).rejects.toMatchObject({
      code: 'WORKER_QUEUE_FULL',
    })
    const queued = queuedWorkers(few())
    const both = Array.from({ length: 20 }, () => queued.run(job))
    expect(await Promise.all(both)).toHaveLength(20)
  })

  it('whoever gives up leaves it, and keeps no place', async () => {
    const queued = queuedWorkers(few())
    const first = Array.from({ length: 4 }, () => queued.run(job))
    const abort = new AbortController()
    const gone = queued.run(job, { signal: abort.signal })
    const last = queued.run(job)
    abort.abort()
    await expect(gone).rejects.toMatchObject({ code: 'WORKER_CANCELLED' })
    await expect(queued.run(job, { signal: abort.signal })).rejects.toMatchObject({ code: 'WORKER_CANCELLED' })
    await Promise.all([...first, last])
  })
})

it('the best of sixteen is chosen by workers that let four wait', async () => {
  const { openai } = await testGateway({ script: realAnswer, score: createScorer(few()) })
  const body = { model: 'small', prompt: 'ab', max_tokens: 4, temperature: 1, best_of: 16 } as const
  const response = await openai.completions.create(body)
  expect(response.choices).toHaveLength(1)
})

it('answers that no worker can execute are verification_failed, not a fault of the gateway', async () => {
  const stopped = inlineWorkers([engine], hash)
  await stopped.stop()
  const { openai, logs } = await testGateway({ script: realAnswer, score: createScorer(stopped) })
  const best = openai.completions.create({ model: 'small', prompt: 'ab', max_tokens: 4, best_of: 2 })
  await expect(best).rejects.toMatchObject({ status: 503, code: 'verification_failed' })
  expect(logs).toEqual([])
})

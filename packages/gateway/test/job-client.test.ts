/** The job client against a node that is told what to say: lies, silence, lost transactions. */
import { setTimeout as delay } from 'node:timers/promises'
import { bytesToHex, decodeFee, keyPairFromSeed, promptFee } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createJobClient,
  type JobClient,
  type JobClientOptions,
  type JobProgress,
  type JobRequest,
  leastLifetimeBlocks,
  type SubmitOptions,
} from '../src/index.ts'
import { engineWorkers, FakeNode, MINER, market, model, PRICE, params } from './support/fake-node.ts'

const keys = keyPairFromSeed(new Uint8Array(32).fill(7))
const REQUEST: JobRequest = {
  modelId: bytesToHex(model.modelId),
  promptTokens: [1, 2, 3],
  maxNewTokens: 4,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
  maxPriceGrains: 100n,
}

let node: FakeNode
const clients: JobClient[] = []
beforeEach(async () => {
  node = await new FakeNode().start()
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.stop()))
  await node.stop()
})

async function client(options: Partial<JobClientOptions> = {}): Promise<JobClient> {
  const made = await createJobClient({ rpcUrl: node.url, keys, market, workers: engineWorkers(), ...options })
  clients.push(made)
  return made
}
const never = new AbortController().signal
const submit = (to: JobClient, request: Partial<JobRequest> = {}, options: Partial<SubmitOptions> = {}) =>
  to.submit({ ...REQUEST, ...request }, { signal: never, verify: 'full', ...options })
/** Until something holds, or half a minute. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    if (holds()) return
    await delay(10)
  }
  throw new Error(`not within 30 s: ${holds}`)
}

describe('an answer', () => {
  test('is verified, and costs what the protocol says at the clearing price', async () => {
    const answer = await submit(await client())
    expect(answer).toMatchObject({
      minerKey: MINER,
      rank: 0,
      receiptHeight: undefined,
      finishReason: 'length',
      priceGrains: PRICE,
      verification: 'verified',
      feeGrains: promptFee(params, model.config, 3, PRICE) + decodeFee(model.config, 4, PRICE),
    })
    expect(answer.tokens).toHaveLength(4)
    expect(answer.timings.answeredMs).toBeGreaterThanOrEqual(answer.timings.postedMs)
    expect([...node.jobs.keys()]).toEqual([answer.jobId])
  })

  test('every state is told once, in order', async () => {
    node.onJob = async ({ id }) => {
      await until(() => node.streams === 1)
      for (const status of ['open', 'cleared', 'assigned', 'assigned'] as const) {
        node.show(id, { status })
        await delay(20)
      }
      node.answer(id)
    }
    const told: JobProgress[] = []
    const { jobId } = await submit(await client(), {}, { onProgress: (progress) => void told.push(progress) })
    const expected = ['waiting', 'open', 'cleared', 'assigned', 'answered']
    expect(told.map(({ status }) => status).filter((status, i, all) => status !== all[i - 1])).toEqual(expected)
    expect(told.every((progress) => progress.jobId === jobId)).toBe(true)
  })

  test('comes without events, too', async () => {
    node.hasEvents = false
    node.onJob = ({ id }) => void setTimeout(() => node.answer(id), 300)
    expect((await submit(await client())).verification).toBe('verified')
  })

  test('in a block says so', async () => {
    node.onJob = ({ id }) => node.answer(id, { height: 14 }, { status: 'delivered' })
    expect((await submit(await client())).receiptHeight).toBe(14)
  })

  test('is verified as often as the share says', async () => {
    const sampled = { verify: 'sampled' } as const
    expect((await submit(await client({ sampleShare: 0 }), {}, sampled)).verification).toBe('unchecked')
    expect((await submit(await client({ sampleShare: 1 }), {}, sampled)).verification).toBe('verified')
    expect((await submit(await client(), {}, { verify: 'off' })).verification).toBe('unchecked')
  })
})

describe('a false answer is ANSWER_FALSE:', () => {
  const ROOT = 'ee'.repeat(32)
  test.each<[string, Parameters<FakeNode['answer']>[1], Parameters<FakeNode['answer']>[2], RegExp]>([
    ['another trace', { traceRoot: ROOT }, {}, /its trace root is eeee/],
    ['a token that the model does not choose', { tokens: [0, 0, 0, 0] }, {}, /BLOCK_REPLAY_TOKENS: token 0 at 3/],
    ['too few tokens', { tokens: [5] }, {}, /its 1 tokens do not end by the rule/],
    ['a token outside the vocabulary', { tokens: [5, 5, 5, 70_000] }, {}, /outside the vocabulary/],
    ['a miner that has no such rank', { rank: 1 }, {}, /rank 1 of the job is bbbb/],
    ['a price above the bid', {}, { priceGrains: '101' }, /the price 101 is above the bid 100/],
  ])('%s', async (_what, receipt, view, message) => {
    node.onJob = ({ id }) => node.answer(id, receipt, view)
    const error = await submit(await client()).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ name: 'JobError', code: 'ANSWER_FALSE', message, jobId: [...node.jobs.keys()][0] })
  })

  test('what nobody executed is not called verified', async () => {
    node.onJob = ({ id }) => node.answer(id, { traceRoot: ROOT })
    expect(await submit(await client(), {}, { verify: 'off' })).toMatchObject({
      verification: 'unchecked',
      traceRoot: ROOT,
    })
  })

  test('one that cannot be executed here is CHECK_FAILED', async () => {
    const workers = engineWorkers()
    await workers.stop()
    await expect(submit(await client({ workers }))).rejects.toMatchObject({ code: 'CHECK_FAILED' })
  })
})

describe('a job that ends without an answer', () => {
  test('NO_MINER where it was assigned, EXPIRED where nobody asked', async () => {
    node.onJob = ({ id }) => node.show(id, { status: 'returned', openedHeight: 12 })
    await expect(submit(await client())).rejects.toMatchObject({ code: 'NO_MINER' })
    node.onJob = ({ id }) => node.show(id, { status: 'returned' })
    await expect(submit(await client())).rejects.toMatchObject({ code: 'EXPIRED' })
  })

  test('NO_MINER where the node tells of the assignment only while it lasts', async () => {
    node.onJob = async ({ id }) => {
      node.show(id, { status: 'assigned' })
      await delay(50)
      node.show(id, { status: 'returned' })
    }
    await expect(submit(await client())).rejects.toMatchObject({ code: 'NO_MINER' })
  })

  test('DEADLINE, STOPPED', async () => {
    node.onJob = () => undefined
    const patient = await client()
    const late = new AbortController()
    const waiting = submit(patient, {}, { signal: late.signal })
    waiting.catch(() => undefined)
    await until(() => node.jobs.size === 1)
    late.abort(new DOMException('too late', 'TimeoutError')) // as AbortSignal.timeout does
    await expect(waiting).rejects.toMatchObject({ code: 'DEADLINE' })
    const abort = new AbortController()
    const left = submit(patient, {}, { signal: abort.signal })
    left.catch(() => undefined)
    await until(() => node.jobs.size === 2)
    abort.abort()
    await expect(left).rejects.toMatchObject({ code: 'STOPPED' })
    const told: JobProgress[] = []
    const stopped = submit(patient, {}, { onProgress: (progress) => void told.push(progress) })
    stopped.catch(() => undefined)
    await until(() => told.length > 0)
    await patient.stop()
    await expect(stopped).rejects.toMatchObject({ code: 'STOPPED', jobId: [...node.jobs.keys()][2] })
    await expect(submit(patient)).rejects.toMatchObject({ code: 'STOPPED' })
    await until(() => node.streams === 0)
  })

  test('STOPPED while nobody knows whether the node has it: the job is named', async () => {
    node.refuse = () => 'silent'
    const abort = new AbortController()
    const left = submit(await client(), {}, { signal: abort.signal })
    left.catch(() => undefined)
    await until(() => node.jobs.size === 1)
    abort.abort()
    await expect(left).rejects.toMatchObject({ code: 'STOPPED', jobId: [...node.jobs.keys()][0] })
  })

  test('BUSY beyond the bound', async () => {
    node.onJob = () => undefined
    const small = await client({ maxInFlight: 2 })
    const first = [submit(small), submit(small)]
    for (const each of first) each.catch(() => undefined)
    await expect(submit(small)).rejects.toMatchObject({ code: 'BUSY' })
    await until(() => node.jobs.size === 2)
    for (const id of node.jobs.keys()) node.answer(id)
    await Promise.all(first)
  })
})

describe('a node', () => {
  test('of another chain is WRONG_NETWORK', async () => {
    node.chainId = 'ab'.repeat(32)
    await expect(client()).rejects.toMatchObject({
      code: 'WRONG_NETWORK',
      message: expect.stringContaining('abababab'),
    })
  })

  test('that became one of another chain is WRONG_NETWORK', async () => {
    const made = await client()
    node.refuse = () => ({ code: 'TX_CHAIN' })
    await expect(submit(made)).rejects.toMatchObject({ code: 'WRONG_NETWORK' })
  })

  test('that is not there is NO_NODE, before and while a job is under way', async () => {
    node.onJob = () => undefined
    const made = await client({ silenceMs: 300 })
    const left = submit(made)
    left.catch(() => undefined)
    await until(() => node.jobs.size === 1)
    await node.stop()
    await expect(left).rejects.toMatchObject({ code: 'NO_NODE', jobId: [...node.jobs.keys()][0] })
    await expect(submit(made)).rejects.toMatchObject({ code: 'NO_NODE' })
    await expect(client()).rejects.toMatchObject({ code: 'NO_NODE' })
  })

  test('that comes back in time is followed on', async () => {
    node.onJob = () => undefined
    const made = await client()
    const left = submit(made)
    await until(() => node.jobs.size === 1 && node.streams === 1)
    await node.stop()
    await delay(100)
    await node.start()
    node.answer([...node.jobs.keys()][0]!)
    expect((await left).verification).toBe('verified')
  })

  test('that says something else than a job is NOT_A_NODE', async () => {
    node.onJob = ({ id }) => node.show(id, { status: 'fine' as never })
    await expect(submit(await client())).rejects.toMatchObject({ code: 'NOT_A_NODE' })
  })
})

describe('nonces', () => {
  const noncesTaken = () => [...node.jobs.values()].map(({ transaction }) => transaction.nonce)

  test('several jobs at once have one each', async () => {
    node.nonce = 5n
    const made = await client()
    const answers = await Promise.all(Array.from({ length: 5 }, () => submit(made)))
    expect(new Set(answers.map(({ jobId }) => jobId)).size).toBe(5)
    expect(noncesTaken()).toEqual([5n, 6n, 7n, 8n, 9n])
    expect(node.posted).toHaveLength(5)
  })

  test('a refused job uses none up', async () => {
    const made = await client()
    node.refuse = () => ({ code: 'JOB_BOOK_FULL' })
    await expect(submit(made)).rejects.toMatchObject({ code: 'JOB_BOOK_FULL', jobId: undefined })
    node.refuse = () => ({ code: 'TX_INSUFFICIENT_FUNDS' })
    await expect(submit(made)).rejects.toMatchObject({ code: 'TX_INSUFFICIENT_FUNDS' })
    node.refuse = () => ({ code: 'BUSY', status: 503 })
    await expect(submit(made)).rejects.toMatchObject({ code: 'BUSY' })
    node.refuse = undefined
    await submit(made)
    expect(noncesTaken()).toEqual([0n])
  })

  test('one that something else used is replaced by the next', async () => {
    const made = await client()
    await submit(made)
    node.nonce = 7n
    await submit(made)
    expect(noncesTaken()).toEqual([0n, 7n])
  })

  test('a node that calls every nonce low gets three signatures, no more', async () => {
    const made = await client()
    node.refuse = () => ({ code: 'TX_NONCE_LOW' })
    await expect(submit(made)).rejects.toMatchObject({ code: 'TX_NONCE_LOW' })
    expect(node.posted).toHaveLength(3)
  })

  test('a lost answer is asked for again with the same bytes: one job, not two', async () => {
    let cuts = 1
    node.refuse = () => (cuts-- > 0 ? 'cut' : undefined)
    const left = submit(await client())
    left.catch(() => undefined)
    await until(() => node.posted.length === 2)
    expect(node.posted[1]).toBe(node.posted[0])
    node.answer([...node.jobs.keys()][0]!)
    await left
    expect(node.jobs.size).toBe(1)
  })

  test('jobs that a node lost are sent again, the same bytes', async () => {
    node.onJob = () => undefined
    const made = await client()
    const both = [submit(made), submit(made)]
    for (const each of both) each.catch(() => undefined)
    await until(() => node.jobs.size === 2)
    const before = new Set(node.posted)
    node.jobs.clear()
    node.onJob = ({ id }) => node.answer(id)
    const answers = await Promise.all(both)
    expect(answers.map(({ verification }) => verification)).toEqual(['verified', 'verified'])
    expect(new Set(node.posted)).toEqual(before)
    expect(noncesTaken()).toEqual([0n, 1n])
  })

  test('one that a node lost and that comes too late now is EXPIRED', async () => {
    node.onJob = () => undefined
    const left = submit(await client())
    left.catch(() => undefined)
    await until(() => node.jobs.size === 1)
    node.jobs.clear()
    node.refuse = () => ({ code: 'JOB_EXPIRED' })
    await expect(left).rejects.toMatchObject({ code: 'EXPIRED' })
  })

  test('a new job puts those back that the node lost before it', async () => {
    node.onJob = () => undefined
    const made = await client()
    const abort = new AbortController()
    const first = submit(made)
    first.catch(() => undefined)
    await until(() => node.jobs.size === 1)
    node.jobs.clear()
    node.onJob = ({ id }) => node.answer(id)
    await submit(made, {}, { signal: abort.signal })
    expect(noncesTaken()).toEqual([0n, 1n])
    await first
  })

  test('what is signed is written down before it is sent; what cannot be is not sent', async () => {
    const lines: string[] = []
    const journal = {
      signing: async ({ nonce }: { nonce: bigint }) => {
        if (nonce > 0n) throw new Error('the disk is full')
        lines.push(`signing ${nonce}, ${node.posted.length} posted`)
      },
      answered: async (_id: string, isTaken: boolean) => void lines.push(`taken ${isTaken}`),
    }
    const made = await client({ journal })
    await submit(made)
    await expect(submit(made)).rejects.toThrow('the disk is full')
    expect(lines).toEqual(['signing 0, 0 posted', 'taken true'])
    expect(node.posted).toHaveLength(1)
  })
})

describe('refused before anything is posted', () => {
  const most = params.jobs.maxLifetimeBlocks
  test.each<[string, Partial<JobRequest>, string]>([
    ['an unknown model', { modelId: '12'.repeat(32) }, 'UNKNOWN_MODEL'],
    ['no model id', { modelId: 'small' }, 'UNKNOWN_MODEL'],
    ['a prompt that is too long', { promptTokens: Array.from({ length: 100_000 }, () => 1) }, 'PROMPT_TOO_LONG'],
    ['no prompt', { promptTokens: [] }, 'JOB_PROMPT'],
    ['a token outside the vocabulary', { promptTokens: [70_000] }, 'JOB_PROMPT'],
    ['a token that is no number', { promptTokens: [1.5] }, 'JOB_PROMPT'],
    ['a negative token', { promptTokens: [-1] }, 'JOB_PROMPT'],
    ['no new tokens', { maxNewTokens: 0 }, 'JOB_NEW_TOKENS'],
    ['half a token', { maxNewTokens: 1.5 }, 'JOB_NEW_TOKENS'],
    ['a price of nothing', { maxPriceGrains: 0n }, 'JOB_PRICE'],
    ['a negative price', { maxPriceGrains: -1n }, 'JOB_PRICE'],
    ['a price that overflows', { maxPriceGrains: 1n << 80n }, 'JOB_PRICE'],
    ['a life that is too short', { lifetimeBlocks: leastLifetimeBlocks(params) - 1 }, 'JOB_EXPIRED'],
    ['a life that is too long', { lifetimeBlocks: most + 1 }, 'JOB_EXPIRY_TOO_FAR'],
    ['a seed of another size', { decoding: { ...REQUEST.decoding, seed: new Uint8Array(31) } }, 'UNIT_SHAPE'],
    ['a temperature out of bounds', { decoding: { ...REQUEST.decoding, temperatureMilli: 65_536 } }, 'UNIT_SHAPE'],
  ])('%s', async (_what, request, code) => {
    await expect(submit(await client(), request)).rejects.toMatchObject({ name: 'JobError', code, jobId: undefined })
    expect(node.posted).toEqual([])
  })

  test('a check without a model', async () => {
    const made = await createJobClient({ rpcUrl: node.url, keys, market })
    clients.push(made)
    await expect(submit(made)).rejects.toMatchObject({ code: 'CHECK_FAILED' })
    expect(node.posted).toEqual([])
  })
})

/** The job client on a real network: full nodes, miners that deliver, a verifier, HTTP in between. */
import { accountOf, executeUnit, hexToBytes, type KeyPair, keyPairFromSeed, readJob } from '@nacre/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ASK, NCR, PaidNetwork } from '../../cli/test/paid-network.ts'
import { createJobClient, type JobClient, type JobProgress, type JobRequest } from '../src/index.ts'
import { engineWorkers } from './support/fake-node.ts'

const client = (byte: number): KeyPair => keyPairFromSeed(new Uint8Array(32).fill(byte))
const [alice, bob, carol, poor] = [71, 72, 73, 74].map(client) as [KeyPair, KeyPair, KeyPair, KeyPair]
const FEE = 1000n
let paid: PaidNetwork
const clients: JobClient[] = []

beforeAll(async () => {
  paid = new PaidNetwork('job-client', 2)
  await paid.start([alice, bob, carol])
}, 120_000)
afterAll(async () => {
  await Promise.all(clients.map((each) => each.stop()))
  await paid.stop()
})

async function clientOf(keys: KeyPair): Promise<JobClient> {
  const { market } = paid.network.context
  const made = await createJobClient({ rpcUrl: paid.url, keys, market, workers: engineWorkers() })
  clients.push(made)
  return made
}
const never = new AbortController().signal
const request = (prompt: string, change: Partial<JobRequest> = {}): JobRequest => ({
  modelId: paid.network.context.params.models[0]!.modelId,
  promptTokens: [...prompt].map((letter) => letter.charCodeAt(0)),
  maxNewTokens: 5,
  decoding: { temperatureMilli: 800, seed: new Uint8Array(32).fill(prompt.length), stopAtEos: true },
  maxPriceGrains: 2n * ASK,
  ...change,
})
const isOver = (jobId: string): boolean => readJob(paid.plain.node.chain.reader, hexToBytes(jobId)) === undefined

test('several jobs at once are answered truly, and cost what they say, to the grain', async () => {
  const before = paid.balanceOf(alice)
  const to = await clientOf(alice)
  const told: JobProgress[] = []
  const requests = ['what is it?', 'and this?', 'why'].map((prompt) => request(prompt))
  const answers = await Promise.all(
    requests.map((each) =>
      to.submit(each, { signal: never, verify: 'full', onProgress: (progress) => void told.push(progress) }),
    ),
  )
  const { model } = paid.network.context.bootstrap
  for (const [i, { promptTokens, maxNewTokens, decoding }] of requests.entries()) {
    const { tokens } = executeUnit(model, { promptTokens, maxNewTokens, decoding })
    expect(answers[i]!.tokens).toEqual([...tokens].slice(promptTokens.length))
    expect(answers[i]).toMatchObject({ verification: 'verified', rank: 0 })
    expect(answers[i]!.priceGrains).toBeGreaterThanOrEqual(ASK)
  }
  expect(told.map(({ status }) => status)).toEqual(
    expect.arrayContaining(['waiting', 'cleared', 'assigned', 'answered']),
  )
  await paid.until(() => answers.every(({ jobId }) => isOver(jobId)))
  const fees = answers.reduce((sum, { feeGrains }) => sum + feeGrains + FEE, 0n)
  expect(before - paid.balanceOf(alice)).toBe(fees)
  expect((await to.balance(never)).spendableGrains).toBe(before - fees)
})

test('a job that the node lost, and a node that starts anew, are survived', async () => {
  const to = await clientOf(bob)
  const { node } = paid.plain
  const account = accountOf(bob.publicKey)
  const left = await paid.paused(async () => {
    const answer = to.submit(request('lost and found'), { signal: never, verify: 'full' })
    answer.catch(() => undefined)
    await paid.until(() => node.mempool.waitingOf(account).length === 1)
    await paid.rpc!.stop()
    for (const bytes of node.mempool.candidates(64, node.chain.reader)) node.mempool.remove(bytes)
    expect(node.mempool.waitingOf(account)).toEqual([])
    await paid.listen()
    await paid.until(() => node.mempool.waitingOf(account).length === 1)
    return { answer }
  })
  expect((await left.answer).verification).toBe('verified')
})

test('a bid below every ask returns EXPIRED, and all of it comes back', async () => {
  const before = paid.balanceOf(carol)
  const to = await clientOf(carol)
  const cheap = request('for nothing', { maxPriceGrains: ASK / 2n, lifetimeBlocks: 20 })
  await expect(to.submit(cheap, { signal: never, verify: 'full' })).rejects.toMatchObject({ code: 'EXPIRED' })
  expect(before - paid.balanceOf(carol)).toBe(FEE)
})

test('a client without funds posts nothing', async () => {
  const to = await clientOf(poor)
  await expect(to.submit(request('please'), { signal: never, verify: 'off' })).rejects.toMatchObject({
    code: 'TX_INSUFFICIENT_FUNDS',
    jobId: undefined,
  })
  expect(await to.balance(never)).toMatchObject({ maturedGrains: 0n, waitingGrains: 0n })
})

// The last one: it leaves nobody to deliver.
test('miners that are gone return NO_MINER, and all but the burn of the prompt comes back', async () => {
  const before = paid.balanceOf(carol)
  const to = await clientOf(carol)
  await Promise.all(paid.miners.map(({ miner }) => miner!.stop()))
  const left = to.submit(request('is anybody there?'), { signal: never, verify: 'full' })
  await expect(left).rejects.toMatchObject({ code: 'NO_MINER' })
  const lost = before - paid.balanceOf(carol) - FEE
  expect(lost).toBeGreaterThan(0n)
  expect(lost).toBeLessThan(NCR)
})

/** Who is named as the miner of a job under provenance client-signed (B1). */
import { bytesToHex, chainIdOf, keyPairFromSeed, overrideParams } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createJobClient, type JobClient, type JobRequest } from '../src/index.ts'
import { drawByRoom } from '../src/jobs/name-miner.ts'
import { engineWorkers, FakeNode, MINER, market, model, params } from './support/fake-node.ts'

const signed = overrideParams(params, ['bindings.provenance=client-signed'])
const REQUEST: JobRequest = {
  modelId: bytesToHex(model.modelId),
  promptTokens: [1, 2, 3],
  maxNewTokens: 4,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
  maxPriceGrains: 100n,
}
const ask = (minerKey: string, priceGrains: string, roomMacs = '1000') => ({
  ...{ minerKey, priceGrains, capacityMacs: roomMacs, roomMacs, weightMacs: '0' },
})
const DEAR = 'ee'.repeat(32)
const signal = new AbortController().signal

let node: FakeNode
let client: JobClient
const start = async (with_: typeof params): Promise<void> => {
  node.chainId = bytesToHex(chainIdOf(with_))
  const keys = keyPairFromSeed(new Uint8Array(32).fill(8))
  client = await createJobClient({
    ...{ rpcUrl: node.url, keys, market: { ...market, params: with_ }, workers: engineWorkers(), silenceMs: 1_000 },
  })
}
beforeEach(async () => {
  node = await new FakeNode().start()
})
afterEach(async () => {
  await client.stop()
  await node.stop()
})
const named = (): string[] =>
  [...node.jobs.values()].map(({ job }) => (job.minerKey === undefined ? '' : bytesToHex(job.minerKey)))

describe('client-signed', () => {
  test('one whose ask is within the bid is named', async () => {
    await start(signed)
    node.asks = [ask(DEAR, '101'), ask(MINER, '100')]
    expect(await client.submit(REQUEST, { signal, verify: 'full' })).toMatchObject({ verification: 'verified' })
    expect(named()).toEqual([MINER])
  })

  test('whoever the caller names is named, whatever it asks', async () => {
    await start(signed)
    node.asks = [ask(DEAR, '101')]
    await client.submit({ ...REQUEST, minerKey: MINER }, { signal, verify: 'full' })
    expect(named()).toEqual([MINER])
  })

  test.each([
    ['NO_MINER', 'nobody asks so little', {}, [ask(DEAR, '101')]],
    ['UNKNOWN_MODEL', 'the model is unknown', { modelId: '77'.repeat(32) }, []],
    ['JOB_MINER', 'the name is no key', { minerKey: 'somebody' }, []],
  ])('%s where %s, and nothing is posted', async (code, _, change, asks) => {
    await start(signed)
    node.asks = asks
    await expect(client.submit({ ...REQUEST, ...change }, { signal, verify: 'full' })).rejects.toMatchObject({ code })
    expect(node.posted).toEqual([])
  })
})

test('under assigned nobody is named, and a name is refused', async () => {
  await start(params)
  node.asks = [ask(MINER, '1')]
  await client.submit(REQUEST, { signal, verify: 'full' })
  expect(named()).toEqual([''])
  const refused = client.submit({ ...REQUEST, minerKey: MINER }, { signal, verify: 'full' })
  await expect(refused).rejects.toMatchObject({ code: 'JOB_MINER' })
})

test('each is drawn as often as its part of all room', async () => {
  await start(params)
  const asks = [ask('a', '1', '10'), ask('b', '1', '0'), ask('c', '1', '30')]
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
  for (let at = 0; at < 1_000_000; at += 1_000) counts[drawByRoom(asks, at)]!++
  expect(counts).toEqual({ a: 250, b: 0, c: 750 })
  expect(drawByRoom([ask('a', '1', '0'), ask('b', '1', '0')], 999_999)).toBe('a')
})

import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { type JobView, RpcError } from '@nacre/node/rpc-client'
import OpenAI from 'openai'
import { afterEach, expect, it } from 'vitest'
import { JobError, readKeys, SpendingLedger } from '../src/index.ts'
import { answerFor, closeAll, hex, keyFile, params, testGateway } from './support.ts'

afterEach(closeAll)

const QUESTION = { model: 'small', prompt: 'ab', max_tokens: 4 } as const
const FEE = params.fees.minTransactionGrains
const HOUR_MS = 3_600_000
/** A reservation: two grains and some for the job at the highest bid, and the fee of its transaction. */
const reserveOf = async (): Promise<bigint> => {
  const { path, ledgerPath, keys } = await keyFile([{}])
  const { openai, gateway } = await testGateway({
    ...{ keysPath: path, ledgerPath, apiKey: keys[0]! },
    script: () => new Promise(() => undefined),
    deadlineMs: 50,
  })
  await openai.completions.create(QUESTION).catch(() => undefined)
  await gateway.stop()
  const ledger = new SpendingLedger(ledgerPath)
  const { grains } = ledger.spending({ id: (await readKeys(path))[0]!.id, limitGrains: 0n, windowHours: 24 })
  ledger.close()
  return grains
}
/** A job with an answer in the block of a height. */
const delivered = (id: string, grains: bigint, height: number): JobView => ({
  ...{ id, status: 'delivered' },
  fee: {
    ...{ inputGrains: '0', outputGrains: `${grains}`, minerGrains: `${grains}` },
    ...{ burnedGrains: '0', verifierGrains: '0', returnedGrains: '0' },
  },
  receipt: {
    ...{ minerKey: hex(0xaa), rank: 0, tokens: [1], traceRoot: hex(2), unitParentId: hex(3), transactionId: hex(4) },
    ...{ height, isAudited: false },
  },
})
const settled = (id: string, grains: bigint, endHeight: number): JobView => ({
  ...delivered(id, grains, endHeight - 6),
  ...{ status: 'settled', endHeight },
})
/** Until so many rounds have settled something. */
async function heard(logs: readonly object[], rounds: number): Promise<void> {
  for (let i = 0; i < 100 && logs.length < rounds; i++) await delay(100)
  expect(logs).toEqual(Array.from({ length: rounds }, () => ({ event: 'charges_settled', charges: 1 })))
}
async function spentBy(path: string, ledgerPath: string): Promise<bigint> {
  const ledger = new SpendingLedger(ledgerPath)
  const { grains } = ledger.spending((await readKeys(path))[0]!)
  ledger.close()
  return grains
}
/** What an answer of three tokens costs, its transaction included. */
const COST =
  answerFor(
    {
      ...{ modelId: '', promptTokens: [256, 97, 98], maxNewTokens: 4, maxPriceGrains: 0n },
      decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
    },
    0,
    'ok',
  ).feeGrains + FEE

it('charges what the job cost, and refuses what may exceed the limit, also after a restart', async () => {
  const reserve = await reserveOf()
  const { path, ledgerPath, keys } = await keyFile([{ limitGrains: COST + reserve }])
  const jobView = async (id: string): Promise<JobView> => settled(id, COST - FEE, 90)
  const options = { keysPath: path, ledgerPath, apiKey: keys[0]!, maxRetries: 2, jobView }
  const first = await testGateway(options)
  await first.openai.completions.create(QUESTION)
  await heard(first.logs, 1)
  await first.openai.completions.create(QUESTION)
  await heard(first.logs, 2)
  await first.gateway.stop()
  const second = await testGateway(options)
  const refused = second.openai.completions.create(QUESTION)
  await expect(refused).rejects.toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' })
  await expect(refused).rejects.toBeInstanceOf(OpenAI.RateLimitError)
  expect(second.requests).toHaveLength(0)
  await second.gateway.stop()
  const ledger = new SpendingLedger(ledgerPath)
  const { id } = (await readKeys(path))[0]!
  expect(ledger.spending({ id, limitGrains: 0n, windowHours: 24 }).grains).toBe(2n * COST)
  expect(ledger.open(10)).toEqual([])
  ledger.close()
})

it('keeps the whole reservation while no deep block has the answer; says what is open', async () => {
  const reserve = await reserveOf()
  const { path, ledgerPath, keys } = await keyFile([{ limitGrains: 2n * reserve - 1n }])
  // A miner that shows a short answer, and puts a long one in its place.
  let view: JobView = { ...delivered(hex(1), 1n, 90), status: 'answered' }
  let tipHeight = 94
  const { openai, gateway, logs } = await testGateway({
    ...{ keysPath: path, ledgerPath, apiKey: keys[0]!, jobView: async () => view, tipHeight: () => tipHeight },
    script: () => ({ receiptHeight: undefined, feeGrains: 1n }),
  })
  const openCharges = async (): Promise<unknown> => {
    const status = await fetch(`${gateway.url}/status`, { headers: { authorization: `Bearer ${keys[0]}` } })
    return ((await status.json()) as { openCharges: unknown }).openCharges
  }
  await openai.completions.create(QUESTION)
  await delay(1200)
  await expect(openai.completions.create(QUESTION)).rejects.toMatchObject({ code: 'insufficient_quota' })
  view = delivered(hex(1), 4n, 90)
  // Five blocks deep: another branch may have it at another price.
  await delay(1200)
  await expect(openai.completions.create(QUESTION)).rejects.toMatchObject({ code: 'insufficient_quota' })
  expect(await openCharges()).toBe(1)
  view = settled(hex(1), 3n, 90)
  tipHeight = 95
  await heard(logs, 1)
  expect(await openCharges()).toBe(0)
  await gateway.stop()
  expect(await spentBy(path, ledgerPath)).toBe(FEE + 3n)
})

it('charges an answer its fee before it settles, and only the burn if it is condemned', async () => {
  const reserve = await reserveOf()
  const { path, ledgerPath, keys } = await keyFile([{ limitGrains: FEE + 4n + reserve }])
  let view: JobView = delivered(hex(1), 4n, 90)
  const { openai, gateway, logs } = await testGateway({
    ...{ keysPath: path, ledgerPath, apiKey: keys[0]!, jobView: async (id) => (id === hex(1) ? view : undefined) },
  })
  await openai.completions.create(QUESTION)
  await delay(1200)
  // There is room for another one now, though the first is still open.
  await openai.completions.create(QUESTION)
  expect(logs).toEqual([])
  view = { ...view, status: 'returned', endHeight: 95, promptBurnGrains: '2' }
  await heard(logs, 1)
  await gateway.stop()
  expect(await spentBy(path, ledgerPath)).toBe(FEE + 2n + reserve)
})

it('a job that is posted and answered while another is asked for is not taken for one that was never posted', async () => {
  const { path, ledgerPath, keys } = await keyFile([{}])
  const key = (await readKeys(path))[0]!
  const before = new SpendingLedger(ledgerPath)
  before.setJob(before.reserve(key, [5000n])![0]!, hex(99))
  before.close()
  let show = (_view: JobView): void => undefined
  let post = (): void => undefined
  let isHeld = true
  const { openai, gateway, logs } = await testGateway({
    ...{ keysPath: path, ledgerPath, apiKey: keys[0]! },
    onPost: () => new Promise((resolve) => (post = resolve)),
    jobView: (id) =>
      id === hex(99) && isHeld ? new Promise((resolve) => (show = resolve)) : Promise.resolve(settled(id, 3n, 90)),
  })
  // The first round has nobody's job but the old one; the second begins with a job that is not posted yet.
  await delay(50)
  show({ id: hex(99), status: 'assigned' })
  const answer = openai.completions.create(QUESTION)
  await delay(1500)
  post()
  await answer
  isHeld = false
  show(settled(hex(99), 7n, 90))
  for (let i = 0; i < 100 && logs.length < 2; i++) await delay(100)
  await gateway.stop()
  expect(await spentBy(path, ledgerPath)).toBe(FEE + 7n + FEE + 3n)
})

it('a job that the node shows wrongly keeps no other charge open', async () => {
  const { path, ledgerPath, keys } = await keyFile([{}])
  const key = (await readKeys(path))[0]!
  const before = new SpendingLedger(ledgerPath)
  const charges = before.reserve(key, [5000n, 5000n])!
  charges.forEach((charge, i) => {
    before.setJob(charge, hex(i + 1))
  })
  before.close()
  const { gateway, logs } = await testGateway({
    ...{ keysPath: path, ledgerPath, apiKey: keys[0]! },
    jobView: async (jobId) => {
      if (jobId === hex(1)) throw new RpcError('NOT_A_NODE', 'no job')
      return { id: jobId, status: 'returned', promptBurnGrains: '3', endHeight: 90 }
    },
  })
  for (let i = 0; i < 100 && logs.length === 0; i++) await delay(10)
  await gateway.stop()
  const after = new SpendingLedger(ledgerPath)
  expect(after.open(10)).toMatchObject([{ jobId: hex(1), grains: 5000n }])
  expect(after.spending(key).grains).toBe(5000n + FEE + 3n)
  after.close()
})

it('opens the ledger of a version that did not note what was reserved', async () => {
  const { path, ledgerPath } = await keyFile([{}])
  const { id } = (await readKeys(path))[0]!
  const db = new DatabaseSync(ledgerPath)
  db.exec(`create table charge (id integer primary key autoincrement, key_id text not null, window_ms integer not null,
    grains integer not null, job_id text, created_ms integer not null)`)
  db.exec(`insert into charge (key_id, window_ms, grains, created_ms) values ('${id}', 0, 5, 7)`)
  db.close()
  const charge = {
    id: 1,
    keyId: id,
    grains: 5n,
    reservedGrains: 5n,
    createdMs: 7,
    jobId: undefined,
    lostHeight: undefined,
  }
  for (let i = 0; i < 2; i++) {
    const ledger = new SpendingLedger(ledgerPath)
    expect(ledger.open(10)).toEqual([charge])
    ledger.close()
  }
})

/** A key whose charges of so many grains are open, each of a job of its own. */
async function withOpen(count: number) {
  const { path, ledgerPath, keys } = await keyFile([{}])
  const key = (await readKeys(path))[0]!
  const before = new SpendingLedger(ledgerPath)
  before.reserve(key, Array(count).fill(5000n))!.forEach((charge, i) => {
    before.setJob(charge, hex(i + 1))
  })
  before.close()
  const after = (): { spent: bigint; open: readonly (string | undefined)[] } => {
    const ledger = new SpendingLedger(ledgerPath)
    const found = { spent: ledger.spending(key).grains, open: ledger.open(10).map(({ jobId }) => jobId) }
    ledger.close()
    return found
  }
  return { options: { keysPath: path, ledgerPath, apiKey: keys[0]! }, after }
}

it('a node that states any price has no job charged above its reservation, and keeps no other charge open', async () => {
  const { options, after } = await withOpen(3)
  const prices = { [hex(1)]: 2n ** 64n - 1n, [hex(2)]: 2n ** 62n, [hex(3)]: 7n }
  const { gateway, logs } = await testGateway({ ...options, jobView: async (id) => settled(id, prices[id]!, 90) })
  for (let i = 0; i < 20 && logs.length === 0; i++) await delay(50)
  await gateway.stop()
  expect(after()).toEqual({ spent: 5000n + 5000n + FEE + 7n, open: [] })
})

it('a job about which the node says nothing keeps no other charge open', async () => {
  const { options, after } = await withOpen(3)
  const { gateway, logs } = await testGateway({
    ...options,
    jobView: async (id) => {
      if (id === hex(2)) throw new RpcError('NO_ANSWER', 'no answer in 20 s')
      return settled(id, 7n, 90)
    },
  })
  for (let i = 0; i < 60 && logs.length < 3; i++) await delay(50)
  await gateway.stop()
  expect(after()).toEqual({ spent: 5000n + 2n * (FEE + 7n), open: [hex(2)] })
})

it('a job that the node lost is free only once no branch of six blocks can have it', async () => {
  const reserve = await reserveOf()
  const { path, ledgerPath, keys } = await keyFile([{}])
  let views: Record<string, JobView> = {}
  let tipHeight = 100
  const { openai, gateway } = await testGateway({
    ...{ keysPath: path, ledgerPath, apiKey: keys[0]!, tipHeight: () => tipHeight },
    jobView: async (id) => views[id] ?? { id, status: 'unknown' },
    script: (_, index, { onProgress }) => {
      const jobId = hex(index + 1)
      onProgress?.({ jobId, status: 'unknown', view: { id: jobId, status: 'unknown' } })
      return new JobError('EXPIRED', 'the node lost the job, and it is too late', { jobId })
    },
  })
  for (let i = 0; i < 2; i++) await openai.completions.create(QUESTION).catch(() => undefined)
  await delay(1200)
  tipHeight = 105
  await delay(1200)
  // The branch with the first of them is the best again.
  views = { [hex(1)]: settled(hex(1), 3n, 96) }
  tipHeight = 106
  await delay(1200)
  await gateway.stop()
  const ledger = new SpendingLedger(ledgerPath)
  expect(ledger.open(10)).toEqual([])
  ledger.close()
  expect(await spentBy(path, ledgerPath)).toBe(FEE + 3n)
  expect(reserve).toBeGreaterThan(FEE + 3n)
})

it('begins anew with the next window', async () => {
  let nowMs = 24 * HOUR_MS * 20_000 + 5
  const reserve = await reserveOf()
  const { path, ledgerPath, keys } = await keyFile([{ limitGrains: reserve }])
  const { openai } = await testGateway({ keysPath: path, ledgerPath, apiKey: keys[0]!, nowMs: () => nowMs })
  await openai.completions.create(QUESTION)
  await expect(openai.completions.create(QUESTION)).rejects.toMatchObject({ status: 429 })
  nowMs += 24 * HOUR_MS
  await openai.completions.create(QUESTION)
})

it('holds the reservation of a job under way, and charges a failed one what it burned', async () => {
  const reserve = await reserveOf()
  const { path, ledgerPath, keys } = await keyFile([{ limitGrains: 2n * reserve - 1n }])
  let fail = (_error: Error): void => undefined
  const { openai, gateway, logs } = await testGateway({
    ...{ keysPath: path, ledgerPath, apiKey: keys[0]! },
    jobView: async (id) => ({ id, status: 'returned', promptBurnGrains: '7', endHeight: 90 }),
    script: (_, index, { onProgress }) => {
      onProgress?.({
        ...{ jobId: hex(index + 1), status: 'assigned' },
        view: { id: hex(index + 1), status: 'assigned', promptBurnGrains: '7' },
      })
      return new Promise((resolve) => {
        fail = resolve
      })
    },
  })
  const first = openai.completions.create(QUESTION)
  first.catch(() => undefined)
  await delay(100)
  await expect(openai.completions.create(QUESTION)).rejects.toMatchObject({ code: 'insufficient_quota' })
  fail(new JobError('NO_MINER', 'nobody', { jobId: hex(1) }))
  await expect(first).rejects.toMatchObject({ code: 'no_miner' })
  await heard(logs, 1)
  await gateway.stop()
  expect(await spentBy(path, ledgerPath)).toBe(FEE + 7n)
})

it('asks the chain after a crash what open charges have cost', async () => {
  const { path, ledgerPath, keys } = await keyFile([{}])
  const key = (await readKeys(path))[0]!
  const before = new SpendingLedger(ledgerPath)
  const charges = before.reserve(key, [5000n, 5000n, 5000n, 5000n, 5000n])!
  for (const i of [0, 1, 2, 3]) before.setJob(charges[i]!, hex(i + 1))
  before.close()
  const views: Record<string, JobView> = {
    [hex(1)]: settled(hex(1), 30n, 90),
    [hex(2)]: { id: hex(2), status: 'returned', promptBurnGrains: '3', endHeight: 90 },
    [hex(3)]: { id: hex(3), status: 'assigned' },
    [hex(4)]: { id: hex(4), status: 'unknown' },
  }
  const options = { keysPath: path, ledgerPath, apiKey: keys[0]! }
  const { gateway } = await testGateway({ ...options, jobView: async (jobId) => views[jobId] })
  await expect(testGateway(options)).rejects.toThrow('another gateway has it open')
  await delay(100)
  await gateway.stop()
  const after = new SpendingLedger(ledgerPath)
  // Never posted ones are charged in full; one that is still assigned stays open, and so does, for a day, one that is unknown.
  expect(after.spending(key).grains).toBe(FEE + 30n + (FEE + 3n) + 3n * 5000n)
  expect(after.open(10)).toMatchObject([
    { jobId: hex(3), grains: 5000n },
    { jobId: hex(4), grains: 5000n },
  ])
  after.close()
  const later = await testGateway({
    ...{ ...options, jobView: async (jobId: string) => views[jobId], nowMs: () => Date.now() + 25 * HOUR_MS },
  })
  await delay(100)
  await later.gateway.stop()
  const end = new SpendingLedger(ledgerPath)
  expect(end.open(10)).toMatchObject([{ jobId: hex(3), grains: 5000n }])
  expect(end.spending(key).grains).toBe(FEE + 30n + (FEE + 3n) + 3n * 5000n)
  end.close()
})

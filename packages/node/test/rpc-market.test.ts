/** What the RPC tells about models, markets, miners and jobs, on a chain of real blocks and across a reorganisation. */
import {
  accountOf,
  bytesToHex,
  decodeFee,
  decodeMacs,
  encodeAddress,
  type Job,
  type KeyPair,
  promptFee,
  promptMacs,
  type Receipt,
  readJob,
  type TransactionBody,
  transactionIdOfBytes,
} from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RpcServer, startRpc } from '../src/rpc/server.ts'
import type { AskView, JobView, MarketView, MinersView } from '../src/rpc-client/index.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

/**
 *   genesis - fund - register - ask - job - assign - receipt - later - settled*
 *                                               \ r6 - r7 (returned) - r8 - r9
 */
const NCR = 100_000_000n
const forge = new Forge()
const { context } = forge
const { params } = context
const net = new NodeNet(forge)
const { modelId, config } = context.bootstrap.model
const model = bytesToHex(modelId)
const [miner, verifier, client] = ['m', 'v', 'c'].map(keysOf) as [KeyPair, KeyPair, KeyPair]
const ASK = 4n * NCR
const BID = 10n * NCR
const PRICE = (ASK + BID) / 2n
const CAPACITY = 7_000_000n

const tx = (keys: KeyPair, nonce: bigint, body: TransactionBody) => transactionOf(context, keys, nonce, body)
const idOf = (bytes: Uint8Array): string => bytesToHex(transactionIdOfBytes(bytes))
const job: Job = {
  kind: 'job',
  modelId,
  promptTokens: Array.from({ length: 16 }, (_, i) => 60 + i),
  maxNewTokens: 4,
  decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(3), stopAtEos: true },
  maxPrice: BID,
  expiryHeight: 30,
}
const jobBytes = tx(client, 0n, job)
const jobId = idOf(jobBytes)
const answer: Omit<Receipt, 'unitParentId'> = {
  kind: 'receipt',
  jobId: transactionIdOfBytes(jobBytes),
  traceRoot: new Uint8Array(32).fill(0x7a),
  // Ends with the token that stops, so that a part of the fee comes back.
  tokens: [10, 11, config.eosToken],
}
const fund = [miner, verifier, client].map((to, i) => tx(faucetKeys, BigInt(i), transferTo(to, 100n * NCR)))
forge.mine('fund', 'genesis', { transactions: fund })
forge.mine('register', 'fund', {
  transactions: [tx(miner, 0n, { kind: 'minerRegister' }), tx(verifier, 0n, { kind: 'verifierRegister' })],
})
forge.mine('ask', 'register', {
  transactions: [tx(miner, 1n, { kind: 'ask', modelId, price: ASK, capacityMacs: CAPACITY })],
})
forge.mine('job', 'ask', { transactions: [jobBytes] })
forge.mine('assign', 'job')
const receiptBytes = tx(miner, 2n, { ...answer, unitParentId: forge.get('assign').id })
forge.mine('receipt', 'assign', { transactions: [receiptBytes] })
forge.mine('later settled', 'receipt')
forge.mine('r6 r7 r8 r9', 'assign')

let member: TestNode
let rpc: RpcServer

beforeAll(async () => {
  member = await net.node('node')
  rpc = await startRpc({ node: member.node, host: '127.0.0.1', port: 0, role: 'boot' })
})
afterAll(async () => {
  await rpc.stop()
  await net.stop()
})

async function get<T>(path: string, status = 200): Promise<T> {
  const response = await fetch(`${rpc.url}${path}`)
  const body = (await response.json()) as T
  expect(response.status, JSON.stringify(body)).toBe(status)
  return body
}
const view = (id = jobId): Promise<JobView> => get<JobView>(`/jobs/${id}?since=1`)
const publish = (labels: string) =>
  labels.split(' ').reduce(async (before, label) => {
    await before
    await member.node.publishBlock(forge.block(label))
  }, Promise.resolve())

interface Listener {
  readonly seen: { readonly kind: string; readonly data: Record<string, unknown> }[]
  stop(): void
}

/** Events of some kinds, from now on. */
async function listen(...kinds: string[]): Promise<Listener> {
  const abort = new AbortController()
  const seen: Listener['seen'] = []
  const response = await fetch(`${rpc.url}/events`, { signal: abort.signal })
  void (async () => {
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [, kind, data] = /event: (\w+)\ndata: (.*)/.exec(text.slice(0, end)) ?? []
        if (kind !== undefined && kinds.includes(kind)) seen.push({ kind, data: JSON.parse(data!) })
        text = text.slice(end + 2)
      }
    }
  })().catch(() => undefined)
  return { seen, stop: () => abort.abort() }
}
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(condition()).toBe(true)
}

describe('before anybody asks', () => {
  test('/models has the limits that a job must keep', async () => {
    expect(await get('/models')).toEqual({
      models: [
        {
          name: 'unit-model',
          modelId: model,
          vocabSize: config.vocabSize,
          maxSeqLen: config.maxSeqLen,
          maxPromptTokens: params.units.maxPromptTokens,
          maxNewTokens: params.units.maxNewTokens,
        },
      ],
    })
  })

  test('/market has no prices yet', async () => {
    expect(await get('/market')).toEqual({
      height: 0,
      models: [
        {
          name: 'unit-model',
          modelId: model,
          clearingPriceGrains: '0',
          clearedHeight: 0,
          volumeMacs: '0',
          jobs: 0,
          bidGrains: '0',
          askGrains: '0',
          referenceGrains: '0',
          crossRatesPpm: {},
          openJobs: 0,
          asks: 0,
          roomMacs: '0',
        },
      ],
    })
    expect(await get('/miners')).toEqual({ miners: [], verifiers: 0 })
  })

  test('a job that nobody posted is unknown', async () => {
    expect(await get(`/jobs/${jobId}`)).toEqual({ id: jobId, status: 'unknown' })
  })

  test.each([
    ['/jobs/x', 'no job id: x'],
    [`/jobs/${'AB'.repeat(32)}`, `no job id: ${'AB'.repeat(32)}`],
    ['/market/x/asks', 'no such model; registered are unit-model'],
  ])('%s is refused', async (path, message) => {
    expect(await get(path, 404)).toEqual({ error: { code: 'NOT_FOUND', message } })
  })
})

describe('a job on its way', () => {
  test('from the mempool to its settlement', async () => {
    const events = await listen('job', 'market')
    await publish('fund register ask')
    await member.node.publishTransaction(jobBytes)
    const asked = {
      id: jobId,
      model: 'unit-model',
      modelId: model,
      client: encodeAddress(accountOf(client.publicKey), params.network.addressPrefix),
      promptTokens: job.promptTokens,
      maxNewTokens: 4,
      decoding: { temperatureMilli: 700, seed: '03'.repeat(32), stopAtEos: true },
      maxPriceGrains: BID.toString(),
      expiryHeight: 30,
    }
    expect(await view()).toEqual({ ...asked, status: 'waiting' })

    await publish('job')
    const input = promptFee(params, config, 16, PRICE)
    const most = input + decodeFee(config, 4, PRICE)
    const cleared = {
      ...asked,
      postedHeight: 4,
      priceGrains: PRICE.toString(),
      promptFeeGrains: input.toString(),
      heldGrains: most.toString(),
    }
    expect(await view()).toEqual({ ...cleared, status: 'cleared' })

    await publish('assign')
    const promptBurn = (input * BigInt(params.fees.burnPpm)) / 1_000_000n
    const assigned = {
      ...cleared,
      heldGrains: (most - promptBurn).toString(),
      promptBurnGrains: promptBurn.toString(),
      openedHeight: 5,
      unitParentId: bytesToHex(forge.get('assign').id),
      ranks: [{ minerKey: bytesToHex(miner.publicKey), firstHeight: 6, lastHeight: 7 }],
    }
    expect(await view()).toEqual({ ...assigned, status: 'assigned' })

    await member.node.publishTransaction(receiptBytes)
    const receipt = {
      minerKey: bytesToHex(miner.publicKey),
      rank: 0,
      tokens: answer.tokens,
      traceRoot: '7a'.repeat(32),
      unitParentId: bytesToHex(forge.get('assign').id),
      transactionId: idOf(receiptBytes),
      isAudited: false,
    }
    const output = decodeFee(config, 3, PRICE)
    const burned = promptBurn + (output * BigInt(params.fees.burnPpm)) / 1_000_000n
    const verifiers = ((input + output - burned) * BigInt(params.fees.verifierPpm)) / 1_000_000n
    const answered = {
      ...assigned,
      inputMacs: promptMacs(config, 16),
      outputMacs: decodeMacs(config, 3),
      fee: {
        inputGrains: input.toString(),
        outputGrains: output.toString(),
        burnedGrains: burned.toString(),
        verifierGrains: verifiers.toString(),
        minerGrains: (input + output - burned - verifiers).toString(),
        returnedGrains: (most - input - output).toString(),
      },
    }
    expect(await view()).toEqual({ ...answered, receipt, status: 'answered' })

    await publish('receipt')
    const included = { ...receipt, height: 6 }
    expect(await view()).toEqual({ ...answered, receipt: included, status: 'delivered' })
    await publish('later settled')
    expect(readJob(member.node.chain.reader, transactionIdOfBytes(jobBytes))).toBeUndefined()
    expect(await view()).toEqual({ ...answered, receipt: included, status: 'settled', endHeight: 8 })

    const statuses = () => events.seen.filter(({ kind }) => kind === 'job').map(({ data }) => data.status)
    await until(() => statuses().length === 5)
    expect(statuses()).toEqual(['cleared', 'assigned', 'answered', 'delivered', 'settled'])
    const { promptTokens: _, ...rest } = { ...answered, receipt: included, status: 'settled', endHeight: 8 }
    expect(events.seen.findLast(({ kind }) => kind === 'job')!.data).toEqual(rest)
    const markets = events.seen.filter(({ kind }) => kind === 'market')
    expect(markets.find(({ data }) => data.height === 4)!.data).toMatchObject({
      models: [{ clearingPriceGrains: PRICE.toString(), clearedHeight: 4, jobs: 1 }],
    })
    events.stop()
  })

  test('the market has its price, and the book its ask', async () => {
    const { models } = await get<MarketView>('/market')
    expect(models).toMatchObject([
      {
        clearingPriceGrains: PRICE.toString(),
        referenceGrains: PRICE.toString(),
        volumeMacs: (promptMacs(config, 16) + decodeMacs(config, 4)).toString(),
        asks: 1,
        bestAskGrains: ASK.toString(),
        openJobs: 0,
      },
    ])
    for (const name of ['unit-model', model]) {
      const { asks } = await get<{ asks: AskView[] }>(`/market/${name}/asks`)
      expect(asks).toEqual([
        {
          minerKey: bytesToHex(miner.publicKey),
          priceGrains: ASK.toString(),
          capacityMacs: CAPACITY.toString(),
          // Of a key without matured work no more counts than one largest unit.
          roomMacs: params.units.maxUnitMacs.toString(),
          weightMacs: '0',
        },
      ])
    }
  })

  test('miners are those with a bond or with matured work, the heaviest first', async () => {
    const { miners, verifiers } = await get<MinersView>('/miners')
    expect(verifiers).toBe(1)
    const weights = miners.map(({ weightMacs }) => BigInt(weightMacs))
    expect(weights).toEqual([...weights].sort((a, b) => (a > b ? -1 : 1)))
    const keyOf = (label: string): string => bytesToHex(keysOf(label).publicKey)
    // Blocks 1 to 5 have matured at height 8: fund, register, ask, job, assign by f, r, a, j, a.
    expect(miners.map(({ minerKey }) => minerKey).sort()).toEqual(
      [keyOf('f'), keyOf('r'), keyOf('a'), keyOf('j'), bytesToHex(miner.publicKey)].sort(),
    )
    expect(miners.find(({ minerKey }) => minerKey === bytesToHex(miner.publicKey))).toMatchObject({
      bondGrains: params.bonds.minerGrains.toString(),
      isActive: true,
      weightMacs: '0',
    })
    expect(miners[0]).toMatchObject({ minerKey: keyOf('a'), bondGrains: '0', isActive: false })
  })

  test('a reorganisation takes the receipt back, and nobody delivers on the other branch', async () => {
    const events = await listen('job')
    await publish('r6 r7 r8')
    expect(net.tipOf(member)).toBe('settled')
    await publish('r9')
    expect(net.tipOf(member)).toBe('r9')
    expect(await view()).toMatchObject({ status: 'returned', postedHeight: 4, openedHeight: 5, endHeight: 7 })
    expect((await view()).receipt).toBeUndefined()
    // The receipt can never apply here: it does not wait.
    expect(await get(`/transactions/${idOf(receiptBytes)}`)).toMatchObject({ status: 'unknown', searchedFrom: 0 })
    expect(member.node.mempool.size).toBe(0)
    await until(() => events.seen.length > 0)
    expect(events.seen.at(-1)!.data).toMatchObject({ id: jobId, status: 'returned' })
    events.stop()
  })
})

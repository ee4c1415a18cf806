/** The work monitor in a node: figures of real blocks, alarms as events and log lines, reorganisations, restarts, `GET /work`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  accountOf,
  bytesToHex,
  decodeMacs,
  encodeTransaction,
  type Job,
  type KeyPair,
  promptMacs,
  readAccount,
  readAmount,
  readCleared,
  readMarket,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { beforeAll, expect, test } from 'vitest'
import { EventHub, type NodeEvents } from '../src/events.ts'
import { sampleBlock } from '../src/monitor/sample.ts'
import { WorkWatch } from '../src/monitor/work-watch.ts'
import type { Logger } from '../src/ports/log.ts'
import { startRpc } from '../src/rpc/server.ts'
import { createSqliteStore } from '../src/store/sqlite-store.ts'
import { ChainBench } from './support/chain-bench.ts'
import { Forge, faucetKeys, keysOf, transferTo } from './support/forge.ts'
import { type LogLine, NodeNet } from './support/node-net.ts'

const ASK_MACS = 10n ** 9n
const PRICE = 10n ** 9n
const REWARD_BLOCKS = 64
const miner = keysOf('seller')
const forge = new Forge()
/** Labels by height from 1 on: the market trades at block 4, and goes on for longer than an alarm needs. */
const trade = ['fund', 'register', 'ask', 'job', ...Array.from({ length: REWARD_BLOCKS + 5 }, (_, i) => `t${i}`)]
/** A heavier branch beside it, without any job. */
const quiet = Array.from({ length: trade.length }, (_, i) => `q${i}`)

/**
 *   genesis - fund - register - ask - job - t0 - ... - t68
 *                  \ q0 - ... - q68 - q69
 */
beforeAll(() => {
  const { modelId } = forge.context.bootstrap.model
  const on = (parent: string, keys: KeyPair, body: TransactionBody) => {
    const { entries } = forge.get(parent)
    const { nonce } = readAccount({ get: (key) => entries.get(key) }, accountOf(keys.publicKey))
    const { chainId } = forge.context.genesis
    return { transactions: [encodeTransaction(signTransaction({ chainId, nonce, fee: 1000n, body }, keys))] }
  }
  const job: Job = {
    kind: 'job',
    modelId,
    promptTokens: [1, 2, 3],
    maxNewTokens: 4,
    decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
    maxPrice: PRICE,
    expiryHeight: 20,
  }
  forge.mine('fund', 'genesis', on('genesis', faucetKeys, transferTo(miner, 10n ** 10n)))
  forge.mine('register', 'fund', on('fund', miner, { kind: 'minerRegister' }))
  forge.mine('ask', 'register', on('register', miner, { kind: 'ask', modelId, price: PRICE, capacityMacs: ASK_MACS }))
  forge.mine('job', 'ask', on('ask', faucetKeys, job))
  forge.mine(trade.slice(4).join(' '), 'job')
  forge.mine(quiet.join(' '), 'fund')
}, 120_000)

interface Watched {
  readonly bench: ChainBench
  readonly watch: WorkWatch
  readonly told: NodeEvents['anomaly'][]
  readonly lines: LogLine[]
}

function watched(bench: ChainBench): Watched {
  const told: NodeEvents['anomaly'][] = []
  const lines: LogLine[] = []
  const events = new EventHub()
  events.on('anomaly', (anomaly) => told.push(anomaly))
  const at = (level: string) => (fields: LogLine) => void lines.push({ level, ...fields })
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const watch = new WorkWatch({ chain: bench.chain, events, log })
  bench.chain.onTip(() => watch.follow())
  return { bench, watch, told, lines }
}

test('a sample is what header and state say after its block', () => {
  const { params, bootstrap } = forge.context
  const forged = forge.get('job')
  const state = { get: (key: string) => forged.entries.get(key) }
  const before = { get: (key: string) => forge.get('ask').entries.get(key) }
  expect(readCleared(state)).toHaveLength(1)
  const sample = sampleBlock(forge.context, { header: forged.header, hex: bytesToHex(forged.id) }, state)
  const { referencePrice } = readMarket(state, bytesToHex(bootstrap.model.modelId))
  const { bootstrapPromptTokens, bootstrapNewTokens } = params.units
  const input = promptMacs(bootstrap.model.config, bootstrapPromptTokens)
  const output = decodeMacs(bootstrap.model.config, bootstrapNewTokens)
  const shape = (input * params.jobs.inputPricePpm) / 1e6 + output
  expect(sample).toMatchObject({
    height: 4,
    id: bytesToHex(forged.id),
    timeMs: forged.header.timeMs,
    workMacs: 15,
    minerKey: bytesToHex(forged.keys.publicKey),
    isPaid: false,
    minerDeclaredMacs: 0,
    // A newcomer's room is one largest unit, whatever it declares.
    capacity: {
      asks: 1,
      keys: 1,
      declaredMacs: Number(ASK_MACS),
      roomMacs: params.units.maxUnitMacs,
      averageWorkMacs: 0,
    },
  })
  expect(sample.costGrainsPerGmac / ((Number(referencePrice) * shape) / input)).toBeCloseTo(1, 12)
  // Subsidy less what others get and what is withheld, plus what is released and the fee of one transaction.
  const grown = (name: 'emitted' | 'verifierPool' | 'deferred'): bigint =>
    readAmount(state, name) - readAmount(before, name)
  expect(sample.rewardGrains).toBe(Number(grown('emitted') - grown('verifierPool') - grown('deferred')) + 1000)
})

test('an alarm is told once when it starts, stands with its evidence, and ends when its blocks leave the chain', async () => {
  const { bench, watch, told, lines } = watched(new ChainBench(forge))
  await bench.best(trade.slice(0, 3 + REWARD_BLOCKS - 1).join(' '))
  expect(told).toEqual([])
  await bench.best(trade.slice(3 + REWARD_BLOCKS - 1).join(' '))
  // The easiest target makes a block's few MACs worth far more than any job's.
  const started = 3 + REWARD_BLOCKS
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({
    state: 'started',
    height: started,
    alarm: { code: 'REWARD_ABOVE_COST', sinceHeight: started, evidence: { fromHeight: 4, toHeight: started } },
  })
  expect(lines).toMatchObject([{ level: 'warn', event: 'anomaly', state: 'started', code: 'REWARD_ABOVE_COST' }])
  const { alarms, reward, capacity, height } = watch.report()
  expect(alarms).toMatchObject([{ code: 'REWARD_ABOVE_COST', sinceHeight: started, lastHeight: trade.length }])
  expect(height).toBe(trade.length)
  expect(reward!.ratio).toBeGreaterThan(4)
  // The seller delivered nothing, so its ask is gone.
  expect(capacity).toMatchObject({ asks: 0, keys: 0 })

  for (const label of quiet) await bench.chain.offer(forge.block(label), 'sync')
  bench.tip(quiet.at(-1)!)
  expect(told.map(({ state, alarm }) => [state, alarm.code])).toEqual([
    ['started', 'REWARD_ABOVE_COST'],
    ['ended', 'REWARD_ABOVE_COST'],
  ])
  expect(lines.at(-1)).toMatchObject({ level: 'info', event: 'anomaly', state: 'ended', height: quiet.length + 1 })
  expect(watch.report()).toMatchObject({ alarms: [], capacity: { asks: 0 }, height: quiet.length + 1 })
  // Blocks that came one by one and blocks read back from the journal are sampled alike.
  const again = watched(bench)
  again.watch.follow()
  expect(again.watch.report()).toEqual(watch.report())
})

test('after a restart the figures and the alarms are the same, from the store', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nacre-work-'))
  try {
    const path = join(directory, 'chain.sqlite')
    const first = watched(new ChainBench(forge, createSqliteStore(path)))
    await first.bench.best(trade.join(' '))
    const before = first.watch.report()
    await first.bench.chain.close()
    first.bench.store.close()
    const second = watched(new ChainBench(forge, createSqliteStore(path)))
    second.watch.follow()
    expect(second.watch.report()).toEqual(before)
    expect(before.alarms).toHaveLength(1)
    expect(second.told).toMatchObject([{ state: 'started', alarm: { code: 'REWARD_ABOVE_COST' } }])
    second.bench.store.close()
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('GET /work is the report of the node, and /events tells of the alarm', async () => {
  const net = new NodeNet(forge)
  const { node } = await net.node('node')
  const rpc = await startRpc({ node, host: '127.0.0.1', port: 0, role: 'boot' })
  try {
    const events = await fetch(`${rpc.url}/events`)
    const empty = await (await fetch(`${rpc.url}/work`)).json()
    expect(empty).toMatchObject({ height: 0, rates: [], alarms: [], concentration: { keys: 0, largest: [] } })
    for (const label of trade) await node.publishBlock(forge.block(label))
    expect(await (await fetch(`${rpc.url}/work`)).json()).toEqual(JSON.parse(JSON.stringify(node.work.report())))
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!/event: anomaly\ndata: .*\n\n/.test(text)) text += (await reader.read()).value
    await reader.cancel()
    const [, data] = /event: anomaly\ndata: (.*)\n\n/.exec(text)!
    expect(JSON.parse(data!)).toMatchObject({ state: 'started', alarm: { code: 'REWARD_ABOVE_COST' } })
  } finally {
    await rpc.stop()
    await net.stop()
  }
})

/** The same questions through gateways on a local network of processes: latency, price, miners, and whether the answers are the same. */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFastHash } from '@nacre/engine'
import { startGateway } from '@nacre/gateway'
import { silentLogger } from '@nacre/node'
import { get } from '@nacre/node/rpc-client'
import { GRAINS_PER_NCR, hexToBytes, keyPairFromSeed, presetByName } from '@nacre/protocol'
import { OpenAI } from 'openai'
import { calibrate } from '../../src/devnet/calibrate.ts'
import { addressOfKey, startPaidNetwork } from '../../src/devnet/paid-network.ts'
import { createWorkers, loadContext, loadTextModel } from '../../src/network-model.ts'
import { type AnsweringModel, COUNTS, MAX_NEW_TOKENS, type Question, sampleOf, taskOf } from './accuracy.ts'
import { mean } from './statistics.ts'

export interface NetworkRow {
  /** Miners whose asks the highest price reaches. */
  readonly miners: number
  /** Jobs of one request. */
  readonly n: number
  readonly requests: number
  readonly answered: number
  /** Of the chain meanwhile: what latencies are made of. */
  readonly secondsPerBlock: number
  readonly latencySeconds: { readonly mean: number; readonly least: number; readonly most: number }
  /** Of the request's answered jobs together, grains. */
  readonly meanFeeGrains: number
  readonly meanPriceGrains: number
  readonly meanDistinctMiners: number
  /** Answers compared with those of the engine here, and how many have the same text. */
  readonly compared: number
  readonly same: number
}

export interface NetworkOptions {
  /** Of the miners, the cheapest first. */
  readonly asks: readonly bigint[]
  readonly questions: readonly Question[]
  readonly temperature: number
  readonly model: AnsweringModel
  readonly print: (line: string) => void
  readonly signal: AbortSignal
}

const PRESET = 'devnet'
const FUNDS: bigint = 1000n * GRAINS_PER_NCR
const DEADLINE_MS = 10 * 60_000

/**
 * The cheapest miner alone, whose ask is all that the highest price meets, then all. In this order, because bids well below a reference
 * price wait until it has come down (ECO-7).
 */
const REACHED = (asks: readonly bigint[]): readonly number[] => [1, asks.length]

interface Job {
  readonly miner_key: string
  readonly price_grains_per_gmac: string
}

/** One request. */
interface Asked {
  readonly seconds: number
  readonly jobs: readonly Job[]
  readonly fee: number
  readonly miners: number
  readonly same: number
  readonly answered: number
}

/** For each n every question, a request of n jobs each. */
export async function measureNetwork(options: NetworkOptions): Promise<readonly NetworkRow[]> {
  const dir = mkdtempSync(join(tmpdir(), 'nacre-measure-swarm-'))
  try {
    return await measureIn(dir, options)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function measureIn(dir: string, options: NetworkOptions): Promise<readonly NetworkRow[]> {
  const { asks, print, signal } = options
  const cores = availableParallelism()
  const dutyCycle = Math.min(0.5, (0.5 * cores) / asks.length)
  const { genesisBits } = await calibrate({
    ...{ params: presetByName(PRESET), miners: asks.length, dutyCycle, isPaid: true, cores, works: [] },
  })
  const overrides = [`difficulty.genesisBits=${genesisBits}`]
  print(`starting ${asks.length} miners that ask ${asks.join(', ')} grains per GMAC`)
  const network = await startPaidNetwork({
    ...{
      preset: PRESET,
      overrides,
      miners: asks.map((askGrains) => ({ askGrains })),
      verifiers: 1,
      dutyCycle,
      dir,
      signal,
    },
  })
  try {
    const { params, rpc } = network
    const keys = keyPairFromSeed(hexToBytes('51'.repeat(32)))
    await network.fund(addressOfKey(params, keys.publicKey), FUNDS)
    const hash = await createFastHash()
    const context = await loadContext(params, hash)
    const models = await Promise.all(params.models.map(({ name }) => loadTextModel(params, name, hash)))
    const workers = await createWorkers(context, { threads: 1 }, hash)
    const rows: NetworkRow[] = []
    try {
      for (const reached of REACHED(asks)) {
        const maxPriceGrains = asks[reached - 1]!
        const gateway = await startGateway({
          ...{ rpcUrl: rpc, keys, market: context.market, workers, models, verify: 'off', log: silentLogger },
          ...{ policyPath: undefined, keysPath: undefined, ledgerPath: undefined, host: '127.0.0.1', port: 0 },
          limits: { maxPriceGrains },
        })
        try {
          const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 })
          for (const n of COUNTS) {
            rows.push(await measureCount(options, client, rpc, reached, n))
            print(`${reached} miners, n = ${n}: ${rows.at(-1)!.latencySeconds.mean.toFixed(1)} s`)
          }
        } finally {
          await gateway.stop()
        }
      }
    } finally {
      await workers.stop()
    }
    return rows
  } finally {
    await network.stop()
  }
}

async function measureCount(
  { questions, temperature, model }: NetworkOptions,
  client: OpenAI,
  rpc: string,
  miners: number,
  n: number,
): Promise<NetworkRow> {
  const results: Asked[] = []
  const firstHeight = await heightOf(rpc)
  const beginMs = performance.now()
  // One after another: what others ask at the same time is no part of a request's latency.
  for (const [seed, question] of questions.entries()) {
    const startMs = performance.now()
    const response = await client.completions.create(
      { model: 'small', prompt: question.prompt, max_tokens: MAX_NEW_TOKENS, n, temperature, seed },
      { timeout: DEADLINE_MS, headers: { 'x-nacre-deadline-ms': `${DEADLINE_MS}` } },
    )
    const seconds = (performance.now() - startMs) / 1000
    const { jobs, fee_grains, miners } = (
      response as unknown as { nacre: { jobs: Job[]; fee_grains: string; miners: number } }
    ).nacre
    const same = response.choices.filter(({ index, text }) => {
      const task = taskOf(model, question, Math.round(1000 * temperature), seed, index)
      return sampleOf(model, task).text === text
    }).length
    results.push({ seconds, jobs, fee: Number(fee_grains), miners, same, answered: response.choices.length })
  }
  const blocks = (await heightOf(rpc)) - firstHeight
  const secondsPerBlock = (performance.now() - beginMs) / 1000 / Math.max(1, blocks)
  const seconds = results.map((each) => each.seconds)
  const sum = (of: (result: Asked) => number): number => mean(results.map(of)) * results.length
  return {
    ...{ miners, n, requests: results.length, secondsPerBlock, answered: sum(({ answered }) => answered) },
    latencySeconds: { mean: mean(seconds), least: Math.min(...seconds), most: Math.max(...seconds) },
    meanFeeGrains: mean(results.map(({ fee }) => fee)),
    meanPriceGrains: mean(results.flatMap(({ jobs }) => jobs.map((job) => Number(job.price_grains_per_gmac)))),
    meanDistinctMiners: mean(results.map(({ miners }) => miners)),
    compared: sum(({ answered }) => answered),
    same: sum(({ same }) => same),
  }
}

const heightOf = async (rpc: string): Promise<number> => ((await get(rpc, '/status')) as { height: number }).height

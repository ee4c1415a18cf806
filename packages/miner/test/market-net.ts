/** A network of real nodes with a market: miners that ask, a registered verifier, and a client, all funded by the faucet. */
import { sleep } from '@nacre/node'
import {
  accountOf,
  bytesToHex,
  decodeTransaction,
  encodeTransaction,
  FAUCET_SEED_HEX,
  hexToBytes,
  type Job,
  type JobRecord,
  type KeyPair,
  keyPairFromSeed,
  type Model,
  overrideParams,
  type Params,
  presets,
  type Receipt,
  readAccount,
  readAsks,
  readJob,
  readVerifiers,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { expect } from 'vitest'
import { type LocalMember, LocalNetwork, type MemberOptions } from '../../cli/test/local-network.ts'
import type { UnitRunner } from '../src/unit-runner.ts'

export const NCR = 100_000_000n
export const PRICE: bigint = 5n * NCR
export const faucet: KeyPair = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))
export const client: KeyPair = keyPairFromSeed(new Uint8Array(32).fill(77))
const FUNDS = 100n * NCR

export const isSame = (a: Uint8Array, b: Uint8Array): boolean => bytesToHex(a) === bytesToHex(b)
export const heightOf = ({ node }: LocalMember): number => node.chain.tip.header.height
export const jobAt = ({ node }: LocalMember, jobId: Uint8Array): JobRecord | undefined =>
  readJob(node.chain.reader, jobId)
export const isAssigned = (member: LocalMember, jobId: Uint8Array): boolean =>
  (jobAt(member, jobId)?.openedHeight ?? 0) > 0
export const isDelivered = (member: LocalMember, jobId: Uint8Array): boolean =>
  jobAt(member, jobId)?.delivery !== undefined

/** What a miner runs, by the prompts: how often each job's, and switches for its units. */
export class Runs {
  readonly #prompts: string[] = []
  readonly #network: () => LocalNetwork
  /** Units with a draw do not end. */
  isPaused = false
  /** Units without a draw fail. */
  isBroken = false

  constructor(network: () => LocalNetwork) {
    this.#network = network
  }

  readonly runner = (runner: UnitRunner): UnitRunner => ({
    ...runner,
    runUnit: async (job, signal) => {
      this.#prompts.push(job.task.promptTokens.join())
      while (this.isPaused && !signal.aborted) await sleep(this.#network().clock, 100, signal)
      return runner.runUnit(job, signal)
    },
    executeUnit: async (modelId, task, signal) => {
      this.#prompts.push(task.promptTokens.join())
      if (this.isBroken) throw new Error('the engine is broken')
      return runner.executeUnit(modelId, task, signal)
    },
  })

  of(job: Job): number {
    return this.#prompts.filter((prompt) => prompt === job.promptTokens.join()).length
  }
}

export interface MarketOptions {
  readonly miners: number
  readonly overrides?: readonly string[]
  readonly params?: Params
  readonly further?: readonly Model[]
  readonly member?: Omit<MemberOptions, 'runner' | 'register'>
}

export interface MarketNet {
  readonly network: LocalNetwork
  /** Neither mines nor verifies. */
  readonly plain: LocalMember
  readonly miners: readonly LocalMember[]
  /** Of each miner. */
  readonly runs: readonly Runs[]
  send(keys: KeyPair, body: TransactionBody): Promise<Uint8Array>
  /** Posts a job for the client. Returns its id. */
  post(job: Job): Promise<Uint8Array>
  /** A job that nobody's patience ends. */
  job(change?: Partial<Job>): Job
  run(until: () => boolean): Promise<void>
}

/** Resolves when all asks stand and the verifier is registered. */
export async function marketNet(options: MarketOptions): Promise<MarketNet> {
  const params = overrideParams(options.params ?? presets.unit, options.overrides ?? [])
  const { further = [] } = options
  const network = new LocalNetwork({ seed: 'paid', miners: 0, params, further })
  const plain = network.add('plain', 'plain')
  const verifier = network.add('verifier', 'verifier', { register: true })
  const runs = Array.from({ length: options.miners }, () => new Runs(() => network))
  const miners = runs.map(({ runner }, i) =>
    network.add(`miner-${i}`, 'miner', { ask: PRICE, ...options.member, register: true, runner }),
  )
  const run = async (until: () => boolean): Promise<void> => expect(await network.clock.runUntil(until)).toBe(true)
  const send = async (keys: KeyPair, body: TransactionBody): Promise<Uint8Array> => {
    const { chain, mempool, context } = plain.node
    const account = accountOf(keys.publicKey)
    let { nonce } = readAccount(chain.reader, account)
    for (const entry of mempool.waitingOf(account)) if (entry.nonce === nonce) nonce++
    const unsigned = { chainId: context.genesis.chainId, nonce, fee: 1000n, body }
    return plain.node.publishTransaction(encodeTransaction(signTransaction(unsigned, keys)))
  }
  await network.start()
  await run(() => heightOf(plain) >= 1)
  for (const keys of [client, verifier.keys, ...miners.map((each) => each.keys)])
    await send(faucet, { kind: 'transfer', to: accountOf(keys.publicKey), grains: FUNDS })
  await run(() => {
    const { reader } = plain.node.chain
    return (
      params.models.every(({ modelId }) => readAsks(reader, modelId).length === miners.length) &&
      readVerifiers(reader) === 1
    )
  })
  return {
    network,
    plain,
    miners,
    runs,
    run,
    send,
    post: (job) => send(client, job),
    job: (change = {}) => ({
      kind: 'job',
      modelId: network.context.bootstrap.model.modelId,
      promptTokens: [...'what is paid for?'].map((letter) => letter.charCodeAt(0)),
      maxNewTokens: 6,
      decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(3), stopAtEos: true },
      maxPrice: 10n * NCR,
      expiryHeight: heightOf(plain) + 30,
      ...change,
    }),
  }
}

export interface Delivered {
  readonly height: number
  readonly receipt: Receipt
}

/** The receipts of a job in the best chain. */
export function receiptsOf({ node: { chain } }: LocalMember, jobId: Uint8Array): Delivered[] {
  const found: Delivered[] = []
  for (let height = 1; height <= chain.tip.header.height; height++)
    for (const bytes of chain.block(chain.atHeight(height)!)!.body.transactions) {
      const { body } = decodeTransaction(bytes)
      if (body.kind === 'receipt' && isSame(body.jobId, jobId)) found.push({ height, receipt: body })
    }
  return found
}

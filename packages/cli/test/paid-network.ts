/** A network of the preset `unit` whose miners take paid jobs, with a real RPC; its virtual time runs on its own. */
import { setTimeout as delay } from 'node:timers/promises'
import { type RpcServer, startRpc } from '@nacre/node'
import {
  accountOf,
  encodeTransaction,
  FAUCET_SEED_HEX,
  hexToBytes,
  type KeyPair,
  keyPairFromSeed,
  readAccount,
  readAsks,
  readVerifiers,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { type LocalMember, LocalNetwork } from './local-network.ts'

export const NCR = 100_000_000n
/** What every miner asks, in grains per GMAC. */
export const ASK = 5n * NCR
const FEE = 1000n
const faucet = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))

export class PaidNetwork {
  readonly network: LocalNetwork
  readonly plain: LocalMember
  readonly miners: readonly LocalMember[]
  rpc: RpcServer | undefined
  #isPaused = false
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(seed: string, miners: number) {
    this.network = new LocalNetwork({ seed, miners: 0 })
    this.plain = this.network.add('plain', 'plain')
    this.network.add('verifier', 'verifier', { register: true })
    this.miners = Array.from({ length: miners }, (_, i) =>
      this.network.add(`miner-${i}`, 'miner', { register: true, ask: ASK }),
    )
    // It makes blocks whatever becomes of the others, and takes no jobs.
    this.network.add('bystander', 'miner')
  }

  /** Until all miners ask, a verifier is registered, and `clients` have 100 NCR each. */
  async start(clients: readonly KeyPair[]): Promise<void> {
    const { network, plain } = this
    await network.start()
    await network.clock.runUntil(() => plain.node.chain.tip.header.height >= 1)
    const funded = [...clients, ...network.members.filter(({ name }) => name !== 'bystander').map(({ keys }) => keys)]
    for (const keys of funded)
      await this.send(faucet, { kind: 'transfer', to: accountOf(keys.publicKey), grains: 100n * NCR })
    const modelId = network.context.params.models[0]!.modelId
    await network.clock.runUntil(() => {
      const { reader } = plain.node.chain
      return readAsks(reader, modelId).length === this.miners.length && readVerifiers(reader) === 1
    })
    await this.listen()
    this.#running = this.#run()
  }

  get url(): string {
    return this.rpc!.url
  }

  balanceOf(keys: KeyPair): bigint {
    return readAccount(this.plain.node.chain.reader, accountOf(keys.publicKey)).balance
  }

  async send(keys: KeyPair, body: TransactionBody): Promise<void> {
    const { node } = this.plain
    const account = accountOf(keys.publicKey)
    let { nonce } = readAccount(node.chain.reader, account)
    for (const entry of node.mempool.waitingOf(account)) if (entry.nonce === nonce) nonce++
    const { chainId } = this.network.context.genesis
    await node.publishTransaction(encodeTransaction(signTransaction({ chainId, nonce, fee: FEE, body }, keys)))
  }

  /** Stops time while `run` runs. */
  async paused<T>(run: () => Promise<T>): Promise<T> {
    this.#isPaused = true
    try {
      await delay(20)
      return await run()
    } finally {
      this.#isPaused = false
    }
  }

  /** The RPC, at the same address again if it had one. */
  async listen(): Promise<void> {
    const port = this.rpc === undefined ? 0 : Number(new URL(this.rpc.url).port)
    this.rpc = await startRpc({ node: this.plain.node, host: '127.0.0.1', port, role: 'boot' })
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await delay(5)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
    await this.rpc?.stop()
    await this.network.stop()
  }

  /** About ten times as fast as real time: questions over HTTP take real time. */
  async #run(): Promise<void> {
    const { clock } = this.network
    while (!this.#isStopped) {
      if (!this.#isPaused) await clock.runUntil(clock.nowMs() + 50)
      await delay(5)
    }
  }
}

/** Real nodes with a market and audits whose verifier audits nothing, an RPC, and wallets that accuse. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { UnitRunner } from '@nacre/miner'
import { type RpcServer, startRpc } from '@nacre/node'
import {
  accountOf,
  bytesToHex,
  commitTrace,
  decodeTransaction,
  equalBytes,
  type KeyPair,
  keyPairFromSeed,
  readAccount,
  readAuditedUnit,
  type Transaction,
  type TransactionKind,
} from '@nacre/protocol'
import { forwardOpenings, OpeningsSource } from '@nacre/verifier'
import { vi } from 'vitest'
import { faucet, heightOf, type MarketNet, type MarketOptions, marketNet } from '../../miner/test/market-net.ts'
import { jobCommand } from '../src/commands/job.ts'
import { encryptSeed, writeKeyFile } from '../src/wallet/key-file.ts'
import { networkOf } from '../src/wallet/network.ts'
import type { LocalMember } from './local-network.ts'

/** Room for commands that take real time in every window. */
export const ROOMY: readonly string[] = [
  'audits.mode=on',
  'audits.accusationDelayBlocks=4',
  'audits.accusationBlocks=20',
  'audits.accusationDepositGrains=50000000',
  'block.maturityBlocks=60',
  'bonds.unbondingBlocks=100',
  'jobs.auditWindowBlocks=6',
  'jobs.paidDrawPpm=0',
]

export interface Ended {
  readonly error: { readonly code: string; readonly exitCode: number; readonly message: string } | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface Wallet {
  readonly path: string
  readonly keys: KeyPair
}

export class AccuseNet {
  readonly net: MarketNet
  rpc!: RpcServer
  /** While it is set, whoever delivers changes the residual rows of all layers and commits to them. */
  isForging = false
  readonly home: string = mkdtempSync(join(tmpdir(), 'nacre-accuse-'))
  #wallets = 0

  private constructor(net: MarketNet) {
    this.net = net
    writeFileSync(join(this.home, 'pass'), 'a passphrase of the test\n')
  }

  static async start(options: Omit<MarketOptions, 'engine'>): Promise<AccuseNet> {
    let self: AccuseNet | undefined
    const engine = (runner: UnitRunner): UnitRunner => ({
      ...runner,
      executeUnit: async (...unit) => {
        const executed = await runner.executeUnit(...unit)
        if (self?.isForging !== true) return executed
        const trace = structuredClone(executed.trace)
        for (const rows of trace.h) for (let i = 0; i < rows.length; i++) rows[i] = Math.fround(rows[i]! + 1)
        return { tokens: executed.tokens, trace, traceRoot: commitTrace(trace).traceRoot }
      },
    })
    const net = await marketNet({ ...options, engine })
    // Registered, so that receipts settle; it looks at nothing.
    await net.verifier.auditor!.stop()
    self = new AccuseNet(net)
    // It makes blocks whoever is barred, and takes no jobs.
    await net.network.startMember(net.network.add('bystander', 'miner'))
    await self.listen(net.plain)
    return self
  }

  /** The RPC of a member, at the same address again if there was one. */
  async listen(member: LocalMember): Promise<void> {
    const port = this.rpc === undefined ? 0 : Number(new URL(this.rpc.url).port)
    await this.rpc?.stop()
    const { node } = member
    const openings = forwardOpenings(node, new OpeningsSource(node))
    this.rpc = await startRpc({ node, host: '127.0.0.1', port, role: 'boot', openings })
  }

  /** A new wallet with these grains. */
  async wallet(grains: bigint): Promise<Wallet> {
    const seed = new Uint8Array(32).fill(100 + this.#wallets++)
    const keys = keyPairFromSeed(seed)
    const path = join(this.home, `wallet-${this.#wallets}.json`)
    const network = networkOf(this.net.network.context.params)
    await writeKeyFile(path, await encryptSeed(seed, 'a passphrase of the test', network, { n: 2, r: 1, p: 1 }))
    if (grains > 0n) {
      await this.net.send(faucet, { kind: 'transfer', to: accountOf(keys.publicKey), grains })
      await this.net.run(() => this.balanceOf(keys) === grains)
    }
    return { path, keys }
  }

  balanceOf({ publicKey }: KeyPair): bigint {
    return readAccount(this.net.plain.node.chain.reader, accountOf(publicKey)).balance
  }

  /** A job with a wrong trace, delivered three blocks ago, so that no other block takes the place of the receipt's. */
  async forged(text: string): Promise<Uint8Array> {
    this.isForging = true
    try {
      return await this.delivered(text)
    } finally {
      this.isForging = false
    }
  }

  /** A job of this prompt that has been delivered. */
  async delivered(text: string): Promise<Uint8Array> {
    const { plain, post, job, run } = this.net
    const promptTokens = [...text].map((letter) => letter.charCodeAt(0))
    for (let tries = 0; tries < 5; tries++) {
      const jobId = await post(job({ promptTokens }))
      const height = heightOf(plain)
      await run(() => this.depthOf(jobId) > 2 || heightOf(plain) > height + 20)
      // Those that it is assigned to may all be late.
      if (this.depthOf(jobId) > 2) return jobId
    }
    throw new Error('no miner delivered')
  }

  /** Blocks that vouch for the receipt of a job. */
  depthOf(jobId: Uint8Array): number {
    const { plain } = this.net
    const unit = readAuditedUnit(plain.node.chain.reader, jobId)
    return unit === undefined ? 0 : heightOf(plain) - unit.receiptHeight + 1
  }

  /** What `--accuse` needs besides. */
  flags({ path }: Wallet): string[] {
    return ['--accuse', '--wallet', path, '--passphrase-file', join(this.home, 'pass'), '--rpc', this.rpc.url]
  }

  /** Runs `job verify` while the virtual time goes on, four times as fast as real time. */
  async verify(...args: string[]): Promise<Ended> {
    const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true))
    const error = await this.during(
      jobCommand(['verify', ...args]).then(
        () => undefined,
        (cause: unknown) => cause,
      ),
    )
    const [stdout, stderr] = spies.map(({ mock }) => mock.calls.map(([chunk]) => chunk).join('')) as [string, string]
    for (const spy of spies) spy.mockRestore()
    return { error: error as Ended['error'], stdout, stderr }
  }

  /** Lets the virtual time go on until a promise ends. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isOver = false
    void promise
      .catch(() => undefined)
      .finally(() => {
        isOver = true
      })
    const { clock } = this.net.network
    while (!isOver) {
      await clock.runUntil(clock.nowMs() + 20)
      await delay(5)
    }
    return promise
  }

  /** Kinds of a key's transactions in the best chain. */
  sentBy(keys: KeyPair): TransactionKind[] {
    return this.#sentBy(keys).map(({ body }) => body.kind)
  }

  /** Fees of a key in the best chain: what waits for long pays more. */
  feesOf(keys: KeyPair): bigint {
    return this.#sentBy(keys).reduce((sum, { fee }) => sum + fee, 0n)
  }

  #sentBy({ publicKey }: KeyPair): Transaction[] {
    const { chain } = this.net.plain.node
    const found: Transaction[] = []
    for (let height = 1; height <= heightOf(this.net.plain); height++)
      for (const bytes of chain.block(chain.atHeight(height)!)!.body.transactions) {
        const transaction = decodeTransaction(bytes)
        if (equalBytes(transaction.sender, publicKey)) found.push(transaction)
      }
    return found
  }

  async stop(): Promise<void> {
    await this.rpc.stop()
    await this.net.network.stop()
    rmSync(this.home, { recursive: true, force: true })
  }
}

export const hexOf = bytesToHex

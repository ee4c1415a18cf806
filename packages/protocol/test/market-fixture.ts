/** A ledger with clients, registered miners that ask, and a verifier. */
import { equalBytes } from '../src/bytes.ts'
import { accountOf, type KeyPair } from '../src/keys.ts'
import type { AppliedBlock } from '../src/ledger/apply-block.ts'
import type { BlockInput } from '../src/ledger/begin-block.ts'
import {
  type Ask,
  type Job,
  type Receipt,
  type TransactionBody,
  transactionIdOfBytes,
} from '../src/ledger/transactions.ts'
import { type JobRecord, readBlockId, readJob } from '../src/market/entries.ts'
import { overrideParams } from '../src/params/lines.ts'
import { GRAINS_PER_NCR } from '../src/params/presets.ts'
import type { Params } from '../src/params/types.ts'
import { LANE_PAID } from '../src/unit/types.ts'
import { FAUCET, keysOf, MINER, MODEL, TEST_PARAMS, TestLedger, transactionOf, transfer } from './ledger-fixture.ts'

export const CLIENT: KeyPair = keysOf(40)
export const OTHER_CLIENT: KeyPair = keysOf(41)
export const VERIFIER: KeyPair = keysOf(60)
/** Miners of the fixture, in the order in which they ask. */
export const minerKeys = (i: number): KeyPair => keysOf(80 + i)
/** 10 NCR per GMAC. */
export const PRICE: bigint = 10n * GRAINS_PER_NCR

export const params = (...lines: string[]): Params => overrideParams(TEST_PARAMS, lines)

export const jobBody = (change: Partial<Job> = {}): Job => ({
  kind: 'job',
  modelId: MODEL.modelId,
  promptTokens: Array.from({ length: 16 }, (_, i) => i),
  maxNewTokens: 4,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
  maxPrice: PRICE,
  expiryHeight: 30,
  ...change,
})
export const askBody = (change: Partial<Ask> = {}): Ask => ({
  kind: 'ask',
  modelId: MODEL.modelId,
  price: PRICE / 2n,
  capacityMacs: 10n ** 12n,
  ...change,
})

export class MarketLedger extends TestLedger {
  readonly #sent = new Map<KeyPair, bigint>()

  /** A transaction with the sender's next nonce, counting those made for the block under way. */
  tx(keys: KeyPair, body: TransactionBody, fee = 1000n): Uint8Array {
    const sent = this.#sent.get(keys) ?? 0n
    this.#sent.set(keys, sent + 1n)
    return transactionOf(keys, this.nonce(keys) + sent, body, fee)
  }

  /** Forgets the last transaction of a sender, which was refused. */
  unsend(keys: KeyPair): void {
    this.#sent.set(keys, this.#sent.get(keys)! - 1n)
  }

  /** Forgets transactions that were made and not included. */
  forget(): void {
    this.#sent.clear()
  }

  override block(
    transactions: readonly Uint8Array[] = [],
    miner: KeyPair = MINER,
    change: Partial<BlockInput> = {},
  ): AppliedBlock {
    const applied = super.block(transactions, miner, change)
    this.#sent.clear()
    return applied
  }

  /** Posts one job in a block of its own. Returns its id. */
  post(change: Partial<Job> = {}, client: KeyPair = CLIENT): Uint8Array {
    const bytes = this.tx(client, jobBody(change))
    this.block([bytes])
    return transactionIdOfBytes(bytes)
  }

  job(jobId: Uint8Array): JobRecord {
    return readJob(this, jobId)!
  }

  /** The keys of the miner at a rank. */
  rank(jobId: Uint8Array, rank: number): KeyPair {
    const key = this.job(jobId).ranks[rank]!
    const known = [CLIENT, OTHER_CLIENT, VERIFIER, ...Array.from({ length: 16 }, (_, i) => minerKeys(i))]
    const found = known.find(({ publicKey }) => equalBytes(publicKey, key))
    if (found !== undefined) return found
    throw new Error('the rank is no miner of the fixture')
  }

  receiptBody(jobId: Uint8Array, change: Partial<Receipt> = {}): Receipt {
    const { openedHeight, maxNewTokens } = this.job(jobId)
    const unitParentId =
      openedHeight === this.height ? this.idAt(openedHeight) : (readBlockId(this, openedHeight) ?? new Uint8Array(32))
    return {
      kind: 'receipt',
      jobId,
      unitParentId,
      traceRoot: new Uint8Array(32).fill(0x7a),
      tokens: Array.from({ length: maxNewTokens }, (_, i) => 10 + i),
      ...change,
    }
  }

  /** The change that makes the next block the paid win of a job. */
  paid(jobId: Uint8Array): Partial<BlockInput> {
    const { modelId, promptTokens } = this.job(jobId)
    const parentId = this.idAt(this.height)
    return { unit: { lane: LANE_PAID, modelId, parentId, jobId, counter: 0 }, promptTokens }
  }
}

/** Clients have 1000 NCR; miners and the verifier are registered; the miners' asks stand. */
export function market(
  options: { readonly params?: Params; readonly asks?: readonly Partial<Ask>[]; readonly verifiers?: number } = {},
): MarketLedger {
  const ledger = new MarketLedger(options.params ?? TEST_PARAMS)
  const asks = options.asks ?? [{}, {}]
  const miners = asks.map((_, i) => minerKeys(i))
  const verifiers = (options.verifiers ?? 1) > 0 ? [VERIFIER] : []
  const fund = [CLIENT, OTHER_CLIENT, ...miners, VERIFIER].map((keys) =>
    ledger.tx(FAUCET, transfer(accountOf(keys.publicKey), 1000n * GRAINS_PER_NCR)),
  )
  ledger.block(fund)
  ledger.block([
    ...miners.map((keys) => ledger.tx(keys, { kind: 'minerRegister' })),
    ...verifiers.map((keys) => ledger.tx(keys, { kind: 'verifierRegister' })),
  ])
  ledger.block(asks.map((ask, i) => ledger.tx(miners[i]!, askBody(ask))))
  ledger.blocks(ledger.params.jobs.askDelayBlocks)
  return ledger
}

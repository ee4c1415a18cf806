/** Jobs, asks and receipts that wait: what can never apply goes at once, what is only early stays. */
import {
  type Ask,
  bytesToHex,
  equalBytes,
  type Job,
  type KeyPair,
  type Receipt,
  readJob,
  type StateReader,
  type TransactionBody,
  transactionIdOfBytes,
} from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import { beginNextBlock } from '../src/market/next-block.ts'
import { Mempool } from '../src/mempool.ts'
import { Forge, type Forged, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'

/**
 *   genesis - fund - register - ask - job - assign - receipt - later - settled
 *                                               \ e6 - e7 - e8 - e9 - e10         nobody delivers
 * Two miners ask, so there are two ranks, whose windows open at 6 and at 8; both may deliver up to 9.
 */
const NCR = 100_000_000n
const forge = new Forge()
const { context } = forge
const { modelId } = context.bootstrap.model
const [m, n, verifier, client, stranger] = ['m', 'n', 'v', 'c', 's'].map(keysOf) as [
  KeyPair,
  KeyPair,
  KeyPair,
  KeyPair,
  KeyPair,
]
const tx = (keys: KeyPair, nonce: bigint, body: TransactionBody, fee?: bigint) =>
  transactionOf(context, keys, nonce, body, fee)
const job: Job = {
  kind: 'job',
  modelId,
  promptTokens: [60, 61, 62, 63],
  maxNewTokens: 2,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
  maxPrice: 10n * NCR,
  expiryHeight: 30,
}
const ask: Ask = { kind: 'ask', modelId, price: NCR, capacityMacs: 10n ** 9n }
const jobBytes = tx(client, 0n, job)
const jobId = transactionIdOfBytes(jobBytes)

const funded = [m, n, verifier, client, stranger]
forge.mine('fund', 'genesis', {
  transactions: funded.map((to, i) => tx(faucetKeys, BigInt(i), transferTo(to, 100n * NCR))),
})
forge.mine('register', 'fund', {
  transactions: [
    tx(m, 0n, { kind: 'minerRegister' }),
    tx(n, 0n, { kind: 'minerRegister' }),
    tx(verifier, 0n, { kind: 'verifierRegister' }),
  ],
})
forge.mine('ask', 'register', { transactions: [tx(m, 1n, ask), tx(n, 1n, ask)] })
forge.mine('job', 'ask', { transactions: [jobBytes] })
forge.mine('assign', 'job')
forge.mine('e6 e7 e8 e9 e10', 'assign')

const receipt: Receipt = {
  kind: 'receipt',
  jobId,
  unitParentId: forge.get('assign').id,
  traceRoot: new Uint8Array(32),
  tokens: [1, 2],
}
const rank0 = rankOf(0)
const rank1 = rankOf(1)
const delivery = tx(rank0, 2n, receipt)
forge.mine('receipt', 'assign', { transactions: [delivery] })
forge.mine('later settled', 'receipt')

/** Who has a rank once the job is assigned. */
function rankOf(rank: number): KeyPair {
  const { ranks } = readJob(readerOf(forge.get('assign')), jobId)!
  return [m, n].find(({ publicKey }) => equalBytes(publicKey, ranks[rank]!))!
}

function readerOf({ entries }: Forged): StateReader {
  return { get: (key) => entries.get(key) }
}

const nextOf = (label: string) => beginNextBlock(context, forge.get(label), readerOf(forge.get(label)))

function codeOf(mempool: Mempool, bytes: Uint8Array, label: string): string {
  try {
    mempool.add(bytes, readerOf(forge.get(label)), nextOf(label))
    return 'accepted'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
/** What is left of a mempool when the tip moves to a label. */
function move(mempool: Mempool, label: string): number {
  mempool.prune(readerOf(forge.get(label)))
  mempool.dropHopeless(nextOf(label))
  return mempool.size
}

describe('a receipt is taken in', () => {
  test.each<[string, () => Uint8Array, string, string]>([
    ['of rank 0 in its window', () => delivery, 'assign', 'accepted'],
    ['of rank 1 before its window', () => tx(rank1, 2n, receipt), 'assign', 'accepted'],
    ['before the beacon', () => delivery, 'job', 'accepted'],
    [
      'of a job that nobody posted',
      () => tx(rank0, 2n, { ...receipt, jobId: new Uint8Array(32) }),
      'assign',
      'RECEIPT_JOB',
    ],
    ['of a settled job', () => tx(rank0, 3n, receipt), 'settled', 'RECEIPT_JOB'],
    ['of a job that came back to its client', () => delivery, 'e10', 'RECEIPT_JOB'],
    ['of a delivered job', () => tx(rank1, 2n, receipt), 'receipt', 'RECEIPT_DOUBLE'],
    ['of a key without a rank', () => tx(stranger, 0n, receipt), 'assign', 'RECEIPT_MINER'],
    ['of rank 0 after its own window', () => delivery, 'e7', 'accepted'],
    [
      'of another branch',
      () => tx(rank0, 2n, { ...receipt, unitParentId: forge.get('job').id }),
      'assign',
      'RECEIPT_BRANCH',
    ],
    [
      'with a token that no model has',
      () => tx(rank0, 2n, { ...receipt, tokens: [1, 99_999] }),
      'assign',
      'RECEIPT_TOKENS',
    ],
  ])('%s', (_name, make, label, code) => {
    const mempool = new Mempool(context)
    expect(codeOf(mempool, make(), label)).toBe(code)
    expect(mempool.size).toBe(code === 'accepted' ? 1 : 0)
  })

  test('and is found by its job while it waits', () => {
    const mempool = new Mempool(context)
    const hex = bytesToHex(jobId)
    expect(mempool.add(delivery, readerOf(forge.get('assign')), nextOf('assign'))).toMatchObject({ receiptOf: hex })
    expect(mempool.receiptsOf(hex)).toEqual([delivery])
    mempool.remove(delivery)
    expect(mempool.receiptsOf(hex)).toEqual([])
  })
})

describe('a receipt waits', () => {
  test('until the last window has passed', () => {
    const mempool = new Mempool(context)
    mempool.add(delivery, readerOf(forge.get('assign')), nextOf('assign'))
    expect(['e6', 'e7', 'e8'].map((label) => move(mempool, label))).toEqual([1, 1, 1])
    expect(move(mempool, 'e9')).toBe(0)
  })

  test('for its window, and until that has passed', () => {
    const mempool = new Mempool(context)
    mempool.add(tx(rank1, 2n, receipt), readerOf(forge.get('assign')), nextOf('assign'))
    expect(['e6', 'e7', 'e8'].map((label) => move(mempool, label))).toEqual([1, 1, 1])
    expect(move(mempool, 'e9')).toBe(0)
  })

  test('until somebody has delivered', () => {
    const mempool = new Mempool(context)
    mempool.add(tx(rank1, 2n, receipt), readerOf(forge.get('assign')), nextOf('assign'))
    expect(move(mempool, 'receipt')).toBe(0)
  })

  test('and takes with it what builds on it', () => {
    const mempool = new Mempool(context)
    const add = (bytes: Uint8Array) => mempool.add(bytes, readerOf(forge.get('assign')), nextOf('assign'))
    add(delivery)
    add(tx(rank0, 3n, transferTo(client, 5n)))
    add(tx(stranger, 0n, transferTo(client, 5n)))
    expect(move(mempool, 'e9')).toBe(1)
  })

  test('however many wait: each is looked at in turn, a bounded number for each tip', () => {
    const mempool = new Mempool(context)
    const at = readerOf(forge.get('assign'))
    const receipts = [m, n].map((keys) => tx(keys, 2n, receipt))
    for (const bytes of receipts) mempool.add(bytes, at, nextOf('assign'))
    mempool.add(tx(client, 1n, { ...job, expiryHeight: 31 }), at, nextOf('assign'))
    expect(mempool.dropHopeless(nextOf('e10'), 1)).toBe(1)
    expect(mempool.dropHopeless(nextOf('e10'), 1)).toBe(1)
    expect(mempool.dropHopeless(nextOf('e10'), 1)).toBe(0)
    expect(mempool.size).toBe(1)
  })
})

describe('an ask', () => {
  test('of a key that is not registered is refused, unless its registration waits ahead of it', () => {
    const mempool = new Mempool(context)
    expect(codeOf(mempool, tx(stranger, 0n, ask), 'assign')).toBe('ASK_MINER')
    expect(codeOf(mempool, tx(stranger, 0n, { kind: 'minerRegister' }), 'assign')).toBe('accepted')
    expect(codeOf(mempool, tx(stranger, 1n, ask), 'assign')).toBe('accepted')
    expect(move(mempool, 'e6')).toBe(2)
  })

  test('of a model that nobody registered is refused', () => {
    const mempool = new Mempool(context)
    expect(codeOf(mempool, tx(m, 2n, { ...ask, modelId: new Uint8Array(32) }), 'assign')).toBe('ASK_MODEL')
  })
})

describe('a job', () => {
  test.each<[number, string]>([
    [9, 'JOB_EXPIRED'],
    [47, 'JOB_EXPIRY_TOO_FAR'],
    [46, 'accepted'],
  ])('that expires at %d, at height 5: %s', (expiryHeight, code) => {
    const mempool = new Mempool(context)
    expect(codeOf(mempool, tx(client, 1n, { ...job, expiryHeight }), 'assign')).toBe(code)
  })

  test('that waits too long for its ranks to have their windows goes', () => {
    const mempool = new Mempool(context)
    expect(codeOf(mempool, tx(client, 1n, { ...job, expiryHeight: 12 }), 'assign')).toBe('accepted')
    expect(move(mempool, 'e6')).toBe(1)
    expect(move(mempool, 'e7')).toBe(0)
  })
})

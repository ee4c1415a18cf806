/** Which transactions get into a block, and what becomes of those that do not fit. */
import { Mempool } from '@nacre/node'
import {
  type Account,
  accountCodec,
  accountKey,
  accountOf,
  applyBlockBody,
  bytesToHex,
  encodeTransaction,
  FAUCET_SEED_HEX,
  headerCodec,
  hexToBytes,
  isTransactionOfKind,
  jobCodec,
  jobKey,
  type KeyPair,
  keyPairFromSeed,
  LANE_BOOTSTRAP,
  MAX_BLOCK_ACCUSATIONS,
  type StateReader,
  signHeader,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import { LocalNetwork } from '../../cli/test/local-network.ts'
import { easyContext as context, testKeys } from '../../protocol/test/chain-fixture.ts'
import { BlockSelection, selectTransactions } from '../src/select-transactions.ts'

const faucet = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))
const FEE = context.params.fees.minTransactionGrains

function transactionOf(keys: KeyPair, nonce: bigint, body: TransactionBody, chain = context): Uint8Array {
  return encodeTransaction(signTransaction({ chainId: chain.genesis.chainId, nonce, fee: FEE, body }, keys))
}
const transfer = (grains: bigint): TransactionBody => ({ kind: 'transfer', to: new Uint8Array(20).fill(3), grains })
/** An accusation that any node decodes, and whose evidence none does. */
const nonsense: TransactionBody = { kind: 'equivocation', evidenceA: Uint8Array.of(1), evidenceB: Uint8Array.of(2) }

describe('selection', () => {
  const rich: Account = { balance: 1_000_000n, nonce: 0n }
  /** Account `i` has a million grains. */
  const accounts = new Map(
    Array.from({ length: 40 }, (_, i) => [accountKey(accountOf(testKeys(i).publicKey)), accountCodec.encode(rich)]),
  )
  const reader = { get: (key: string) => accounts.get(key) }
  const unit = {
    lane: LANE_BOOTSTRAP,
    modelId: new Uint8Array(32),
    parentId: new Uint8Array(32),
    jobId: new Uint8Array(32),
    counter: 0,
  } as const
  const { params, genesis } = context
  const header = {
    height: 1,
    parentId: genesis.id,
    bits: params.difficulty.genesisBits,
    minerKey: testKeys(99).publicKey,
  }
  const select = (mempool: Mempool): string[] => selectTransactions(context, header, mempool, reader).map(bytesToHex)

  test('those of one account in the order of their nonces', () => {
    const mempool = new Mempool(context)
    const payments = [0n, 1n, 2n].map((nonce) => transactionOf(testKeys(1), nonce, transfer(5n)))
    for (const payment of payments) mempool.add(payment, reader)
    expect(select(mempool)).toEqual(payments.map(bytesToHex))
  })

  test.each<[string, TransactionBody]>([
    ['nothing', transfer(0n)],
    ['a bond that is not locked', { kind: 'unbond', role: 0 }],
    ['evidence that is no header', nonsense],
  ])('one that moves %s is left out for good, the others stay', (_name, body) => {
    const mempool = new Mempool(context)
    const good = [1, 3].map((i) => transactionOf(testKeys(i), 0n, transfer(5n)))
    const bad = transactionOf(testKeys(2), 0n, body)
    for (const bytes of [good[0]!, bad, good[1]!]) mempool.add(bytes, reader)
    expect(select(mempool)).toEqual(good.map(bytesToHex))
    expect(mempool.size).toBe(2)
  })

  test('what builds on one that does not fit goes with it', () => {
    const mempool = new Mempool(context)
    const [bad, next] = [transactionOf(testKeys(1), 0n, nonsense), transactionOf(testKeys(1), 1n, transfer(5n))]
    mempool.add(bad!, reader)
    mempool.add(next!, reader)
    expect(select(mempool)).toEqual([])
    expect(mempool.size).toBe(0)
  })

  test('a flood of misfits cannot make a block expensive: each transaction is applied once', () => {
    const mempool = new Mempool(context)
    const good = transactionOf(testKeys(0), 0n, transfer(5n))
    const key = accountKey(accountOf(testKeys(0).publicKey))
    mempool.add(good, reader)
    /** How often the account of the good one is read for a block. */
    const readsOf = (): number => {
      let reads = 0
      const counting: StateReader = {
        get: (name) => {
          if (name === key) reads++
          return reader.get(name)
        },
      }
      const chosen = selectTransactions(context, header, mempool, counting)
      expect(chosen.map(bytesToHex)).toEqual([bytesToHex(good)])
      return reads
    }
    const alone = readsOf()
    for (let i = 1; i < 40; i++) mempool.add(transactionOf(testKeys(i), 0n, nonsense), reader)
    expect(readsOf()).toBe(alone)
    expect(mempool.size).toBe(1)
  })

  test('a selection grows with the mempool, and makes a valid block at any time', () => {
    const mempool = new Mempool(context)
    const selection = new BlockSelection(context, header, mempool, reader)
    const payments = [0n, 1n, 2n].map((nonce) => transactionOf(testKeys(1), nonce, transfer(5n)))
    for (const payment of payments) {
      mempool.add(payment, reader)
      for (const _ of selection.extend());
    }
    expect(selection.transactions.map(bytesToHex)).toEqual(payments.map(bytesToHex))
    const promptTokens = params.units.bootstrapPromptTokens
    const whole = { ...header, unit, promptTokens, beacon: genesis.header.beacon }
    applyBlockBody(context, whole, selection.transactions, reader, genesis.state.ltHash)
  })

  test('evidence against the miner itself waits for another miner, and does not cost the block', () => {
    const mempool = new Mempool(context)
    const [evidenceA, evidenceB] = [1, 2].map((timeMs) =>
      headerCodec.encode(
        signHeader({ ...context.genesis.header, minerKey: testKeys(99).publicKey, timeMs }, testKeys(99)),
      ),
    ) as [Uint8Array, Uint8Array]
    const accusation = transactionOf(testKeys(1), 0n, { kind: 'equivocation', evidenceA, evidenceB })
    const good = transactionOf(testKeys(2), 0n, transfer(5n))
    for (const bytes of [accusation, good]) mempool.add(bytes, reader)
    expect(select(mempool)).toEqual([bytesToHex(good)])
    expect(mempool.size).toBe(2)
    const other = { ...header, minerKey: testKeys(98).publicKey }
    const chosen = selectTransactions(context, other, mempool, reader)
    expect(chosen).toHaveLength(2)
  })

  test('a selection with room for a receipt leaves out its sender, keeps one place free, and drops nothing', () => {
    const mempool = new Mempool(context)
    const own = transactionOf(testKeys(1), 0n, transfer(5n))
    const misfit = transactionOf(testKeys(2), 0n, nonsense)
    const others = Array.from({ length: 30 }, (_, i) => transactionOf(testKeys(3 + i), 0n, transfer(5n)))
    for (const bytes of [own, misfit, ...others]) mempool.add(bytes, reader)
    const small = { ...context, params: { ...params, block: { ...params.block, maxTransactions: 20 } } }
    const reserve = { sender: testKeys(1).publicKey, bytes: 1000 }
    const selection = new BlockSelection(small, header, mempool, reader, reserve)
    // The misfit takes a place only the first time.
    for (const expected of [18, 19, 19]) {
      for (const _ of selection.extend());
      expect(selection.transactions).toHaveLength(expected)
    }
    const chosen = selection.transactions.map(bytesToHex)
    expect(chosen).not.toContain(bytesToHex(own))
    expect(mempool.size).toBe(32)
  })

  test('a receipt that is only early waits for a later block; one that can never apply goes', () => {
    const params = { ...context.params, jobs: { ...context.params.jobs, assignmentWindowBlocks: 1 } }
    const market = { ...context.market, params }
    const jobId = new Uint8Array(32).fill(7)
    const record = {
      client: new Uint8Array(20),
      modelId: context.bootstrap.model.modelId,
      promptTokens: 1,
      maxNewTokens: 1,
      decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
      maxPrice: 1n,
      expiryHeight: 100,
      held: 0n,
      price: 1n,
      openedHeight: 9,
      promptBurn: 0n,
      ranks: [testKeys(1).publicKey, testKeys(2).publicKey],
      delivery: undefined,
    }
    const entries = new Map([...accounts, [jobKey(jobId), jobCodec.encode(record)]])
    const at = (height: number, ranks: readonly number[]): number => {
      const mempool = new Mempool(context)
      const state = { get: (key: string) => entries.get(key) }
      for (const i of ranks) {
        const receipt = { kind: 'receipt', jobId, unitParentId: genesis.id, traceRoot: jobId, tokens: [1] } as const
        mempool.add(transactionOf(testKeys(i), 0n, receipt), state)
      }
      selectTransactions({ ...context, params, market }, { ...header, height }, mempool, state)
      return mempool.size
    }
    // At 10 the window of rank 0 opens, at 11 that of rank 1, and after 11 both are over.
    expect(at(10, [2])).toBe(1)
    expect(at(12, [1, 2])).toBe(0)
    expect(at(9, [1, 2])).toBe(2)
  })

  test('of many good proofs of equivocation a block takes the sixteen that it may have, and other transactions besides', () => {
    const mempool = new Mempool(context)
    const accusations = Array.from({ length: MAX_BLOCK_ACCUSATIONS + 2 }, (_, i) => {
      const guilty = testKeys(200 + i)
      const [evidenceA, evidenceB] = [1, 2].map((timeMs) =>
        headerCodec.encode(signHeader({ ...context.genesis.header, minerKey: guilty.publicKey, timeMs }, guilty)),
      ) as [Uint8Array, Uint8Array]
      return transactionOf(testKeys(i), 0n, { kind: 'equivocation', evidenceA, evidenceB })
    })
    const payment = transactionOf(testKeys(30), 0n, transfer(5n))
    for (const bytes of [...accusations, payment]) mempool.add(bytes, reader)
    // The payment pays more per byte.
    const taken = [payment, ...accusations.slice(0, MAX_BLOCK_ACCUSATIONS)]
    const selection = new BlockSelection(context, header, mempool, reader)
    for (let i = 0; i < 2; i++) for (const _ of selection.extend());
    expect(selection.transactions.map(bytesToHex)).toEqual(taken.map(bytesToHex))
    expect(mempool.size).toBe(accusations.length + 1)
    // Those that are full give no candidates that could not be used.
    expect(mempool.candidates(64, reader, taken).filter((bytes) => isTransactionOfKind(bytes, 'equivocation'))).toEqual(
      [],
    )
    const whole = { ...header, unit, promptTokens: params.units.bootstrapPromptTokens, beacon: genesis.header.beacon }
    const apply = (list: readonly Uint8Array[]) => () =>
      applyBlockBody(context, whole, list, reader, genesis.state.ltHash)
    expect(apply(selection.transactions)).not.toThrow()
    expect(apply(accusations)).toThrow('BLOCK_TOO_MANY_ACCUSATIONS')
  })

  test('an error that is about no transaction is not swallowed', () => {
    const wrongHeight = { ...header, height: 0 }
    expect(() => selectTransactions(context, wrongHeight, new Mempool(context), reader)).toThrow('BLOCK_HEIGHT')
  })
})

describe('in a network', () => {
  let network: LocalNetwork
  afterEach(() => network.stop())

  test('blocks are made although the mempool holds what no block can contain', async () => {
    network = new LocalNetwork({ seed: 'misfits', miners: 1 })
    await network.start()
    const { node } = network.members[0]!
    const bad = transactionOf(faucet, 0n, nonsense, network.context)
    await node.publishTransaction(bad)
    await network.untilHeight(2)
    expect(node.mempool.size).toBe(0)
    const good = transactionOf(faucet, 0n, transfer(5n), network.context)
    await node.publishTransaction(good)
    const height = node.chain.tip.header.height
    await network.untilHeight(height + 2)
    const included = [1, 2].flatMap((i) => node.chain.block(node.chain.atHeight(height + i)!)!.body.transactions)
    expect(included.map(bytesToHex)).toEqual([bytesToHex(good)])
  })
})

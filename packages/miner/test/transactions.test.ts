/** Which transactions get into a block, and what becomes of those that do not fit. */
import { Mempool } from '@nacre/node'
import {
  type Account,
  accountCodec,
  accountKey,
  accountOf,
  bytesToHex,
  encodeTransaction,
  FAUCET_SEED_HEX,
  hexToBytes,
  type KeyPair,
  keyPairFromSeed,
  LANE_BOOTSTRAP,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import { LocalNetwork } from '../../cli/test/local-network.ts'
import { easyContext as context, testKeys } from '../../protocol/test/chain-fixture.ts'
import { selectTransactions } from '../src/select-transactions.ts'

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
  const header = { height: 1, unit, minerKey: testKeys(99).publicKey }
  const select = (mempool: Mempool): string[] =>
    selectTransactions(context, header, mempool, reader, context.genesis.state.ltHash).map(bytesToHex)

  test('those of one account in the order of their nonces', () => {
    const mempool = new Mempool(context)
    const payments = [0n, 1n, 2n].map((nonce) => transactionOf(testKeys(1), nonce, transfer(5n)))
    for (const payment of [payments[2]!, payments[0]!, payments[1]!]) mempool.add(payment, reader)
    expect(select(mempool)).toEqual(payments.map(bytesToHex))
  })

  test.each<[string, TransactionBody]>([
    ['more than the account has', transfer(2_000_000n)],
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

  test('what builds on one that does not fit waits', () => {
    const mempool = new Mempool(context)
    const [bad, next] = [transactionOf(testKeys(1), 0n, nonsense), transactionOf(testKeys(1), 1n, transfer(5n))]
    mempool.add(bad!, reader)
    mempool.add(next!, reader)
    expect(select(mempool)).toEqual([])
    expect(mempool.size).toBe(1)
  })

  test('a flood of misfits cannot make a block expensive: it is made of what came before', () => {
    const mempool = new Mempool(context)
    const good = transactionOf(testKeys(0), 0n, transfer(5n))
    mempool.add(good, reader)
    for (let i = 1; i < 40; i++) mempool.add(transactionOf(testKeys(i), 0n, nonsense), reader)
    expect(select(mempool)).toEqual([bytesToHex(good)])
    expect(mempool.size).toBeGreaterThan(20)
    select(mempool)
    select(mempool)
    expect(mempool.size).toBe(1)
  })

  test('an error that is about no transaction is not swallowed', () => {
    const wrongHeight = { ...header, height: 0 }
    expect(() =>
      selectTransactions(context, wrongHeight, new Mempool(context), reader, context.genesis.state.ltHash),
    ).toThrow('BLOCK_HEIGHT')
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

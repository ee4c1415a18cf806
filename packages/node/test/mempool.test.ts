/** Transactions that wait for a block. */
import { accountOf, type KeyPair, ProtocolError, readAccount } from '@nacre/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import { MAX_MEMPOOL_PER_ACCOUNT } from '../src/limits-chain.ts'
import { Mempool } from '../src/mempool.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

const forge = new Forge()
const { context, genesis } = forge
const state = { get: (key: string) => genesis.entries.get(key) }
const alice = keysOf('A')
const bob = keysOf('B')

/** A transfer from the faucet unless said otherwise. */
function pay(nonce: number, options: { fee?: bigint; from?: KeyPair; grains?: bigint; to?: KeyPair } = {}): Uint8Array {
  const { fee, from = faucetKeys, grains = 10n, to = alice } = options
  return transactionOf(context, from, BigInt(nonce), transferTo(to, grains), fee)
}

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'accepted'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

describe('what gets in', () => {
  test('each transaction once', () => {
    const mempool = new Mempool(context)
    expect(mempool.add(pay(0), state).isNew).toBe(true)
    expect(mempool.add(pay(0), state).isNew).toBe(false)
    expect(mempool.size).toBe(1)
  })

  test.each<[string, () => Uint8Array, string]>([
    ['no bytes', () => new Uint8Array(0), 'CODEC_MALFORMED'],
    ['bytes after the end', () => Uint8Array.of(...pay(0), 0), 'CODEC_TRAILING_BYTES'],
    [
      'a signature with one bit changed',
      () => pay(0).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte)),
      'SIGNATURE_INVALID',
    ],
    ['a fee below the least', () => pay(0, { fee: 999n }), 'TX_FEE_TOO_LOW'],
    ['an account that cannot pay the fee', () => pay(0, { from: bob }), 'TX_INSUFFICIENT_FUNDS'],
    ['a nonce far ahead', () => pay(MAX_MEMPOOL_PER_ACCOUNT), 'TX_NONCE_GAP'],
    [
      'another chain',
      () =>
        transactionOf(
          { ...context, genesis: { ...context.genesis, chainId: new Uint8Array(32) } },
          faucetKeys,
          0n,
          transferTo(alice, 1n),
        ),
      'TX_CHAIN',
    ],
  ])('not %s', (_name, make, code) => {
    const mempool = new Mempool(context)
    expect(codeOf(() => mempool.add(make(), state))).toBe(code)
    expect(mempool.size).toBe(0)
  })

  test('a rival for a nonce needs a fee that is more than a tenth higher, and then replaces the first', () => {
    const mempool = new Mempool(context)
    mempool.add(pay(0, { fee: 10_000n }), state)
    expect(codeOf(() => mempool.add(pay(0, { fee: 11_000n }), state))).toBe('TX_NONCE_LOW')
    const better = pay(0, { fee: 11_001n })
    mempool.add(better, state)
    expect(mempool.candidates(10, state)).toEqual([better])
    expect(mempool.size).toBe(1)
  })

  test('a full mempool is BUSY, and has room again after a block', () => {
    const mempool = new Mempool(context, { transactions: 3, bytes: 10_000 })
    for (const nonce of [0, 1, 2]) mempool.add(pay(nonce), state)
    expect(codeOf(() => mempool.add(pay(3), state))).toBe('BUSY')
    // A replacement needs no more room.
    mempool.add(pay(2, { fee: 2_000n }), state)
    forge.mine('full1', 'genesis', { transactions: [pay(0)] })
    const after = { get: (key: string) => forge.get('full1').entries.get(key) }
    mempool.prune(after)
    expect(codeOf(() => mempool.add(pay(3), after))).toBe('accepted')
  })

  test('bytes are bounded as well as numbers', () => {
    const { length } = pay(0)
    const mempool = new Mempool(context, { transactions: 100, bytes: 2 * length + 1 })
    for (const nonce of [0, 1]) mempool.add(pay(nonce), state)
    expect(codeOf(() => mempool.add(pay(2), state))).toBe('BUSY')
    mempool.remove(pay(0))
    expect(codeOf(() => mempool.add(pay(2), state))).toBe('accepted')
  })
})

describe('what comes out', () => {
  test('candidates follow the nonces without a gap', () => {
    const mempool = new Mempool(context)
    for (const nonce of [2, 0, 1, 4]) mempool.add(pay(nonce), state)
    expect(mempool.candidates(10, state)).toEqual([pay(0), pay(1), pay(2)])
    expect(mempool.candidates(2, state)).toEqual([pay(0), pay(1)])
    mempool.remove(pay(1))
    expect(mempool.candidates(10, state)).toEqual([pay(0)])
    expect(mempool.size).toBe(3)
  })

  test('pruning forgets what a block used up', () => {
    const mempool = new Mempool(context)
    for (const nonce of [0, 1, 2]) mempool.add(pay(nonce), state)
    forge.mine('p1', 'genesis', { transactions: [pay(0), pay(1)] })
    const after = { get: (key: string) => forge.get('p1').entries.get(key) }
    mempool.prune(after)
    expect(mempool.candidates(10, after)).toEqual([pay(2)])
    expect(mempool.size).toBe(1)
  })
})

describe('in a node', () => {
  let net: NodeNet
  afterEach(() => net.stop())

  const balance = ({ node }: TestNode, keys: KeyPair): bigint =>
    readAccount(node.chain.tipState().reader, accountOf(keys.publicKey)).balance

  test('a transaction travels, a block takes it, the balances follow', async () => {
    net = new NodeNet(forge)
    const east = await net.node('east')
    const west = await net.node('west', ['east'])
    await net.runFor(50)
    await east.node.publishTransaction(pay(0, { to: bob, grains: 123n }))
    await net.runFor(50)
    expect(west.node.mempool.size).toBe(1)
    forge.mine('t1', 'genesis', { transactions: west.node.mempool.candidates(10, state) })
    await west.node.publishBlock(forge.block('t1'))
    expect(await net.untilTip(east, 't1')).toBe(true)
    expect([east.node.mempool.size, west.node.mempool.size]).toEqual([0, 0])
    expect(balance(east, bob)).toBe(123n)
  })

  test('a coinbase can be spent when it is mature, not before', async () => {
    net = new NodeNet(forge)
    const node = await net.node('node')
    const miner = keysOf('m')
    forge.mine('m1 m2 m3 m4')
    const { maturityBlocks } = context.params.block
    const spend = pay(0, { from: miner, grains: 1n })
    for (let height = 1; height <= maturityBlocks; height++) {
      await node.node.publishBlock(forge.block(`m${height}`))
      expect(balance(node, miner)).toBe(0n)
      await expect(node.node.publishTransaction(spend)).rejects.toMatchObject({ code: 'TX_INSUFFICIENT_FUNDS' })
    }
    await node.node.publishBlock(forge.block(`m${maturityBlocks + 1}`))
    expect(balance(node, miner)).toBeGreaterThan(0n)
    await node.node.publishTransaction(spend)
  })

  /**
   *   genesis - r1 - r2              r2 pays nonce 0 and 1
   *               \- s2 - s3*        s2 pays nonce 0 only
   */
  test('a reorganisation gives back what the new branch lacks, and nothing twice', async () => {
    net = new NodeNet(forge)
    const { node } = await net.node('node')
    const zero = pay(0, { to: bob })
    const one = pay(1, { to: bob })
    forge.mine('r1')
    forge.mine('r2', 'r1', { transactions: [zero, one] })
    forge.mine('s2', 'r1', { transactions: [zero] })
    forge.mine('s3', 's2')
    for (const label of ['r1', 'r2']) await node.publishBlock(forge.block(label))
    expect(node.mempool.size).toBe(0)
    for (const label of ['s2', 's3']) await node.publishBlock(forge.block(label))
    expect(forge.labelOf(node.chain.tip.id)).toBe('s3')
    expect(node.mempool.candidates(10, node.chain.tipState().reader)).toEqual([one])
    expect(node.mempool.size).toBe(1)
  })

  test('two transactions with one nonce: whoever relays the other one is not to blame', async () => {
    net = new NodeNet(forge)
    const victim = await net.node('victim')
    const peer = net.peer('peer', ['victim'])
    for (let nonce = 0; nonce < 6; nonce++) {
      await victim.node.publishTransaction(pay(nonce, { to: alice }))
      await peer.publish('transaction', pay(nonce, { to: bob }))
    }
    await net.runFor(100)
    expect(victim.network.peers()).toContain('peer')
    expect(victim.node.mempool.size).toBe(6)
  })

  test('a provably bad transaction is the fault of whoever sent it', async () => {
    net = new NodeNet(forge)
    const victim = await net.node('victim')
    const peer = net.peer('peer', ['victim'])
    for (let i = 0; i < 5; i++) await peer.publish('transaction', pay(0, { fee: BigInt(i) }))
    await net.runFor(100)
    expect(victim.network.peers()).not.toContain('peer')
  })
})

test('errors are typed', () => {
  expect(() => new Mempool(context).add(new Uint8Array(3), state)).toThrow(ProtocolError)
})

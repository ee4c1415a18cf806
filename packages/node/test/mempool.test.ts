/** Transactions that wait for a block. */
import {
  accountCodec,
  accountKey,
  accountOf,
  ERROR_VERDICTS,
  type Job,
  type KeyPair,
  MAX_BLOCK_TRANSACTIONS,
  MAX_EVIDENCE_BYTES,
  MAX_GOSSIP_BYTES,
  MAX_HEADER_BYTES,
  MAX_TICKET_PROOF_BYTES,
  MAX_UNIT_TOKENS,
  ProtocolError,
  readAccount,
  type StateReader,
} from '@nacre/protocol'
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

  test('a used nonce is refused before the signature is looked at: the same bytes can come for ever', () => {
    const mempool = new Mempool(context)
    const key = accountKey(accountOf(faucetKeys.publicKey))
    const account = readAccount(state, accountOf(faucetKeys.publicKey))
    const used = accountCodec.encode({ ...account, nonce: 1n })
    const later = { get: (name: string) => (name === key ? used : state.get(name)) }
    const forged = pay(0).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte))
    expect(codeOf(() => mempool.add(forged, later))).toBe('TX_NONCE_LOW')
    expect(codeOf(() => mempool.add(pay(0), later))).toBe('TX_NONCE_LOW')
    expect(codeOf(() => mempool.add(forged, state))).toBe('SIGNATURE_INVALID')
  })

  test('a job with its escrow: a bad one has a code of its own, one that nobody can pay does not wait (JOB-1)', () => {
    const mempool = new Mempool(context)
    const { modelId } = context.bootstrap.model
    const decoding = { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true }
    const good = { kind: 'job', modelId, promptTokens: [1, 2], maxNewTokens: 2, decoding, maxPrice: 1000n } as const
    const add = (change: Partial<Job>, from = faucetKeys) =>
      codeOf(() => mempool.add(transactionOf(context, from, 0n, { ...good, expiryHeight: 20, ...change }), state))
    expect(add({ modelId: new Uint8Array(32) })).toBe('JOB_MODEL')
    expect(add({ promptTokens: Array.from({ length: 33 }, () => 1) })).toBe('JOB_PROMPT_TOO_LONG')
    expect(add({ maxPrice: 0n })).toBe('JOB_PRICE')
    expect(add({}, alice)).toBe('TX_INSUFFICIENT_FUNDS')
    expect(add({ maxPrice: 1n << 63n })).toBe('TX_INSUFFICIENT_FUNDS')
    expect(add({})).toBe('accepted')
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
    mempool.remove(pay(1))
    expect(codeOf(() => mempool.add(pay(1), state))).toBe('accepted')
  })
})

describe('only what can apply waits', () => {
  /** Accounts A, B, C, ... with these balances. */
  function stateOf(...balances: bigint[]): { keys: KeyPair[]; state: StateReader } {
    const keys = balances.map((_, i) => keysOf(String.fromCharCode(65 + i)))
    const entries = new Map(
      keys.map(({ publicKey }, i) => [
        accountKey(accountOf(publicKey)),
        accountCodec.encode({ balance: balances[i]!, nonce: 0n }),
      ]),
    )
    return { keys, state: { get: (key) => entries.get(key) } }
  }

  test('a nonce ahead of the queue is refused, and not to blame', () => {
    const mempool = new Mempool(context)
    expect(codeOf(() => mempool.add(pay(1), state))).toBe('TX_NONCE_GAP')
    mempool.add(pay(0), state)
    expect(codeOf(() => mempool.add(pay(2), state))).toBe('TX_NONCE_GAP')
    expect(codeOf(() => mempool.add(pay(1), state))).toBe('accepted')
    expect(ERROR_VERDICTS.TX_NONCE_GAP).toBe('ignore')
  })

  test('the balance covers fees and amounts of the whole queue', () => {
    const { keys, state } = stateOf(2_020n, 1_500n)
    const mempool = new Mempool(context)
    for (const nonce of [0, 1]) mempool.add(pay(nonce, { from: keys[0]! }), state)
    expect(codeOf(() => mempool.add(pay(2, { from: keys[0]! }), state))).toBe('TX_INSUFFICIENT_FUNDS')
    expect(codeOf(() => mempool.add(pay(0, { from: keys[1]!, grains: 501n }), state))).toBe('TX_INSUFFICIENT_FUNDS')
    // A replacement counts instead of what it replaces, together with what follows.
    expect(codeOf(() => mempool.add(pay(0, { from: keys[0]!, fee: 1_101n }), state))).toBe('TX_INSUFFICIENT_FUNDS')
    expect(codeOf(() => mempool.add(pay(0, { from: keys[0]!, fee: 1_010n, grains: 0n }), state))).toBe('TX_NONCE_LOW')
    expect(mempool.size).toBe(2)
  })

  test('a bond counts as well', () => {
    const { keys, state } = stateOf(context.params.bonds.minerGrains + 999n)
    const register = transactionOf(context, keys[0]!, 0n, { kind: 'minerRegister' })
    expect(codeOf(() => new Mempool(context).add(register, state))).toBe('TX_INSUFFICIENT_FUNDS')
  })

  test('a replaced one keeps what follows it', () => {
    const mempool = new Mempool(context)
    for (const nonce of [0, 1, 2]) mempool.add(pay(nonce), state)
    const better = pay(1, { fee: 1_101n })
    mempool.add(better, state)
    expect(mempool.candidates(10, state)).toEqual([pay(0), better, pay(2)])
  })

  test('pruning cuts a queue off where the balance ends', () => {
    const { keys, state } = stateOf(10_000n)
    const mempool = new Mempool(context)
    for (const nonce of [0, 1, 2]) mempool.add(pay(nonce, { from: keys[0]! }), state)
    const poorer = stateOf(2_500n).state
    mempool.prune(poorer)
    expect(mempool.candidates(10, poorer)).toEqual([0, 1].map((nonce) => pay(nonce, { from: keys[0]! })))
    expect(mempool.size).toBe(2)
  })

  test('a full mempool gives up the end of a queue that pays least per byte, for one that pays more', () => {
    const { keys, state } = stateOf(10n ** 9n, 10n ** 9n, 10n ** 9n, 10n ** 9n)
    const from = (i: number, nonce: number, fee: bigint): Uint8Array => pay(nonce, { from: keys[i]!, fee })
    const mempool = new Mempool(context, { transactions: 3, bytes: 10_000 })
    // The first pays least of all, but one builds on it.
    for (const bytes of [from(0, 0, 1_000n), from(0, 1, 3_000n), from(1, 0, 2_000n)]) mempool.add(bytes, state)
    expect(codeOf(() => mempool.add(from(2, 0, 2_000n), state))).toBe('BUSY')
    mempool.add(from(2, 0, 2_001n), state)
    expect(mempool.candidates(10, state)).toEqual([from(2, 0, 2_001n), from(0, 0, 1_000n), from(0, 1, 3_000n)])
    for (const nonce of [0, 1]) mempool.add(from(3, nonce, 9_000n), state)
    expect(mempool.candidates(10, state)).toEqual([from(3, 0, 9_000n), from(3, 1, 9_000n), from(0, 0, 1_000n)])
    // Never its own: it builds on them.
    mempool.add(from(3, 2, 9_000n), state)
    expect(codeOf(() => mempool.add(from(3, 3, 90_000n), state))).toBe('BUSY')
    expect(mempool.size).toBe(3)
  })

  test('as many make room as the newcomer has bytes, or none', () => {
    const { keys, state } = stateOf(10n ** 9n, 10n ** 9n)
    const { length } = pay(0)
    const evidence = new Uint8Array(100)
    const body = { kind: 'equivocation', evidenceA: evidence, evidenceB: evidence } as const
    const big = (fee: bigint): Uint8Array => transactionOf(context, keys[1]!, 0n, body, fee)
    const mempool = new Mempool(context, { transactions: 100, bytes: 3 * length + 10 })
    for (const nonce of [0, 1, 2]) mempool.add(pay(nonce, { from: keys[0]! }), state)
    expect(codeOf(() => mempool.add(big(1_900n), state))).toBe('BUSY')
    expect(mempool.size).toBe(3)
    mempool.add(big(10_000n), state)
    expect(mempool.candidates(10, state)).toEqual([big(10_000n), pay(0, { from: keys[0]! })])
  })
})

describe('what comes out', () => {
  test('candidates follow the nonces without a gap', () => {
    const mempool = new Mempool(context)
    for (const nonce of [0, 1, 2]) mempool.add(pay(nonce), state)
    expect(mempool.candidates(10, state)).toEqual([pay(0), pay(1), pay(2)])
    expect(mempool.candidates(2, state)).toEqual([pay(0), pay(1)])
    mempool.remove(pay(1))
    // What builds on the removed one cannot apply, so it does not wait either.
    expect(mempool.candidates(10, state)).toEqual([pay(0)])
    expect(mempool.size).toBe(1)
    // Another one than the one that waits is no reason to forget that.
    mempool.remove(pay(0, { fee: 9_999n }))
    expect(mempool.size).toBe(1)
  })

  test('candidates that pay more per byte come first, but none before what it builds on', () => {
    const entries = new Map(
      [alice, bob].map(({ publicKey }) => [
        accountKey(accountOf(publicKey)),
        accountCodec.encode({ balance: 10n ** 9n, nonce: 0n }),
      ]),
    )
    const both = { get: (key: string) => entries.get(key) }
    const a = [2_000n, 9_000n].map((fee, nonce) => pay(nonce, { from: alice, fee }))
    const b = [5_000n, 1_000n].map((fee, nonce) => pay(nonce, { from: bob, fee }))
    const mempool = new Mempool(context)
    for (const bytes of [...a, ...b]) mempool.add(bytes, both)
    expect(mempool.candidates(10, both)).toEqual([b[0], a[0], a[1], b[1]])
    expect(mempool.candidates(3, both, [pay(0)])).toEqual([b[0], a[0]])
  })

  test('candidates always fit into a block, next to the largest header, proof and tokens', () => {
    const evidence = new Uint8Array(MAX_EVIDENCE_BYTES)
    const body = { kind: 'equivocation', evidenceA: evidence, evidenceB: evidence } as const
    const entries = new Map<string, Uint8Array>()
    const mempool = new Mempool(context)
    const rich = { get: (key: string) => entries.get(key) }
    for (const name of ['A', 'B', 'C', 'D', 'E']) {
      const keys = keysOf(name)
      entries.set(accountKey(accountOf(keys.publicKey)), accountCodec.encode({ balance: 10n ** 9n, nonce: 0n }))
      for (let nonce = 0n; nonce < 64n; nonce++) mempool.add(transactionOf(context, keys, nonce, body), rich)
    }
    const chosen = mempool.candidates(MAX_BLOCK_TRANSACTIONS, rich)
    const others = 2 * 4 + MAX_HEADER_BYTES + MAX_TICKET_PROOF_BYTES + 4 * MAX_UNIT_TOKENS
    const bytes = chosen.reduce((sum, { length }) => sum + 4 + length, others)
    expect(bytes).toBeLessThanOrEqual(MAX_GOSSIP_BYTES)
    expect(bytes + 4 + chosen[0]!.length).toBeGreaterThan(MAX_GOSSIP_BYTES)
    expect(mempool.candidates(MAX_BLOCK_TRANSACTIONS, rich, chosen)).toEqual([])
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

  /**
   *   genesis - d1 - d2              d2 pays alice with nonce 0
   *               \- e2 - e3*        e2 pays bob with nonce 0
   */
  test('a double spend across a reorganisation: the branch decides, and the other payment is refused for good', async () => {
    net = new NodeNet(forge)
    const member = await net.node('node')
    const { node } = member
    const toAlice = pay(0, { to: alice })
    const toBob = pay(0, { to: bob })
    forge.mine('d1')
    forge.mine('d2', 'd1', { transactions: [toAlice] })
    forge.mine('e2', 'd1', { transactions: [toBob] })
    forge.mine('e3', 'e2')
    for (const label of ['d1', 'd2']) await node.publishBlock(forge.block(label))
    expect([balance(member, alice), balance(member, bob)]).toEqual([10n, 0n])
    await expect(node.publishTransaction(toBob)).rejects.toMatchObject({ code: 'TX_NONCE_LOW' })
    for (const label of ['e2', 'e3']) await node.publishBlock(forge.block(label))
    expect(forge.labelOf(node.chain.tip.id)).toBe('e3')
    expect([balance(member, alice), balance(member, bob)]).toEqual([0n, 10n])
    expect(node.mempool.size).toBe(0)
    await expect(node.publishTransaction(toAlice)).rejects.toMatchObject({ code: 'TX_NONCE_LOW' })
    // Nor can a block have both, one after the other.
    expect(codeOf(() => forge.mine('e4', 'e3', { transactions: [toAlice] }))).toBe('TX_NONCE_LOW')
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

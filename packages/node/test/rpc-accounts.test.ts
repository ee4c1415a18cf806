/** What the RPC tells about accounts and their transactions: funds, nonces, history, what became of a payment. */
import { accountOf, bytesToHex, encodeAddress, type KeyPair, readAccount, transactionIdOfBytes } from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_RPC_BLOCKS } from '../src/limits-chain.ts'
import type { AccountView, HistoryEntry, HistoryView } from '../src/rpc/account.ts'
import { type RpcServer, startRpc } from '../src/rpc/server.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

/**
 *   genesis - a1 - a2 - a3 - a4 - m5 - m6*      a2: faucet pays 3 NCR to x and 5 grains to itself
 *                     \- r3 - r4                 a3: x pays 7 grains to y, registers as a miner
 *                                                m5: x asks its bond back     r3: y gets 9 grains instead
 */
const NCR = 100_000_000n
const forge = new Forge()
const { params } = forge.context
const net = new NodeNet(forge)
const [x, y, a, u] = ['x', 'y', 'a', 'u'].map(keysOf) as [KeyPair, KeyPair, KeyPair, KeyPair]
const tx = {
  fund: transactionOf(forge.context, faucetKeys, 0n, transferTo(x, 3n * NCR), 1_500n),
  self: transactionOf(forge.context, faucetKeys, 1n, transferTo(faucetKeys, 5n)),
  pay: transactionOf(forge.context, x, 0n, transferTo(y, 7n)),
  register: transactionOf(forge.context, x, 1n, { kind: 'minerRegister' }),
  unbond: transactionOf(forge.context, x, 2n, { kind: 'unbond', role: 0 }),
  other: transactionOf(forge.context, faucetKeys, 2n, transferTo(y, 9n)),
}
let member: TestNode
let rpc: RpcServer

beforeAll(async () => {
  forge.mine('a1')
  forge.mine('a2', 'a1', { transactions: [tx.fund, tx.self] })
  forge.mine('a3', 'a2', { transactions: [tx.pay, tx.register] })
  forge.mine('a4', 'a3')
  forge.mine('m5', 'a4', { transactions: [tx.unbond] })
  forge.mine('m6', 'm5')
  forge.mine('r3', 'a2', { transactions: [tx.other] })
  forge.mine('r4 r5 r6 r7', 'r3')
  member = await net.node('node')
  for (const label of ['a1', 'a2', 'a3', 'a4', 'm5', 'm6']) await member.node.publishBlock(forge.block(label))
  rpc = await startRpc({ node: member.node, host: '127.0.0.1', port: 0, role: 'boot' })
})
afterAll(async () => {
  await rpc.stop()
  await net.stop()
})

const addressOf = (keys: KeyPair): string => encodeAddress(accountOf(keys.publicKey), params.network.addressPrefix)
const idOf = (bytes: Uint8Array): string => bytesToHex(transactionIdOfBytes(bytes))

async function get<T = Record<string, unknown>>(path: string, status = 200): Promise<T> {
  const response = await fetch(`${rpc.url}${path}`)
  const body = (await response.json()) as T
  expect(response.status, JSON.stringify(body)).toBe(status)
  return body
}
const account = (keys: KeyPair, query = ''): Promise<AccountView> => get(`/accounts/${addressOf(keys)}${query}`)
const history = (keys: KeyPair, query = ''): Promise<HistoryView> =>
  get(`/accounts/${addressOf(keys)}/transactions${query}`)

describe('an account', () => {
  test('shows what matures when, and nothing of others', async () => {
    const { maturityBlocks } = params.block
    const { immature, immatureThrough, height } = await account(a)
    expect(height).toBe(6)
    expect(immatureThrough).toBe(6 + maturityBlocks)
    // a1 to a3 have matured at 4, 5, 6; a4's coinbase is to come.
    expect(immature.map((each) => each.height)).toEqual([4 + maturityBlocks])
    expect(BigInt(immature[0]!.grains)).toBeGreaterThan(0n)
    expect(await account(u)).toMatchObject({
      balanceGrains: '0',
      nonce: '0',
      nextNonce: '0',
      immature: [],
      waiting: [],
    })
  })

  test('shows bonds to whoever names its public key', async () => {
    const key = bytesToHex(x.publicKey)
    expect((await account(x)).bonds).toBeUndefined()
    expect((await account(x, `?key=${key}`)).bonds).toEqual([
      {
        role: 'miner',
        grains: params.bonds.minerGrains.toString(),
        registeredHeight: 3,
        returnsHeight: 5 + params.bonds.unbondingBlocks,
      },
    ])
    expect((await account(y, `?key=${bytesToHex(y.publicKey)}`)).bonds).toEqual([])
    for (const wrong of [bytesToHex(y.publicKey), 'ab', key.toUpperCase()])
      expect(await get(`/accounts/${addressOf(x)}?key=${wrong}`, 400)).toMatchObject({ error: { code: 'BAD_REQUEST' } })
  })

  test('counts what waits into the next nonce', async () => {
    const waiting = [3n, 4n].map((nonce) => transactionOf(forge.context, x, nonce, transferTo(y, 10n)))
    for (const bytes of waiting) await member.node.publishTransaction(bytes)
    const view = await account(x)
    expect(view).toMatchObject({ nonce: '3', nextNonce: '5' })
    expect(view.waiting).toEqual([
      { id: idOf(waiting[0]!), nonce: '3', costGrains: '1010' },
      { id: idOf(waiting[1]!), nonce: '4', costGrains: '1010' },
    ])
    expect(await get(`/transactions/${view.waiting[1]!.id}`)).toEqual({
      id: view.waiting[1]!.id,
      status: 'waiting',
      height: 6,
    })
    member.node.mempool.remove(waiting[0]!)
    expect(await account(x)).toMatchObject({ nonce: '3', nextNonce: '3', waiting: [] })
  })
})

describe('a history', () => {
  const inShort = ({ height, kind, grains }: HistoryEntry): string => `${height} ${kind} ${grains}`

  test('names kind, partner, fee and nonce, newest first', async () => {
    const { entries, next } = await history(x)
    expect(next).toBeUndefined()
    const bond = params.bonds.minerGrains
    expect(entries.map(inShort)).toEqual([
      '5 unbond 0',
      `3 minerRegister ${bond}`,
      '3 transfer 7',
      `2 transfer ${3n * NCR}`,
    ])
    expect(entries[2]).toEqual({
      height: 3,
      blockId: bytesToHex(forge.get('a3').id),
      timeMs: forge.get('a3').header.timeMs,
      kind: 'transfer',
      grains: '7',
      id: idOf(tx.pay),
      from: addressOf(x),
      to: addressOf(y),
      feeGrains: '1000',
      nonce: '0',
    })
  })

  test('tells what matured, and what was there from the beginning', async () => {
    expect((await history(a)).entries.map(({ height, kind }) => `${height} ${kind}`)).toEqual([
      '6 matured',
      '5 matured',
      '4 matured',
    ])
    expect((await history(faucetKeys)).entries.map(inShort)).toEqual([
      '2 transfer 5',
      `2 transfer ${3n * NCR}`,
      `0 genesis ${params.emission.faucetGrains}`,
    ])
  })

  test('sums up to the balance', async () => {
    for (const keys of [x, y, a, u, faucetKeys]) {
      let sum = 0n
      for (const { kind, grains, from, to, feeGrains = '0' } of (await history(keys)).entries) {
        if (from === undefined || to === addressOf(keys)) sum += BigInt(grains)
        if (from === addressOf(keys)) sum -= BigInt(grains) + BigInt(feeGrains)
        expect(kind).toMatch(/^[a-zA-Z]+$/)
      }
      const { reader } = member.node.chain.tipState()
      expect(sum).toBe(readAccount(reader, accountOf(keys.publicKey)).balance)
    }
  })

  test('comes in pages that end with a block', async () => {
    const first = await history(x, '?limit=1')
    expect(first.entries.map(inShort)).toEqual(['5 unbond 0'])
    const second = await history(x, `?limit=1&from=${first.next}`)
    expect(second.entries.map(({ kind }) => kind)).toEqual(['minerRegister', 'transfer'])
    const third = await history(x, `?from=${second.next}&limit=${MAX_RPC_BLOCKS * 1000}`)
    expect(third.entries).toHaveLength(1)
    expect(third.next).toBeUndefined()
    expect((await history(x, '?from=1')).entries).toEqual([])
    expect((await history(x, '?from=4000000000')).entries).toHaveLength(4)
  })

  test.each(['?from=-1', '?limit=x', '?from=1e3'])('%s is refused', async (query) => {
    expect(await get(`/accounts/${addressOf(x)}/transactions${query}`, 400)).toMatchObject({
      error: { code: 'BAD_REQUEST' },
    })
  })

  test('of an address of another network is refused', async () => {
    const foreign = encodeAddress(accountOf(x.publicKey), 'ncr')
    expect(await get(`/accounts/${foreign}/transactions`, 400)).toMatchObject({ error: { code: 'ADDRESS_INVALID' } })
  })
})

describe('a transaction', () => {
  const view = async (bytes: Uint8Array, query = '') => get(`/transactions/${idOf(bytes)}${query}`)

  test('in a block: where, and how deep', async () => {
    expect(await view(tx.pay)).toEqual({
      id: idOf(tx.pay),
      status: 'included',
      height: 6,
      blockHeight: 3,
      blockId: bytesToHex(forge.get('a3').id),
      depth: 4,
    })
    expect(await view(tx.unbond, '?since=5')).toMatchObject({ status: 'included', depth: 2 })
  })

  test('unknown, and how far that was searched', async () => {
    expect(await view(tx.other)).toEqual({ id: idOf(tx.other), status: 'unknown', height: 6, searchedFrom: 0 })
    expect(await view(tx.pay, '?since=4')).toMatchObject({ status: 'unknown', searchedFrom: 4 })
    expect(await view(tx.pay, '?since=999')).toMatchObject({ status: 'unknown', searchedFrom: 999 })
  })

  test.each([
    ['/transactions/x', 404, 'NOT_FOUND'],
    [`/transactions/${'AB'.repeat(32)}`, 404, 'NOT_FOUND'],
    [`/transactions/${'ab'.repeat(32)}?since=-1`, 400, 'BAD_REQUEST'],
  ])('%s is refused', async (path, status, code) => {
    expect(await get(path, status)).toMatchObject({ error: { code } })
  })

  test('a reorganisation takes it out of its block, and histories follow', async () => {
    for (const label of ['r3', 'r4', 'r5', 'r6', 'r7']) await member.node.publishBlock(forge.block(label))
    expect(net.tipOf(member)).toBe('r7')
    // x still has the coins for its payment: it waits again.
    expect(await view(tx.pay)).toMatchObject({ status: 'waiting', height: 7 })
    expect(await view(tx.other)).toMatchObject({ status: 'included', blockHeight: 3, depth: 5 })
    expect((await history(y)).entries.map(({ height, grains }) => [height, grains])).toEqual([[3, '9']])
  })
})

test('a port that is taken is an error, and leaves nothing behind', async () => {
  const port = Number(new URL(rpc.url).port)
  await expect(startRpc({ node: member.node, host: '127.0.0.1', port, role: 'boot' })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
})

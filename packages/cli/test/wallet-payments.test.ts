/** Payments over the RPC of a real node, whose blocks the test makes: funds, nonces, and every end that a payment can take. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type RpcServer, startRpc, type TransactionView } from '@nacre/node'
import { readAccount, readHistory, readTransaction } from '@nacre/node/rpc-client'
import { accountOf, type KeyPair, presets, readAccount as readState } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from '../../node/test/support/forge.ts'
import { NodeNet, type TestNode } from '../../node/test/support/node-net.ts'
import { addressOf, networkOf, readNetwork, readOwnNetwork } from '../src/wallet/network.ts'
import { NonceRecord } from '../src/wallet/nonce-record.ts'
import { type FollowOptions, followPayment, type Payment, type Sent, sendPayment } from '../src/wallet/send.ts'

const forge = new Forge()
const { params } = forge.context
const network = networkOf(params)
const least = params.fees.minTransactionGrains
const [x, y] = ['x', 'y'].map(keysOf) as [KeyPair, KeyPair]
/** What x has at the start. */
const FUNDS = 1_000_000n
forge.mine('a1', 'genesis', { transactions: [transactionOf(forge.context, faucetKeys, 0n, transferTo(x, FUNDS))] })

let net: NodeNet
let member: TestNode
let rpc: RpcServer
let unlocked: number
let tip: string
let blocks = 0

beforeEach(async () => {
  net = new NodeNet(forge)
  member = await net.node('node')
  await member.node.publishBlock(forge.block('a1'))
  rpc = await startRpc({ node: member.node, host: '127.0.0.1', port: 0, role: 'boot' })
  unlocked = 0
  tip = 'a1'
})
afterEach(async () => {
  await rpc.stop()
  await net.stop()
})

/** A block with all that waits, or with what is given, upon the tip or another block. */
async function mine(transactions?: readonly Uint8Array[], on = tip): Promise<void> {
  const { node } = member
  const label = `m${++blocks}`
  forge.mine(label, on, { transactions: transactions ?? node.mempool.candidates(100, node.chain.tipState().reader) })
  await node.publishBlock(forge.block(label))
  tip = label
}

const paymentTo = (to: KeyPair, grains: bigint, change: Partial<Payment> = {}): Payment => ({
  rpc: rpc.url,
  params,
  network,
  from: addressOf(network, x.publicKey),
  to: { address: addressOf(network, to.publicKey), account: accountOf(to.publicKey) },
  grains,
  fee: least,
  nonce: undefined,
  isShared: false,
  unlock: async () => {
    unlocked++
    return x
  },
  ...change,
})
const send = (grains: bigint, change?: Partial<Payment>): Promise<Sent> => sendPayment(paymentTo(y, grains, change))
const balanceOf = (keys: KeyPair): bigint =>
  readState(member.node.chain.tipState().reader, accountOf(keys.publicKey)).balance

describe('sent', () => {
  test('several before a block, each with the next nonce; the balances are exact', async () => {
    const ids: string[] = []
    for (const [i, grains] of [7n, 8n, 9n].entries()) {
      const sent = await send(grains)
      expect(sent).toMatchObject({ nonce: BigInt(i), sinceHeight: 1 })
      ids.push(sent.id)
    }
    expect(
      (await readAccount(rpc.url, addressOf(network, x.publicKey), undefined)).waiting.map(({ id }) => id),
    ).toEqual(ids)
    await mine()
    expect([balanceOf(x), balanceOf(y)]).toEqual([FUNDS - 24n - 3n * least, 24n])
    expect((await send(1n)).nonce).toBe(3n)
  })

  test('at the same time from an account that people share: each finds a nonce of its own', async () => {
    const sent = await Promise.all([1n, 2n, 3n].map((grains) => send(grains, { isShared: true })))
    expect(sent.map(({ nonce }) => nonce).sort()).toEqual([0n, 1n, 2n])
    await mine()
    expect(balanceOf(y)).toBe(6n)
  })

  test('all there is, to the last grain', async () => {
    await send(FUNDS - least)
    await mine()
    expect(balanceOf(x)).toBe(0n)
  })

  test('to oneself: only the fee is gone', async () => {
    await sendPayment(paymentTo(x, 5n))
    await mine()
    expect(balanceOf(x)).toBe(FUNDS - least)
  })
})

describe('refused, before the wallet is unlocked', () => {
  afterEach(() => {
    expect(member.node.mempool.size).toBeLessThanOrEqual(1)
  })

  test('a grain more than there is', async () => {
    await expect(send(FUNDS - least + 1n)).rejects.toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      exitCode: 1,
      message:
        'insufficient funds: 0.01000001 NCR are needed (0.00999001 NCR and a fee of 0.00001 NCR), 0.01 NCR can be spent',
    })
    expect(unlocked).toBe(0)
  })

  test('what is on its way out does not count', async () => {
    await send(600_000n)
    await expect(send(600_000n)).rejects.toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      message: expect.stringMatching(/0\.00399 NCR can be spent; 0\.00601 NCR are on their way out in 1 waiting$/),
    })
    expect(unlocked).toBe(1)
    // In its place, it does.
    await send(700_000n, { nonce: 0n, fee: 2n * least })
  })

  test('what is immature does not count, and is named', async () => {
    const miner = keysOf('a')
    const from = addressOf(network, miner.publicKey)
    await expect(sendPayment(paymentTo(y, 1n, { from, unlock: async () => miner }))).rejects.toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      message: expect.stringMatching(/0 NCR can be spent; [\d.]+ NCR mature by block 4$/),
    })
  })

  test.each<[string, bigint, bigint, string]>([
    ['nothing', 0n, least, 'AMOUNT_ZERO'],
    ['a fee below the least', 1n, least - 1n, 'FEE_TOO_LOW'],
  ])('%s', async (_name, grains, fee, code) => {
    await expect(send(grains, { fee })).rejects.toMatchObject({ code, exitCode: 2 })
    expect(unlocked).toBe(0)
  })
})

describe('a fee that looks like a mistake', () => {
  const NCR = 100_000_000n
  test.each<[string, bigint, bigint, boolean]>([
    ['above 1 NCR and a hundredth of the amount', 100n * NCR, NCR + 1n, true],
    ['above 1 NCR, a hundredth of the amount', 200n * NCR, 2n * NCR, false],
    ['1 NCR, above a hundredth of the amount', 1n, NCR, false],
  ])('%s', async (_name, grains, fee, isRefused) => {
    // Nobody here has so much: what is not refused as a mistake is refused for want of funds.
    const code = isRefused ? 'FEE_TOO_HIGH' : 'INSUFFICIENT_FUNDS'
    await expect(send(grains, { fee })).rejects.toMatchObject({ code })
    await expect(send(grains, { fee, force: true })).rejects.toMatchObject({ code: 'INSUFFICIENT_FUNDS' })
    expect(unlocked).toBe(0)
  })
})

describe('what was signed before', () => {
  let dir: string
  let record: NonceRecord
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'nacre-signed-'))
    record = await NonceRecord.open(join(dir, 'w'), network.chainId, addressOf(network, x.publicKey))
  })
  afterEach(() => rmSync(dir, { recursive: true }))
  const forget = (): void => {
    const { mempool, chain } = member.node
    for (const bytes of mempool.candidates(10, chain.tipState().reader)) mempool.remove(bytes)
  }

  test('and forgotten by the node is not replaced by something else, unless told so', async () => {
    await send(5n, { record })
    forget()
    await expect(send(6n, { record })).rejects.toMatchObject({ code: 'NONCE_SIGNED' })
    expect(member.node.mempool.size).toBe(0)
    // The same again is no other payment.
    await send(5n, { record })
    forget()
    await send(6n, { record, replace: true })
    await mine()
    expect(balanceOf(y)).toBe(6n)
  })

  test('and refused by a node that pays it all the same is not paid twice, unless told so', async () => {
    const liar = createServer(async (request, response) => {
      const answer = await fetch(rpc.url + request.url, {
        method: request.method!,
        ...(request.method === 'POST'
          ? { body: Buffer.concat(await request.toArray()), headers: { 'content-type': 'application/json' } }
          : {}),
      })
      const isTaken = request.method === 'POST' && answer.ok
      response.statusCode = isTaken ? 503 : answer.status
      response.end(isTaken ? JSON.stringify({ error: { code: 'BUSY', message: 'no room' } }) : await answer.text())
    })
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`
    await expect(send(5n, { record, rpc: base })).rejects.toMatchObject({ code: 'BUSY' })
    await expect(send(5n, { record, rpc: base })).rejects.toMatchObject({ code: 'MAYBE_PAID' })
    await mine()
    await expect(send(5n, { record })).rejects.toMatchObject({ code: 'MAYBE_PAID' })
    expect(balanceOf(y)).toBe(5n)
    await send(7n, { record })
    await send(5n, { record, again: true })
    await mine()
    expect(balanceOf(y)).toBe(17n)
    liar.closeAllConnections()
    liar.close()
  })
})

describe('refused by the node, with its code', () => {
  test.each<[string, Partial<Payment>, string]>([
    ['a nonce of a block', { nonce: 0n }, 'TX_NONCE_LOW'],
    ['a nonce that waits, without a better fee', { nonce: 1n, fee: least + 1n }, 'TX_NONCE_LOW'],
    ['a nonce ahead', { nonce: 9n }, 'TX_NONCE_GAP'],
  ])('%s', async (_name, change, code) => {
    await send(1n)
    await mine()
    await send(2n)
    await expect(send(3n, change)).rejects.toMatchObject({
      code,
      exitCode: 1,
      message: expect.stringMatching(new RegExp(`^the node refused the payment: ${code}: `)),
    })
    await mine()
    expect(balanceOf(y)).toBe(3n)
  })

  test('the same bytes again: a block takes them once', async () => {
    const bytes = transactionOf(forge.context, x, 0n, transferTo(y, 5n))
    const post = async (): Promise<unknown> =>
      (
        await fetch(`${rpc.url}/transactions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ transaction: Buffer.from(bytes).toString('hex') }),
        })
      ).json()
    expect(await post()).toEqual(await post())
    expect(member.node.mempool.size).toBe(1)
    await mine()
    expect(await post()).toMatchObject({ error: { code: 'TX_NONCE_LOW' } })
    expect(balanceOf(y)).toBe(5n)
  })
})

describe('followed', () => {
  let views: TransactionView[]
  let abort: AbortController
  const follow = (sent: Sent, change: Partial<FollowOptions> = {}) =>
    followPayment({
      ...{ rpc: rpc.url, params, from: addressOf(network, x.publicKey), sent, depth: 2, timeoutMs: 20_000 },
      ...{ onChange: (view: TransactionView) => void views.push(view), signal: abort.signal },
      ...change,
    })
  const seen = async (isRight: (view: TransactionView) => boolean): Promise<void> => {
    while (!views.some(isRight)) await delay(10)
  }
  beforeEach(() => {
    views = []
    abort = new AbortController()
  })

  test('until it is deep enough', async () => {
    const sent = await send(5n)
    const following = follow(sent)
    await seen(({ status }) => status === 'waiting')
    await mine()
    await seen(({ status }) => status === 'included')
    await mine()
    expect(await following).toMatchObject({ status: 'included', blockHeight: 2, depth: 2 })
    expect(views.map(({ status }) => status)).toEqual(['waiting', 'included', 'included'])
  })

  test('through a reorganisation, into another block', async () => {
    const sent = await send(5n)
    const following = follow(sent, { depth: 3 })
    await mine()
    await seen(({ status }) => status === 'included')
    for (let i = 0; i < 2; i++) await mine([], i === 0 ? 'a1' : tip)
    await seen((view) => view === views[1] && view.status === 'waiting')
    await mine()
    for (let i = 0; i < 2; i++) await mine()
    expect(await following).toMatchObject({ blockHeight: 4, depth: 3 })
  })

  test('to its end: dropped', async () => {
    const sent = await send(5n)
    const [bytes] = member.node.mempool.candidates(1, member.node.chain.tipState().reader)
    member.node.mempool.remove(bytes!)
    await expect(follow(sent)).rejects.toMatchObject({ code: 'DROPPED', exitCode: 1 })
  })

  test('to its end: replaced, while the other one waits and when a block has it', async () => {
    const sent = await send(5n)
    const better = await send(6n, { nonce: 0n, fee: 2n * least })
    await expect(follow(sent)).rejects.toMatchObject({
      code: 'REPLACED',
      message: expect.stringContaining(`${better.id} waits in its place`),
    })
    await mine()
    await expect(follow(sent)).rejects.toMatchObject({
      code: 'REPLACED',
      message: expect.stringContaining('is in a block'),
    })
    expect(await follow(better, { depth: 1 })).toMatchObject({ blockHeight: 2 })
  })

  test('until time is up, or somebody interrupts', async () => {
    const sent = await send(5n)
    await expect(follow(sent, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT', exitCode: 1 })
    const following = follow(sent)
    await seen(({ status }) => status === 'waiting')
    abort.abort()
    await expect(following).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 })
  })

  test('until somebody interrupts, while the node is silent', { timeout: 10_000 }, async () => {
    const sent = await send(5n)
    const asked = Promise.withResolvers<void>()
    const silent = createServer(() => asked.resolve())
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const following = follow(sent, { rpc: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` })
    await asked.promise
    abort.abort()
    await expect(following).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 })
    silent.closeAllConnections()
    silent.close()
  })

  test('past a pause of the node', async () => {
    const sent = await send(5n)
    const following = follow(sent, { depth: 1 })
    await seen(({ status }) => status === 'waiting')
    const { port } = new URL(rpc.url)
    await rpc.stop()
    await delay(500)
    await mine()
    rpc = await startRpc({ node: member.node, host: '127.0.0.1', port: Number(port), role: 'boot' })
    expect(await following).toMatchObject({ blockHeight: 2 })
  })
})

describe('the network', () => {
  test('of the node is read with its parameters', async () => {
    expect((await readNetwork(rpc.url)).network).toEqual(network)
    expect((await readOwnNetwork(rpc.url, network)).fees).toEqual(params.fees)
  })

  test('of another wallet: refused, and both are named', async () => {
    const other = networkOf(presets.devnet)
    await expect(readOwnNetwork(rpc.url, other)).rejects.toMatchObject({
      code: 'WRONG_NETWORK',
      exitCode: 1,
      message: expect.stringMatching(
        new RegExp(
          `belongs to devnet \\(chain ${other.chainId.slice(0, 16)}…\\), .* on unit \\(chain ${network.chainId.slice(0, 16)}…\\)`,
        ),
      ),
    })
  })
})

describe('a node that lies', () => {
  let server: Server
  let answers: Record<string, unknown>
  let base: string
  /** What was posted. */
  let posted: string[]
  beforeEach(async () => {
    answers = {}
    posted = []
    server = createServer(async (request, response) => {
      const path = request.url!.split('?')[0]!
      if (request.method === 'POST') {
        posted.push(Buffer.concat(await request.toArray()).toString('utf8'))
        response.statusCode = 400
      }
      if (path.startsWith('/elsewhere/')) response.writeHead(307, { location: path.slice('/elsewhere'.length) })
      response.end(path in answers ? JSON.stringify(answers[path]) : '<html>')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = addressOf(network, x.publicKey)

  test('about its parameters is found out by its chain id', async () => {
    answers['/status'] = { chainId: network.chainId }
    const { lines } = (await (await fetch(`${rpc.url}/params`)).json()) as { lines: string[] }
    answers['/params'] = { lines: lines.map((line) => line.replace(/^(fees\.minTransactionGrains)=.*/, '$1=99999999')) }
    await expect(readOwnNetwork(base, network)).rejects.toMatchObject({
      code: 'NOT_A_NODE',
      message: expect.stringMatching(/its chain id is not that of its parameters/),
    })
  })

  const good = { height: 1, balanceGrains: '1', nonce: '0', nextNonce: '0', waiting: [], immature: [] }
  test.each<[string, unknown]>([
    ['no JSON', undefined],
    ['null', null],
    ['a list', []],
    ['a number for an amount', { ...good, balanceGrains: 1 }],
    ['more grains than there can be', { ...good, balanceGrains: '99999999999999999999' }],
    ['a negative height', { ...good, height: -1 }],
    ['a broken list', { ...good, waiting: [7] }],
    ['a list without end', { ...good, immature: Array(20_001).fill({ height: 1, grains: '1' }) }],
    ['control characters for an id', { ...good, waiting: [{ id: '\x1b[2J', nonce: '0', costGrains: '1' }] }],
  ])('about an account: %s', async (_name, answer) => {
    if (answer !== undefined) answers[`/accounts/${address}`] = answer
    await expect(readAccount(base, address, undefined)).rejects.toMatchObject({ code: 'NOT_A_NODE' })
    answers[`/accounts/${address}`] = good
    expect(await readAccount(base, address, undefined)).toMatchObject({ balance: 1n })
  })

  test('about a nonce gets one signed payment, not one for each nonce', async () => {
    answers[`/accounts/${address}`] = { ...good, balanceGrains: '1000000' }
    answers['/transactions'] = { error: { code: 'TX_NONCE_LOW', message: '\x1b[2J\u202enow\u2028' } }
    await expect(send(1n, { rpc: base })).rejects.toMatchObject({
      code: 'TX_NONCE_LOW',
      message: expect.stringMatching(/^the node refused the payment: ·\[2J·now·\. .* --nonce 0 only: /),
    })
    expect(posted).toHaveLength(1)
    await expect(send(1n, { rpc: base, isShared: true })).rejects.toMatchObject({ code: 'TX_NONCE_LOW' })
    expect(posted).toHaveLength(6)
  })

  test('about where the answer is: it is not followed there', async () => {
    answers[`/accounts/${address}`] = good
    await expect(readAccount(`${base}/elsewhere`, address, undefined)).rejects.toMatchObject({
      code: 'NOT_A_NODE',
      message: expect.stringMatching(/ answered 307$/),
    })
  })

  test('about a history that goes in circles, or a transaction', async () => {
    answers[`/accounts/${address}/transactions`] = { height: 5, entries: [], next: 5 }
    await expect(readHistory(base, address, 5, 1)).rejects.toMatchObject({ code: 'NOT_A_NODE' })
    answers[`/transactions/${'ab'.repeat(32)}`] = { status: 'paid', height: 5 }
    await expect(readTransaction(base, 'ab'.repeat(32), 0)).rejects.toMatchObject({ code: 'NOT_A_NODE' })
  })
})

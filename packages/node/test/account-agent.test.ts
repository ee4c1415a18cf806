/** The transactions of a node's own key: nonces, what is lost, what waits too long, restarts; and its registration. */
import {
  accountOf,
  bytesToHex,
  decodeTransaction,
  type KeyPair,
  ROLE_MINER,
  readAccount,
  type StateReader,
  transactionIdOfBytes,
} from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AccountAgent, type Want } from '../src/account/account-agent.ts'
import { RegistrationKeeper } from '../src/account/registration.ts'
import { MAX_WANTED_TRANSACTIONS } from '../src/limits-chain.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

const NCR = 100_000_000n
const [x, y] = ['x', 'y'].map(keysOf) as [KeyPair, KeyPair]
let forge: Forge
let net: NodeNet
let member: TestNode
let agent: AccountAgent

/** Pays y, once: over when y has that much. */
const pay = (grains: bigint, key = `pay/${grains}`): Want => ({
  key,
  body: transferTo(y, grains),
  isOver: (reader: StateReader) => readAccount(reader, accountOf(y.publicKey)).balance >= grains,
})

beforeEach(async () => {
  forge = new Forge()
  net = new NodeNet(forge)
  const fund = transactionOf(forge.context, faucetKeys, 0n, transferTo(x, 3n * NCR))
  forge.mine('a1', 'genesis', { transactions: [fund] })
  member = await net.node('node')
  await publish('a1')
  agent = new AccountAgent(member.node, x)
})
afterEach(async () => {
  await agent.stop()
  await net.stop()
})

async function publish(label: string): Promise<void> {
  await member.node.publishBlock(forge.block(label))
  await net.runFor(1)
}
const waiting = () => member.node.mempool.waitingOf(accountOf(x.publicKey))
const bytesOf = (id: string): Uint8Array => member.node.mempool.get(id)!
const feeOf = (id: string): bigint => decodeTransaction(bytesOf(id)).fee

test('wants get consecutive nonces, and are forgotten when they are over', async () => {
  agent.start()
  for (const grains of [10n, 20n]) agent.want(pay(grains))
  agent.want(pay(10n)) // the same again is no second one
  await net.runFor(1)
  expect(waiting().map(({ nonce }) => nonce)).toEqual([0n, 1n])
  expect(agent.waiting.map(({ key, transactionId }) => [key, transactionId])).toEqual(
    waiting().map(({ id }, i) => [['pay/10', 'pay/20'][i], id]),
  )
  expect(agent.spendable()).toBe(3n * NCR - 30n - 2000n)
  forge.mine('a2', 'a1', { transactions: waiting().map(({ id }) => bytesOf(id)) })
  await publish('a2')
  expect(agent.waiting).toEqual([])
  expect(member.node.store.notes('account/')).toEqual([])
})

test('what is lost is sent again with the nonce that is then the next', async () => {
  agent.start()
  agent.want(pay(10n))
  await net.runFor(1)
  const [lost] = waiting()
  member.node.mempool.remove(bytesOf(lost!.id))
  // Meanwhile somebody else used this key.
  forge.mine('a2', 'a1', { transactions: [transactionOf(forge.context, x, 0n, transferTo(keysOf('z'), 1n))] })
  await publish('a2')
  expect(waiting().map(({ nonce }) => nonce)).toEqual([1n])
})

test('what waits too long is sent again with a higher fee, which ends', async () => {
  agent.start()
  agent.want(pay(10n))
  await net.runFor(1)
  const fees: bigint[] = []
  forge.mine(Array.from({ length: 60 }, (_, i) => `a${i + 2}`).join(' '), 'a1')
  for (let i = 2; i <= 61; i++) {
    fees.push(feeOf(waiting()[0]!.id))
    await publish(`a${i}`)
  }
  expect(waiting().map(({ nonce }) => nonce)).toEqual([0n])
  expect(fees.slice(0, 5)).toEqual([1000n, 1000n, 1126n, 1126n, 1267n])
  expect(fees.at(-1)).toBeGreaterThan(10_000n)
  expect(fees.at(-1)).toBeLessThanOrEqual(16_000n)
  expect(fees.at(-1)).toBe(fees.at(-6))
})

test('after a restart the same bytes are sent', async () => {
  agent.start()
  for (const grains of [10n, 20n]) agent.want(pay(grains))
  await net.runFor(1)
  const before = waiting().map(({ id }) => id)
  await agent.stop()
  for (const id of [...before].reverse()) member.node.mempool.remove(bytesOf(id))
  expect(waiting()).toEqual([])

  agent = new AccountAgent(member.node, x)
  agent.start()
  // In another order than before.
  for (const grains of [20n, 10n]) agent.want(pay(grains))
  await net.runFor(1)
  expect(waiting().map(({ id }) => id)).toEqual(before)
})

test('what nobody wants any more after a restart is forgotten once its nonce is used', async () => {
  agent.start()
  agent.want(pay(10n))
  await net.runFor(1)
  const sent = waiting().map(({ id }) => bytesOf(id))
  await agent.stop()
  agent = new AccountAgent(member.node, x)
  agent.start()
  await net.runFor(1)
  expect(member.node.store.notes('account/')).toHaveLength(1)
  forge.mine('a2', 'a1', { transactions: sent })
  await publish('a2')
  expect(member.node.store.notes('account/')).toEqual([])
})

test('what cannot be paid says so, waits, and holds up nothing else', async () => {
  agent.start()
  agent.want(pay(5n * NCR))
  agent.want(pay(10n))
  await net.runFor(1)
  expect(agent.waiting).toEqual([
    { key: `pay/${5n * NCR}`, code: 'TX_INSUFFICIENT_FUNDS' },
    { key: 'pay/10', transactionId: waiting()[0]!.id },
  ])
  forge.mine('a2', 'a1', { transactions: [transactionOf(forge.context, faucetKeys, 1n, transferTo(x, 10n * NCR))] })
  await publish('a2')
  expect(agent.waiting.map(({ code }) => code)).toEqual([undefined, undefined])
  expect(member.lines.filter(({ event }) => event === 'transaction_not_sent')).toHaveLength(1)
})

test('a block of one’s own gets the nonce that the account has after the tip, whatever waits', async () => {
  agent.start()
  agent.want(pay(10n))
  await net.runFor(1)
  expect(decodeTransaction(agent.signForBlock(transferTo(y, 1n))).nonce).toBe(0n)
})

test('the number of wants is bounded', () => {
  for (let i = 0; i < MAX_WANTED_TRANSACTIONS; i++) expect(agent.want(pay(5n * NCR, `pay/${i}`))).toBe(true)
  expect(agent.want(pay(1n, 'one more'))).toBe(false)
  expect(agent.waiting).toHaveLength(MAX_WANTED_TRANSACTIONS)
})

describe('registration', () => {
  let registration: RegistrationKeeper
  const keeper = (isWanted = true, isLeaving = false) =>
    new RegistrationKeeper({ node: member.node, agent, role: ROLE_MINER, isWanted, isLeaving, reserveTransactions: 4 })
  const { bonds, fees } = new Forge().context.params
  const needed = bonds.minerGrains + 5n * fees.minTransactionGrains
  afterEach(() => registration.stop())

  test('is ended on request, once, and the bond is on its way back', async () => {
    agent = new AccountAgent(member.node, y)
    agent.start()
    const fund = transactionOf(forge.context, faucetKeys, 1n, transferTo(y, needed))
    const register = transactionOf(forge.context, y, 0n, { kind: 'minerRegister' })
    forge.mine('u2', 'a1', { transactions: [fund] })
    forge.mine('u3', 'u2', { transactions: [register] })
    for (const label of ['u2', 'u3']) await publish(label)
    registration = keeper(false, true)
    registration.start()
    expect(registration.view).toMatchObject({ state: 'active' })
    await net.runFor(1)
    const [sent] = member.node.mempool.waitingOf(agent.account)
    const bytes = bytesOf(sent!.id)
    expect(decodeTransaction(bytes).body).toEqual({ kind: 'unbond', role: ROLE_MINER })
    forge.mine('u4', 'u3', { transactions: [bytes] })
    await publish('u4')
    expect(registration.view).toEqual({ state: 'unbonding', returnsHeight: 4 + bonds.unbondingBlocks })
    forge.mine('u5', 'u4')
    await publish('u5')
    expect(member.node.mempool.waitingOf(agent.account)).toEqual([])
  })

  test('waits for bond and fees, registers once, and leaves a registration alone that is on its way out', async () => {
    agent = new AccountAgent(member.node, y)
    agent.start()
    registration = keeper()
    registration.start()
    expect(registration.view).toEqual({
      state: 'waiting-for-funds',
      neededGrains: needed.toString(),
      spendableGrains: '0',
    })
    const fund = (grains: bigint, nonce: bigint) =>
      transactionOf(forge.context, faucetKeys, nonce, transferTo(y, grains))
    forge.mine('a2', 'a1', { transactions: [fund(needed - 1n, 1n)] })
    await publish('a2')
    expect(registration.view).toMatchObject({ state: 'waiting-for-funds', spendableGrains: (needed - 1n).toString() })
    forge.mine('a3', 'a2', { transactions: [fund(1n, 2n)] })
    await publish('a3')
    expect(registration.view).toEqual({ state: 'sent' })
    const [sent] = member.node.mempool.waitingOf(agent.account)
    const bytes = bytesOf(sent!.id)
    expect(decodeTransaction(bytes).body).toEqual({ kind: 'minerRegister' })
    expect(bytesToHex(transactionIdOfBytes(bytes))).toBe(sent!.id)
    forge.mine('a4', 'a3', { transactions: [bytes] })
    await publish('a4')
    const active = { state: 'active', bondGrains: bonds.minerGrains.toString(), registeredHeight: 4 }
    expect(registration.view).toEqual(active)

    // Somebody asks the bond back with this key.
    forge.mine('a5', 'a4', {
      transactions: [transactionOf(forge.context, y, 1n, { kind: 'unbond', role: ROLE_MINER })],
    })
    await publish('a5')
    expect(registration.view).toEqual({ state: 'unbonding', returnsHeight: 5 + bonds.unbondingBlocks })
    const rest = Array.from({ length: bonds.unbondingBlocks + 1 }, (_, i) => `a${6 + i}`)
    forge.mine(rest.join(' '), 'a5')
    for (const label of rest) await publish(label)
    expect(registration.view).toEqual({ state: 'off' })
    expect(member.node.mempool.waitingOf(agent.account)).toEqual([])
  })

  test('is sent again after a reorganisation that took it back', async () => {
    agent.start()
    registration = keeper()
    registration.start()
    await net.runFor(1)
    const [sent] = waiting()
    forge.mine('a2', 'a1', { transactions: [bytesOf(sent!.id)] })
    await publish('a2')
    expect(registration.view).toMatchObject({ state: 'active' })
    forge.mine('b2 b3', 'a1')
    await publish('b2')
    await publish('b3')
    expect(net.tipOf(member)).toBe('b3')
    expect(registration.view.state).not.toBe('active')
    expect(waiting()).toHaveLength(1)
  })

  test('is nobody’s business without a wish', async () => {
    agent.start()
    registration = keeper(false)
    registration.start()
    await net.runFor(1)
    expect(registration.view).toEqual({ state: 'off' })
    expect(waiting()).toEqual([])
  })
})

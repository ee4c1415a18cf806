/** NET-2: a transaction that entered here is told again while it waits: nobody may have heard it, or nobody could use it yet. */
import { afterEach, expect, test } from 'vitest'
import { GOSSIP_SEEN_MS } from '../src/limits.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { NodeNet } from './support/node-net.ts'

const forge = new Forge()
const pay = (nonce: number): Uint8Array =>
  transactionOf(forge.context, faucetKeys, BigInt(nonce), transferTo(keysOf('A'), 5n))
let net: NodeNet
afterEach(() => net.stop())

test('what was published before there was a peer reaches the first ones', async () => {
  net = new NodeNet(forge)
  const alone = await net.node('alone')
  await alone.node.publishTransaction(pay(0))
  await net.runFor(10)
  const late = await net.node('late', ['alone'])
  await net.runFor(3 * forge.context.params.block.timeMs)
  expect(late.node.mempool.size).toBe(1)
})

test('what a peer has lost is told again after the time for which messages are remembered, and not before', async () => {
  net = new NodeNet(forge)
  const origin = await net.node('origin')
  const other = await net.node('other', ['origin'])
  const bytes = pay(0)
  await origin.node.publishTransaction(bytes)
  await net.runFor(100)
  expect(other.node.mempool.size).toBe(1)
  other.node.mempool.remove(bytes)
  await net.runFor(GOSSIP_SEEN_MS - 1_000)
  expect(other.node.mempool.size).toBe(0)
  await net.runFor(10 * forge.context.params.block.timeMs)
  expect(other.node.mempool.size).toBe(1)
})

test('what has left the mempool is not told again', async () => {
  net = new NodeNet(forge)
  const alone = await net.node('alone')
  const bytes = pay(0)
  await alone.node.publishTransaction(bytes)
  alone.node.mempool.remove(bytes)
  const late = await net.node('late', ['alone'])
  await net.runFor(3 * forge.context.params.block.timeMs)
  expect(late.node.mempool.size).toBe(0)
})

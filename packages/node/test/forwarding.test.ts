/**
 * BLK-4: a node vouches for what it forwards, so every block is executed first. A key with something at stake goes first in the
 * queue; of any other keys, each peer may have one block pending.
 *
 *   genesis - a1 - ... - a14        the key of `a` has immature rewards of more than one subsidy, other keys have nothing
 */
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { BLOCK_STATUS } from '../src/ports/store.ts'
import type { BlockWorkers } from '../src/ports/workers.ts'
import { Forge, keysOf } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

const LENGTH = 14
const TIP = `a${LENGTH}`
const forge = new Forge()
const chain = Array.from({ length: LENGTH }, (_, i) => `a${i + 1}`)

let net: NodeNet
let relay: TestNode
let far: TestNode
let gate: PromiseWithResolvers<void> | undefined

beforeAll(() => {
  forge.mine(chain.join(' '))
  forge.mine('a15', TIP)
  forge.mine('b15 b16', TIP)
  forge.mine('c15', TIP)
  forge.mine('x', TIP, { keys: keysOf('a'), counter: 1000 })
  forge.withWrongToken('x15', 'x')
})

/** peer - relay - far; the relay's re-executions can be held back. */
beforeEach(async () => {
  net = new NodeNet(forge)
  gate = undefined
  const workers = forge.workers()
  const gated: BlockWorkers = {
    ...workers,
    replayRoot: async (modelId, task, tokens) => {
      await gate?.promise
      return workers.replayRoot(modelId, task, tokens)
    },
  }
  relay = await net.node('relay', [], gated)
  far = await net.node('far', ['relay'])
  for (const label of chain) await relay.node.publishBlock(forge.block(label))
  expect(await net.untilTip(far, TIP)).toBe(true)
})
afterEach(async () => {
  gate?.resolve()
  await net.stop()
})

const knows = ({ node }: TestNode, label: string): boolean => node.chain.tree.get(forge.get(label).id) !== undefined

test('the classes are what the test says', () => {
  expect(['a15', 'b15', 'c15'].map((label) => relay.node.chain.classOf(forge.get(label).header))).toEqual([
    'bonded',
    'other',
    'other',
  ])
})

test('with something at stake: executed first all the same, then forwarded', async () => {
  gate = Promise.withResolvers()
  const peer = net.peer('peer', ['relay'])
  await peer.publish('block', net.encoded('a15'))
  await net.runFor(500)
  expect([knows(relay, 'a15'), knows(far, 'a15')]).toEqual([true, false])
  gate.resolve()
  expect(await net.untilTip(far, 'a15')).toBe(true)
})

test('with nothing at stake: executed first, then forwarded', async () => {
  gate = Promise.withResolvers()
  const peer = net.peer('peer', ['relay'])
  await peer.publish('block', net.encoded('b15'))
  await net.runFor(500)
  expect([knows(relay, 'b15'), knows(far, 'b15')]).toEqual([true, false])
  gate.resolve()
  expect(await net.untilTip(far, 'b15')).toBe(true)
})

test('a false block of a key with something at stake: it goes no further, and the key has no credit here any more', async () => {
  const peer = net.peer('peer', ['relay'])
  await peer.publish('block', net.encoded('x15'))
  await net.runFor(100)
  expect(relay.node.chain.tree.get(forge.get('x15').id)?.status).toBe(BLOCK_STATUS.invalid)
  expect(relay.node.chain.block(relay.node.chain.tree.get(forge.get('x15').id)!)).toBeUndefined()
  expect(knows(far, 'x15')).toBe(false)
  expect(relay.node.chain.classOf(forge.get('a15').header)).toBe('other')
  expect(far.node.chain.classOf(forge.get('a15').header)).toBe('bonded')
})

test('with nothing at stake each peer has one pending block; what it sends meanwhile is found by sync', async () => {
  gate = Promise.withResolvers()
  const peer = net.peer('peer', ['relay'], {
    headers: () => net.headers('b15 b16'),
    blocks: () => net.blocks('b15 b16'),
  })
  const other = net.peer('other', ['relay'])
  await peer.publish('block', net.encoded('c15'))
  await net.runFor(100)
  await peer.publish('block', net.encoded('b15'))
  await net.runFor(10)
  expect([knows(relay, 'c15'), knows(relay, 'b15')]).toEqual([true, false])
  gate.resolve()
  // Another peer's place is free: nobody can use up the room of others.
  await other.publish('block', net.encoded('a15'))
  expect(await net.untilTip(relay, 'b16')).toBe(true)
})

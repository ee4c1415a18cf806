/** NET-4: a node that comes late, misses messages or was cut off converges without help. */
import { bytesToHex } from '@nacre/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { MAX_ORPHAN_BYTES, MAX_ORPHANS, MAX_ORPHANS_PER_PEER } from '../src/limits-chain.ts'
import { decodeBlocksRequest, decodeByteList, encodeBlocksRequest, REQUEST } from '../src/messages.ts'
import { OrphanPool } from '../src/sync/orphans.ts'
import { Forge } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

const LENGTH = 60
const forge = new Forge()
const chainA = Array.from({ length: LENGTH }, (_, i) => `a${i + 1}`)

/**
 *   genesis - a1 - ... - a20 - a21 - ... - a60
 *                          \- b21 - ... - b25
 */
beforeAll(() => {
  forge.mine(chainA.join(' '))
  forge.mine('b21 b22 b23 b24 b25', 'a20')
})

async function publish({ node }: TestNode, labels: readonly string[]): Promise<void> {
  for (const label of labels) await node.publishBlock(forge.block(label))
}

test(`a late joiner catches up ${LENGTH} blocks from headers, and executes every one of them`, async () => {
  const net = new NodeNet(forge)
  const old = await net.node('old')
  await publish(old, chainA)
  const late = await net.node('late', ['old'])
  expect(await net.untilTip(late, 'a60')).toBe(true)
  const executed = late.lines.filter(({ event }) => event === 'block').map(({ height }) => height)
  expect(executed).toEqual(Array.from({ length: LENGTH }, (_, i) => i + 1))
  expect(bytesToHex(late.node.chain.tip.header.stateRoot)).toBe(bytesToHex(forge.get('a60').header.stateRoot))
  expect(late.node.isSyncing).toBe(false)
  await net.stop()
})

test('nodes cut off from each other end on the heavier branch after they meet', async () => {
  const net = new NodeNet(forge)
  const east = await net.node('east')
  const west = await net.node('west', ['east'])
  await publish(east, chainA.slice(0, 20))
  expect(await net.untilTip(west, 'a20')).toBe(true)
  net.hub.partition(['east'], ['west'])
  await publish(east, chainA.slice(20, 23))
  await publish(west, ['b21', 'b22', 'b23', 'b24', 'b25'])
  expect([net.tipOf(east), net.tipOf(west)]).toEqual(['a23', 'b25'])
  net.hub.heal()
  expect(await net.untilTip(east, 'b25')).toBe(true)
  expect(net.tipOf(west)).toBe('b25')
  const [reorg] = east.lines.filter(({ event }) => event === 'reorg')
  // It moves as soon as the other branch is heavier, not at its end.
  expect(reorg).toMatchObject({ left: 3, joined: 4 })
  await net.stop()
})

test('a node that gossip did not reach catches up by asking for the status now and then', async () => {
  const net = new NodeNet(forge)
  const speaker = await net.node('speaker')
  await publish(speaker, chainA.slice(0, 3))
  const deaf = await net.node('deaf', ['speaker'])
  expect(await net.untilTip(deaf, 'a3')).toBe(true)
  // Its ear is closed: from now on it learns nothing but what it asks for.
  deaf.network.subscribe('block', async () => 'ignore')
  await publish(speaker, chainA.slice(3, 6))
  await net.runFor(100)
  expect(net.tipOf(deaf)).toBe('a3')
  const start = net.clock.nowMs()
  expect(await net.untilTip(deaf, 'a6')).toBe(true)
  expect(net.clock.nowMs() - start).toBeLessThanOrEqual(3 * forge.context.params.block.timeMs)
  await net.stop()
})

describe('orphans', () => {
  test('a block with an unknown parent waits, and the sender is asked for what is missing', async () => {
    const net = new NodeNet(forge)
    const victim = await net.node('victim')
    const asked: string[] = []
    const peer = net.peer('peer', ['victim'], {
      headers: () => net.headers('a1 a2 a3 a4'),
      blocks: (request) => {
        const labels = decodeBlocksRequest(request).map((id) => forge.labelOf(id))
        asked.push(...labels)
        return net.blocks(labels.join(' '))
      },
    })
    await net.runFor(100)
    expect(asked).toEqual([])
    await peer.publish('block', net.encoded('a4'))
    expect(await net.untilTip(victim, 'a4')).toBe(true)
    expect(asked).toEqual(['a1', 'a2', 'a3', 'a4'])
    await net.stop()
  })

  test('a chain of orphans joins as soon as its first block does, whoever sent it', async () => {
    const net = new NodeNet(forge)
    const victim = await net.node('victim')
    const peer = net.peer('peer', ['victim'])
    for (const label of ['a5', 'a3', 'a4', 'a2']) await peer.publish('block', net.encoded(label))
    await net.runFor(100)
    expect(net.tipOf(victim)).toBe('genesis')
    await peer.publish('block', net.encoded('a1'))
    await net.runFor(100)
    expect(net.tipOf(victim)).toBe('a5')
    await net.stop()
  })

  test('orphans of a side block are not forgotten', async () => {
    const net = new NodeNet(forge)
    const victim = await net.node('victim')
    await publish(victim, chainA.slice(0, 21))
    const peer = net.peer('peer', ['victim'])
    await peer.publish('block', net.encoded('b22'))
    await net.runFor(100)
    await peer.publish('block', net.encoded('b21'))
    await net.runFor(100)
    expect(net.tipOf(victim)).toBe('b22')
    await net.stop()
  })

  test('an orphan that turns out to be bad costs its sender something', async () => {
    const net = new NodeNet(forge)
    const victim = await net.node('victim')
    forge.withWrongToken('y2', 'a2')
    const peer = net.peer('peer', ['victim'])
    await peer.publish('block', net.encoded('y2'))
    await net.runFor(100)
    await peer.publish('block', net.encoded('a1'))
    await net.runFor(100)
    expect(net.tipOf(victim)).toBe('a1')
    expect(victim.penalties).toEqual(['peer 50 invalid orphan'])
    await net.stop()
  })

  test('their number is bounded, in total and per peer; the oldest goes first', () => {
    const pool = new OrphanPool()
    const id = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 255)
    const block = forge.block('a2')
    for (let n = 0; n < 40; n++) pool.add(id(n), block, 1000, 'flooder')
    expect(pool.size).toBe(MAX_ORPHANS_PER_PEER)
    for (let n = 0; n < 200; n++) pool.add(id(1000 + n), block, 1000, `peer-${n}`)
    expect(pool.size).toBe(MAX_ORPHANS)
    expect(new Set(pool.takeChildren(block.header.parentId).map(({ from }) => from))).toEqual(
      new Set(Array.from({ length: MAX_ORPHANS }, (_, n) => `peer-${200 - MAX_ORPHANS + n}`)),
    )
    expect(pool.size).toBe(0)
  })

  test('their bytes are bounded', () => {
    const pool = new OrphanPool()
    const big = MAX_ORPHAN_BYTES / 4
    for (let n = 0; n < 6; n++) pool.add(Uint8Array.of(n), forge.block('a2'), big, `peer-${n}`)
    expect(pool.size).toBe(4)
    // The same block twice counts once.
    pool.add(Uint8Array.of(5), forge.block('a2'), big, 'peer-9')
    expect(pool.size).toBe(4)
  })
})

describe('serving', () => {
  test('blocks come in the order asked for, with an empty place for what is unknown', async () => {
    const net = new NodeNet(forge)
    const server = await net.node('server')
    await publish(server, chainA.slice(0, 2))
    const asker = net.peer('asker', ['server'])
    const ids = [forge.get('a2').id, new Uint8Array(32), forge.get('a1').id]
    const options = { timeoutMs: 1000, maxResponseBytes: 1 << 20 }
    const request = asker.request('server', REQUEST.blocks, encodeBlocksRequest(ids), options)
    await net.runFor(100)
    const items = decodeByteList(await request, 16, 1 << 20, 'blocks')
    expect(items.map((item) => item.length === 0)).toEqual([false, true, false])
    expect(items[2]).toEqual(net.encoded('a1'))
    await net.stop()
  })

  test.each([REQUEST.headers, REQUEST.blocks])(
    'a malformed request for %s gets no answer and stops nothing',
    async (protocol) => {
      const net = new NodeNet(forge)
      const server = await net.node('server')
      const asker = net.peer('asker', ['server'])
      const options = { timeoutMs: 1000, maxResponseBytes: 1 << 20 }
      for (const bytes of [new Uint8Array(0), Uint8Array.of(0x81, 1, 1), new Uint8Array(5000).fill(0x91)]) {
        const request = asker.request('server', protocol, bytes, options).catch((error: { code: string }) => error.code)
        await net.runFor(100)
        expect(await request).toBe('CLOSED_WITHOUT_ANSWER')
      }
      await publish(server, ['a1'])
      expect(net.tipOf(server)).toBe('a1')
      await net.stop()
    },
  )
})

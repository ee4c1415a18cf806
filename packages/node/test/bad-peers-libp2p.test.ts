/** The same faults over real connections: a node between a liar and an honest peer goes on (NET-1, P8). */
import { bytesToHex, type KeyPair } from '@nacre/protocol'
import { afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '../src/adapters/clock.ts'
import { createLibp2pNetwork } from '../src/adapters/libp2p-network.ts'
import { systemRandom } from '../src/adapters/random.ts'
import { encodeByteList, encodeStatus, REQUEST } from '../src/messages.ts'
import { FullNode } from '../src/node.ts'
import { silentLogger } from '../src/ports/log.ts'
import type { Network } from '../src/ports/network.ts'
import { createSqliteStore } from '../src/store/sqlite-store.ts'
import { Forge, keysOf } from './support/forge.ts'

const forge = new Forge()
const timing = { maintainMs: 50, exchangeMs: 200, dialGraceMs: 400, redialMs: 100 }
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

function network(bootstrap: readonly string[]): Promise<Network> {
  const { genesis } = forge.context
  return createLibp2pNetwork({
    chainTag: bytesToHex(genesis.chainId).slice(0, 16),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap,
    singleHost: true,
    targetPeers: 4,
    timing,
  })
}

async function startNode(bootstrap: readonly string[] = [], minerKeys?: KeyPair): Promise<FullNode> {
  const node = new FullNode({
    context: forge.context,
    network: await network(bootstrap),
    store: createSqliteStore(':memory:'),
    workers: forge.workers(),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    ...(minerKeys && { minerKeys }),
  })
  await node.start()
  stops.push(() => node.stop())
  return node
}

/** Resolves when the node's tip is at this height. */
function atHeight(node: FullNode, height: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): boolean => node.chain.tip.header.height >= height
    if (done()) return resolve()
    node.events.on('block', () => done() && resolve())
  })
}

function onPeer(network: Network, event: 'connect' | 'disconnect', peer?: string): Promise<void> {
  return new Promise((resolve) => {
    network.onPeer((name, happened) => {
      if (happened === event && (peer === undefined || peer === name)) resolve()
    })
  })
}

test('a liar is disconnected, blocks still arrive by gossip and by sync', async () => {
  forge.mine('a1 a2 a3 a4 a5')
  const victim = await startNode()
  const address = victim.network.addresses()[0]!

  const liar = await network([address])
  stops.push(() => liar.stop())
  const { genesis } = forge.context
  const status = {
    chainId: genesis.chainId,
    height: 9,
    tip: new Uint8Array(32),
    totalWork: 1n << 99n,
    minerClaim: undefined,
  }
  const limits = { maxRequestBytes: 65_536 }
  liar.handle(REQUEST.status, async () => encodeStatus(status), limits)
  liar.handle(REQUEST.headers, async () => encodeByteList([new Uint8Array(40)]), limits)
  liar.subscribe('block', async () => 'accept')
  const banned = onPeer(liar, 'disconnect', victim.network.self)
  await onPeer(liar, 'connect')

  const honest = await startNode([address])
  for (const label of ['a1', 'a2', 'a3']) await honest.publishBlock(forge.block(label))
  await atHeight(victim, 3)

  // Malformed headers cost half of what bans, two greetings with them all of it; noise by gossip makes sure.
  const noise = setInterval(() => void liar.publish('block', systemRandom.bytes(500)).catch(() => undefined), 50)
  await banned
  clearInterval(noise)
  expect(victim.network.peers()).not.toContain(liar.self)

  for (const label of ['a4', 'a5']) await honest.publishBlock(forge.block(label))
  await atHeight(victim, 5)
  const late = await startNode([address])
  await atHeight(late, 5)
  expect(forge.labelOf(late.chain.tip.id)).toBe('a5')
})

test('a node knows the miner among its peers, and not the one that repeats its claim (NET-6)', async () => {
  const keys = keysOf('miner')
  const node = await startNode()
  const address = node.network.addresses()[0]!
  const penalise = vi.spyOn(node.network, 'penalise')
  const miner = await startNode([address], keys)
  const liar = await network([address])
  stops.push(() => liar.stop())
  liar.handle(REQUEST.status, async () => encodeStatus(miner.status()), { maxRequestBytes: 1024 })
  await vi.waitFor(() => {
    expect(penalise).toHaveBeenCalledWith(liar.self, 50, 'SIGNATURE_INVALID')
    expect(node.peersFor(keys.publicKey).miners).toEqual([miner.network.self])
  }, 20_000)
})

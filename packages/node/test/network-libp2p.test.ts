import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, test } from 'vitest'
import { AddressBook } from '../src/adapters/libp2p-address-book.ts'
import { decodeAddresses, encodeAddresses, parsePeerAddress } from '../src/adapters/libp2p-addresses.ts'
import { createLibp2pNetwork, type Libp2pNetworkOptions } from '../src/adapters/libp2p-network.ts'
import { seededRandom } from '../src/adapters/random.ts'
import { VirtualClock } from '../src/adapters/virtual-clock.ts'
import {
  MAX_ADDRESSES_PER_PEER,
  MAX_EXCHANGED_ADDRESSES,
  MAX_KNOWN_PEERS,
  MAX_KNOWN_PEERS_PER_SOURCE,
  STOP_MS,
} from '../src/limits.ts'
import { silentLogger } from '../src/ports/log.ts'
import type { Network } from '../src/ports/network.ts'
import { type Cluster, networkCompliance } from './network-compliance.ts'

/** Impatient, so that what takes seconds on a real network takes tenths here. */
const timing = { maintainMs: 50, exchangeMs: 200, dialGraceMs: 400, redialMs: 100, identifyMs: 5_000, deafMs: 5_000 }
const quickToNoticeSilence = { timing: { ...timing, deafMs: 300 } }
const CHAIN = 'c0ffee'

const networks: Network[] = []
const rawNodes: Libp2p[] = []

afterEach(async () => {
  await Promise.all([...networks.splice(0).map((n) => n.stop()), ...rawNodes.splice(0).map((n) => n.stop())])
})

async function start(options: Partial<Libp2pNetworkOptions> = {}): Promise<Network> {
  const network = await createLibp2pNetwork({
    chainTag: CHAIN,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    singleHost: true,
    targetPeers: 8,
    timing,
    ...options,
  })
  networks.push(network)
  return network
}

/** A libp2p node that is not ours, for behaviour our own code would never show. */
async function startRaw(protocols: readonly string[] = []): Promise<Libp2p> {
  const node = await createLibp2p({
    start: false,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
  rawNodes.push(node)
  for (const protocol of protocols) await node.handle(protocol, (stream) => stream.close().catch(() => {}))
  await node.start()
  return node
}

/** A TCP relay to a local port that can go dead: sockets stay open, nothing is read any more. */
async function startLine(toPort: number): Promise<{ port: number; cut: () => void; close: () => void }> {
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connectTcp(toPort, '127.0.0.1')
    for (const socket of [near, far]) sockets.push(socket.on('error', () => {}))
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const exchangeProtocol = `/nacre/${CHAIN}/peers/1`

function until(condition: () => boolean, what: string, timeout = 10_000): Promise<void> {
  return expect.poll(condition, { timeout, interval: 5, message: what }).toBe(true)
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

networkCompliance('libp2p', async (plan): Promise<Cluster> => {
  const made: Network[] = []
  for (let i = 0; i < plan.size; i += 1) {
    const edges = plan.edges.filter((edge) => edge.includes(i))
    const network = await createLibp2pNetwork({
      chainTag: CHAIN,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: edges.filter(([, to]) => to === i).map(([from]) => made[from]!.addresses()[0]!),
      singleHost: true,
      // Exactly the peers of the plan: with more, a line would close to a ring by itself.
      targetPeers: edges.length,
      timing,
      ...(plan.banMs === undefined ? {} : { banMs: plan.banMs }),
    })
    plan.prepare?.(network, i)
    made.push(network)
  }
  return {
    networks: made,
    nowMs: () => Date.now(),
    settle: (promise) => promise,
    until,
    keepTrying: () => {}, // bootstrap peers are redialled anyway
    stop: async () => void (await Promise.all(made.map((network) => network.stop()))),
  }
})

describe('libp2p peers', () => {
  test('a star of six becomes a mesh', async () => {
    const hub = await start()
    const spokes = await Promise.all(Array.from({ length: 5 }, () => start({ bootstrap: [hub.addresses()[0]!] })))
    const all = [hub, ...spokes]
    await until(() => all.every((network) => network.peers().length === 5), 'everyone knows everyone')
    for (const network of all) expect(new Set(network.peers()).size).toBe(5)
  })

  test('a node restarted with the same identity and port is found again, without its help', async () => {
    const identitySeed = new Uint8Array(32).fill(1)
    const first = await start({ identitySeed })
    const address = first.addresses()[0]!
    // One of the two others has the lower name, so both directions of the dial rule are tried across runs.
    const others = await Promise.all([start({ bootstrap: [address] }), start({ bootstrap: [address] })])
    await until(() => first.peers().length === 2, 'connected')
    const events: string[] = []
    others[0]!.onPeer((peer, event) => {
      if (peer === first.self) events.push(event)
    })
    await first.stop()
    await until(() => others.every((network) => !network.peers().includes(first.self)), 'the loss is noticed')
    const port = address.match(/\/tcp\/(\d+)\//)![1]!
    const second = await start({ identitySeed, listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    expect(second.self).toBe(first.self)
    expect(second.addresses()).toContain(address)
    await until(() => second.peers().length === 2, 'found again')
    await until(() => events.length === 2, 'told about it')
    expect(events).toEqual(['disconnect', 'connect'])
  })

  test('one that is no bootstrap peer is found again too, by those who met it', async () => {
    const hub = await start()
    const identitySeed = new Uint8Array(32).fill(2)
    const first = await start({ identitySeed, bootstrap: [hub.addresses()[0]!] })
    const port = first.addresses()[0]!.match(/\/tcp\/(\d+)\//)![1]!
    await until(() => hub.peers().length === 1, 'connected')
    await first.stop()
    await until(() => hub.peers().length === 0, 'gone')
    const second = await start({ identitySeed, listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    await until(() => second.peers().includes(hub.self), 'found again')
  })

  test('networks with another chain tag never exchange anything', async () => {
    const heard: string[] = []
    const listen = (network: Network, name: string): void => {
      network.onPeer((peer, event) => heard.push(`${name} ${event} ${peer}`))
      network.subscribe('block', async () => {
        heard.push(`${name} gossip`)
        return 'accept'
      })
      network.handle(
        'echo',
        async () => {
          heard.push(`${name} request`)
          return new Uint8Array()
        },
        { maxRequestBytes: 10 },
      )
    }
    const ours = await start()
    listen(ours, 'ours')
    const theirs = await start({ chainTag: 'deadbeef', bootstrap: [ours.addresses()[0]!] })
    listen(theirs, 'theirs')
    // A third node of our network proves that connecting works, and is the last event we wait for.
    const friend = await start({ bootstrap: [ours.addresses()[0]!] })
    listen(friend, 'friend')
    await until(() => friend.peers().length === 1 && ours.peers().length === 1, 'our own network connects')
    await theirs.publish('block', bytesOf('hello'))
    await expect(theirs.request(ours.self, 'echo', new Uint8Array(), { timeoutMs: 500, maxResponseBytes: 1 }))
      .rejects //
      .toMatchObject({ code: 'PEER_UNREACHABLE' })
    for (let i = 0; !heard.includes('friend gossip') && i < 200; i += 1) {
      await ours.publish('block', bytesOf(`hello ${i}`))
      await until(() => heard.includes('friend gossip'), 'gossip within our network', 50).catch(() => {})
    }
    expect(theirs.peers()).toEqual([])
    expect(ours.peers()).toEqual([friend.self])
    expect([...new Set(heard)].sort()).toEqual([
      `friend connect ${ours.self}`,
      'friend gossip',
      `ours connect ${friend.self}`,
    ])
  })

  test('a libp2p node of some other kind is never a peer and is hung up on', async () => {
    const ours = await start()
    const events: string[] = []
    ours.onPeer((_, event) => events.push(event))
    const stranger = await startRaw(['/ipfs/bitswap/1.2.0'])
    const gone = new Promise((resolve) => stranger.addEventListener('peer:disconnect', resolve))
    await stranger.dial(multiaddr(ours.addresses()[0]!))
    await gone
    expect(events).toEqual([])
  })

  test('a peer without gossip is not kept (G6)', async () => {
    const ours = await start(quickToNoticeSilence)
    const events: string[] = []
    ours.onPeer((_, event) => events.push(event))
    const mute = await startRaw([exchangeProtocol])
    await mute.dial(multiaddr(ours.addresses()[0]!))
    await until(() => events.length === 2, 'connected, then dropped')
    expect(events).toEqual(['connect', 'disconnect'])
  })

  test('an over-long gossip frame, which deafens gossipsub, costs the connection, so that a new one can be made (G6)', async () => {
    const ours = await start(quickToNoticeSilence)
    const events: string[] = []
    ours.onPeer((_, event) => events.push(event))
    const liar = await startRaw([exchangeProtocol, '/meshsub/1.2.0'])
    const connection = await liar.dial(multiaddr(ours.addresses()[0]!))
    const stream = await connection.newStream('/meshsub/1.2.0')
    // The gossip stream works both ways, so only the frame of 16 MiB announced here is wrong.
    stream.send(Uint8Array.of(0x80, 0x80, 0x80, 0x08))
    stream.send(new Uint8Array(100))
    await until(() => events.length === 2, 'connected, then dropped')
    expect(events).toEqual(['connect', 'disconnect'])
  })

  test('garbage on a raw TCP socket, and sockets that say nothing, do no harm', async () => {
    const ours = await start()
    const port = Number(ours.addresses()[0]!.match(/\/tcp\/(\d+)\//)![1])
    const random = seededRandom('garbage')
    const closed: Promise<void>[] = []
    const silent = Array.from({ length: 20 }, () => connectTcp(port, '127.0.0.1').on('error', () => {}))
    for (let i = 0; i < 20; i += 1) {
      const socket = connectTcp(port, '127.0.0.1')
        .on('error', () => {})
        .resume()
      closed.push(new Promise((resolve) => socket.on('close', () => resolve())))
      // Half of them greet correctly before they talk nonsense.
      if (i % 2 === 0) socket.write(Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n', 'latin1'))
      socket.end(random.bytes(100 + random.below(10_000)))
    }
    await Promise.all(closed)
    const friend = await start({ bootstrap: [ours.addresses()[0]!] })
    await until(() => friend.peers().length === 1 && ours.peers().length === 1, 'still in service')
    for (const socket of silent) socket.destroy()
  })

  test('lies in a peer-exchange answer are dropped', async () => {
    const failures: string[] = []
    const log = { ...silentLogger, debug: (fields: object) => void failures.push(JSON.stringify(fields)) }
    const ours = await start({ log })
    const friend = await start()
    const liar = await startRaw(['/meshsub/1.2.0'])
    const address = friend.addresses()[0]!
    const lines = [
      '',
      'nonsense',
      '\u0000'.repeat(300),
      ours.addresses()[0]!,
      address.replace(/tcp\/\d+/, 'tcp/0'),
      `${address}/p2p-circuit`,
      address.replace('127.0.0.1', '0.0.0.0'),
      address,
    ]
    let asked = 0
    await liar.handle(exchangeProtocol, async (stream: Stream) => {
      asked += 1
      const first = asked === 1
      const frames = lpStream(stream)
      await frames.read()
      await frames.write(first ? new Uint8Array(100_000) : bytesOf(lines.join('\n')))
      await stream.close()
    })
    await liar.dial(multiaddr(ours.addresses()[0]!))
    await until(() => ours.peers().includes(friend.self), 'the one true line is used')
    await until(() => failures.length > 0, 'the over-long answer is refused')
    expect(asked).toBeGreaterThanOrEqual(2)
    expect(failures).toEqual([expect.stringMatching(/peer_exchange_failed.*TOO_LARGE/)])
  })

  test('stop() is done in time although a peer has stopped reading', async () => {
    const ours = await start()
    ours.handle('flood', async () => new Uint8Array(8 << 20), { maxRequestBytes: 10 })
    const hung = await startRaw([exchangeProtocol])
    const connection = await hung.dial(multiaddr(ours.addresses()[0]!))
    await until(() => ours.peers().length === 1, 'connected')
    const stream = await connection.newStream(`/nacre/${CHAIN}/req/flood/1`)
    stream.pause()
    stream.send(Uint8Array.of(0))
    const startMs = performance.now()
    await Promise.all([ours.stop(), ours.stop()])
    expect(performance.now() - startMs).toBeLessThan(2 * STOP_MS)
  })

  test('stop() is done in time although the line is dead', async () => {
    const theirs = await start()
    const line = await startLine(Number(theirs.addresses()[0]!.match(/\/tcp\/(\d+)\//)![1]))
    const ours = await start({ bootstrap: [`/ip4/127.0.0.1/tcp/${line.port}/p2p/${theirs.self}`] })
    ours.subscribe('block', async () => 'accept')
    theirs.subscribe('block', async () => 'accept')
    for (let i = 0; i < 200 && (await ours.publish('block', Uint8Array.of(i))) === 0; i += 1) {
      await until(() => ours.peers().length === 1, 'connected')
    }
    line.cut()
    // More than the line's buffers take, so that gossipsub's stream cannot be closed in good order.
    for (let i = 0; i < 6; i += 1) await ours.publish('block', new Uint8Array(1 << 20).fill(i))
    const pending = ours.request(theirs.self, 'headers', new Uint8Array(), { timeoutMs: 60_000, maxResponseBytes: 1 })
    const stopped = expect(pending).rejects.toMatchObject({ code: 'STOPPED' })
    const startMs = performance.now()
    await ours.stop()
    expect(performance.now() - startMs).toBeLessThan(2 * STOP_MS)
    await stopped
    line.close()
  })

  test('malformed options are refused', async () => {
    const peer = '12D3KooWGRUaM9mpUkJCrWqhYRqjDgkVJyGvMcaYvcdYoCbnrDVt'
    for (const chainTag of ['', 'XYZ', 'abc/../def']) await expect(start({ chainTag })).rejects.toThrow(TypeError)
    for (const bootstrap of ['nonsense', '/ip4/1.2.3.4/tcp/1', `/ip4/1.2.3.4/udp/1/p2p/${peer}`]) {
      await expect(start({ bootstrap: [bootstrap] })).rejects.toThrow(TypeError)
    }
    await expect(start({ listen: ['/ip4/192.0.2.1/tcp/1'] })).rejects.toThrow()
  })
})

describe('libp2p addresses', () => {
  const peer = '12D3KooWGRUaM9mpUkJCrWqhYRqjDgkVJyGvMcaYvcdYoCbnrDVt'
  const other = '12D3KooWHFKTMzwerBtsVmtz4ZZEQy2heafxzWw6wNn5PPYkBxJ5'

  test.each([
    ['/ip4/203.0.113.7/tcp/9000', true, true],
    ['/ip4/10.0.0.7/tcp/9000', true, true],
    ['/ip6/2001:db8::7/tcp/9000', true, true],
    ['/dns4/boot/tcp/9000', true, true],
    ['/ip4/127.0.0.1/tcp/9000', true, false],
    ['/ip6/::1/tcp/9000', true, false],
    ['/dns4/localhost/tcp/9000', true, false],
    ['/ip4/0.0.0.0/tcp/9000', false, false],
    ['/ip4/169.254.1.1/tcp/9000', false, false],
    ['/ip4/224.0.0.1/tcp/9000', false, false],
    ['/ip4/255.255.255.255/tcp/9000', false, false],
    ['/ip6/fe80::1/tcp/9000', false, false],
    ['/ip6/::ffff:127.0.0.1/tcp/9000', true, false],
    ['/ip4/203.0.113.7/tcp/0', false, false],
    ['/ip4/203.0.113.7/udp/9000/quic-v1', false, false],
    ['/ip4/203.0.113.7/tcp/9000/ws', false, false],
    ['/unix/tmp%2Fsocket', false, false],
  ])('%s is usable on one host: %s, elsewhere: %s', (address, onOneHost, elsewhere) => {
    expect(parsePeerAddress(`${address}/p2p/${peer}`, true) !== undefined).toBe(onOneHost)
    expect(parsePeerAddress(`${address}/p2p/${peer}`, false) !== undefined).toBe(elsewhere)
  })

  test('answers round-trip, are bounded, and any bytes are survived', () => {
    const addresses = Array.from({ length: 40 }, (_, i) => `/ip4/203.0.113.7/tcp/${1_000 + i}/p2p/${peer}`)
    const decoded = decodeAddresses(encodeAddresses(addresses), false)
    expect(decoded.map(({ address }) => address)).toEqual(addresses.slice(0, MAX_EXCHANGED_ADDRESSES))
    const random = seededRandom('bytes')
    for (let i = 0; i < 200; i += 1) expect(decodeAddresses(random.bytes(random.below(500)), false)).toEqual([])
    const longTail = bytesOf(`${addresses.join('\n')}\n`.repeat(100))
    expect(decodeAddresses(longTail, false)).toHaveLength(MAX_EXCHANGED_ADDRESSES)
  })

  function makeBook(): { book: AddressBook; clock: VirtualClock } {
    const clock = new VirtualClock()
    return { clock, book: new AddressBook({ self: 'self', clock, random: seededRandom('book'), redialMs: 1_000 }) }
  }

  test('the book is bounded in total, per source and per peer, and keeps what was reached', () => {
    const { book } = makeBook()
    book.addBootstrap({ peer: 'boot', address: '/boot' })
    book.learn('self', ['/self'], 'liar')
    book.learn('friend', ['/friend'], 'friend')
    book.connected('friend')
    for (let i = 0; i < 200; i += 1) book.learn(`made-up-${i}`, ['/x'], 'liar')
    expect(book.size).toBe(2 + MAX_KNOWN_PEERS_PER_SOURCE)
    for (let i = 0; i < 3_000; i += 1) book.learn(`made-up-${i}`, ['/x'], `liar-${i % 100}`)
    expect(book.size).toBe(MAX_KNOWN_PEERS)
    expect(book.share('asker')).toEqual(['/friend'])
    expect(book.share('friend')).toEqual([])
    expect(book.due()[0]?.name).toBe('boot')
    book.learn('friend', ['/1', '/2', '/3', '/4', '/5', '/6'], 'friend')
    book.learn('friend', ['/hearsay'], 'liar')
    expect(book.share('asker')).toEqual(['/1', '/2'])
    expect(MAX_ADDRESSES_PER_PEER).toBeGreaterThan(2)
  })

  test('each failure doubles the wait; what never answers is forgotten, a bootstrap peer never is', async () => {
    const { book, clock } = makeBook()
    book.addBootstrap({ peer: 'boot', address: '/boot' })
    book.learn(other, ['/other'], 'source')
    const waits: number[] = []
    for (let i = 0; i < 12; i += 1) {
      const failedMs = clock.nowMs()
      book.failed('boot')
      book.failed(other)
      while (!book.due().some(({ name }) => name === 'boot')) await clock.runUntil(clock.nowMs() + 100)
      waits.push(clock.nowMs() - failedMs)
    }
    expect(book.size).toBe(1)
    expect(waits[0]).toBeGreaterThanOrEqual(500)
    expect(waits[0]).toBeLessThanOrEqual(1_600)
    expect(waits[4]).toBeGreaterThanOrEqual(8_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(90_100)
  })
})

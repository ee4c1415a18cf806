import { describe, expect, test } from 'vitest'
import { systemClock } from '../src/adapters/clock.ts'
import { MemoryHub } from '../src/adapters/memory-network.ts'
import { seededRandom } from '../src/adapters/random.ts'
import { VirtualClock } from '../src/adapters/virtual-clock.ts'
import { GOSSIP_LIMITS, GOSSIP_SEEN_MS, GOSSIP_VALIDATION_MS } from '../src/limits.ts'
import type { Network } from '../src/ports/network.ts'
import { type Cluster, type ClusterPlan, networkCompliance } from './network-compliance.ts'

function build(hub: MemoryHub, plan: ClusterPlan): Network[] {
  const networks = Array.from({ length: plan.size }, (_, i) => {
    const network = hub.join(`peer-${i}`)
    plan.prepare?.(network, i)
    return network
  })
  for (const [a, b] of plan.edges) hub.connect(`peer-${a}`, `peer-${b}`)
  return networks
}

async function stopAll(networks: readonly Network[]): Promise<void> {
  await Promise.all(networks.map((network) => network.stop()))
}

networkCompliance('memory hub on a virtual clock', async (plan): Promise<Cluster> => {
  const clock = new VirtualClock(1_000_000)
  const banMs = plan.banMs === undefined ? {} : { banMs: plan.banMs }
  const hub = new MemoryHub({ clock, random: seededRandom('hub'), latencyMs: { min: 1, max: 40 }, ...banMs })
  const networks = build(hub, plan)
  return {
    networks,
    nowMs: () => clock.nowMs(),
    async settle(promise) {
      let settled = false
      const done = (): void => {
        settled = true
      }
      promise.then(done, done)
      if (!(await clock.runUntil(() => settled))) throw new Error('the promise never settles')
      return promise
    },
    async until(condition, what, timeoutMs = 60_000) {
      if (!(await clock.runUntil(condition, { maxTimeMs: clock.nowMs() + timeoutMs }))) throw new Error(what)
    },
    keepTrying(network, other) {
      const again = (): void => {
        if (!hub.connect(`peer-${network}`, `peer-${other}`)) clock.after(100, again)
      }
      again()
    },
    stop: () => stopAll(networks),
  }
})

networkCompliance('memory hub on the wall clock', async (plan): Promise<Cluster> => {
  const banMs = plan.banMs === undefined ? {} : { banMs: plan.banMs }
  const hub = new MemoryHub({
    clock: systemClock,
    random: seededRandom('hub'),
    latencyMs: { min: 0, max: 3 },
    ...banMs,
  })
  const networks = build(hub, plan)
  const timers: (() => void)[] = []
  return {
    networks,
    nowMs: () => Date.now(),
    settle: (promise) => promise,
    until: (condition, what, timeoutMs) =>
      expect.poll(condition, { timeout: timeoutMs ?? 5_000, interval: 2, message: what }).toBe(true),
    keepTrying(network, other) {
      const again = (): void => {
        if (!hub.connect(`peer-${network}`, `peer-${other}`)) timers.push(systemClock.after(20, again))
      }
      again()
    },
    async stop() {
      for (const cancel of timers) cancel()
      await stopAll(networks)
    },
  }
})

describe('memory hub', () => {
  function makeHub(seed = 'seed'): { clock: VirtualClock; hub: MemoryHub } {
    const clock = new VirtualClock()
    return { clock, hub: new MemoryHub({ clock, random: seededRandom(seed), latencyMs: { min: 5, max: 50 } }) }
  }

  /** Twelve peers in a ring with chords gossip 30 messages; the trace is every delivery with its time. */
  async function trace(seed: string): Promise<string[]> {
    const { clock, hub } = makeHub(seed)
    const out: string[] = []
    const peers = Array.from({ length: 12 }, (_, i) => hub.join(`p${i}`))
    for (const peer of peers) {
      peer.subscribe('block', async (from, bytes) => {
        out.push(`${clock.nowMs()} ${from}>${peer.self} ${bytes[0]}`)
        return 'accept'
      })
    }
    for (let i = 0; i < 12; i += 1) {
      hub.connect(`p${i}`, `p${(i + 1) % 12}`)
      hub.connect(`p${i}`, `p${(i + 5) % 12}`)
    }
    for (let i = 0; i < 30; i += 1) clock.after(i * 7, () => void peers[i % 12]!.publish('block', new Uint8Array([i])))
    expect(await clock.runUntil(10_000)).toBe(true)
    return out
  }

  test('two runs of one seed are identical, two seeds are not', async () => {
    const first = await trace('a')
    expect(first).toHaveLength(30 * 11)
    expect(await trace('a')).toEqual(first)
    expect(await trace('b')).not.toEqual(first)
  })

  test('a connection delivers in order although each message has its own latency', async () => {
    const { clock, hub } = makeHub()
    const got: number[] = []
    const a = hub.join('a')
    hub.join('b').subscribe('block', async (_, bytes) => {
      got.push(bytes[0]!)
      return 'ignore'
    })
    hub.connect('a', 'b')
    for (let i = 0; i < 100; i += 1) await a.publish('block', new Uint8Array([i]))
    await clock.runUntil(1_000)
    expect(got).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })

  //  a - b | c - d      the partition takes b-c away, and heal() brings it back
  test('a partition separates, loses what is under way, and heals', async () => {
    const { clock, hub } = makeHub()
    const got: string[] = []
    const [a, b, c] = ['a', 'b', 'c', 'd'].map((name) => {
      const peer = hub.join(name)
      peer.subscribe('block', async (_, bytes) => {
        got.push(`${name}${bytes[0]}`)
        return 'accept'
      })
      return peer
    })
    hub.connect('a', 'b')
    hub.connect('b', 'c')
    hub.connect('c', 'd')
    await b!.publish('block', new Uint8Array([1]))
    hub.partition(['a', 'b'], ['c', 'd'])
    expect(b!.peers()).toEqual(['a'])
    expect(hub.connect('a', 'd')).toBe(false)
    await clock.runUntil(1_000)
    expect(got.sort()).toEqual(['a1'])
    hub.heal()
    expect(c!.peers().sort()).toEqual(['b', 'd'])
    expect(a!.peers().sort()).toEqual(['b', 'd'])
    await a!.publish('block', new Uint8Array([2]))
    await clock.runUntil(2_000)
    expect(got.sort()).toEqual(['a1', 'b2', 'c2', 'd2'])
  })

  test('a name is free again after stop; while joined it is not', async () => {
    const { hub } = makeHub()
    const first = hub.join('a')
    hub.join('b')
    expect(() => hub.join('a')).toThrow('already joined')
    expect(hub.connect('a', 'b')).toBe(true)
    expect(hub.connect('b', 'a')).toBe(true)
    await first.stop()
    expect(hub.connect('a', 'b')).toBe(false)
    const second = hub.join('a')
    expect(hub.connect('a', 'b')).toBe(true)
    expect(second.peers()).toEqual(['b'])
  })

  test('a message is judged again once its id is forgotten', async () => {
    const { clock, hub } = makeHub()
    const a = hub.join('a')
    let judged = 0
    hub.join('b').subscribe('block', async () => {
      judged += 1
      return 'ignore'
    })
    hub.connect('a', 'b')
    await a.publish('block', new Uint8Array([1]))
    await clock.runUntil(GOSSIP_SEEN_MS - 1_000)
    expect(await a.publish('block', new Uint8Array([1]))).toBe(0)
    await clock.runUntil(2 * GOSSIP_SEEN_MS)
    expect(await a.publish('block', new Uint8Array([1]))).toBe(1)
    await clock.runUntil(3 * GOSSIP_SEEN_MS)
    expect(judged).toBe(2)
  })

  test('a validator that hangs holds few slots and not for long; a flood is dropped', async () => {
    const { clock, hub } = makeHub()
    const [flooder, other] = [hub.join('flooder'), hub.join('other')]
    const started: string[] = []
    hub.join('victim').subscribe('transaction', (from) => {
      started.push(from)
      return from === 'flooder' ? new Promise(() => {}) : Promise.resolve('ignore')
    })
    hub.connect('flooder', 'victim')
    hub.connect('other', 'victim')
    const flood = GOSSIP_LIMITS.activePerPeer + GOSSIP_LIMITS.waitingPerPeer + 100
    for (let i = 0; i < flood; i += 1) {
      await flooder.publish('transaction', new Uint8Array([i, i >> 8]))
    }
    await clock.runUntil(100)
    expect(started).toHaveLength(GOSSIP_LIMITS.activePerPeer)
    // The flood does not keep another peer's message from being judged.
    await other.publish('transaction', new Uint8Array([1, 2, 3]))
    await clock.runUntil(200)
    expect(started.at(-1)).toBe('other')
    // All slots are free again after the deadline: what waited gave up with it.
    await clock.runUntil(200 + 2 * GOSSIP_VALIDATION_MS)
    await flooder.publish('transaction', new Uint8Array([9, 9, 9, 9]))
    await clock.runUntil(clock.nowMs() + 100)
    expect(started.at(-1)).toBe('flooder')
    expect(started.length).toBeLessThanOrEqual(2 * GOSSIP_LIMITS.activePerPeer + 2)
  })
})

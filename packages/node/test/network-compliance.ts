/**
 * One suite for every Network adapter. A cluster is a handful of networks joined along given edges; tests wait on what
 * happens, never for a length of time, and "nothing arrives" is shown by something later that does arrive.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { BAN_SCORE, MAX_GOSSIP_BYTES, REJECT_POINTS, REQUEST_LIMITS } from '../src/limits.ts'
import type { GossipVerdict, Network, NetworkErrorCode, PeerName } from '../src/ports/network.ts'

export interface Cluster {
  readonly networks: readonly Network[]
  /** Waits for a promise, moving the cluster's clock along if it is a virtual one. */
  settle<T>(promise: Promise<T>): Promise<T>
  /** Resolves when the condition holds; rejects with `what` after `timeoutMs` of the cluster's time. */
  until(condition: () => boolean, what: string, timeoutMs?: number): Promise<void>
  nowMs(): number
  /** From now on `network` tries to get back to `other` whenever it is not connected. */
  keepTrying(network: number, other: number): void
  stop(): Promise<void>
}

export interface ClusterPlan {
  readonly size: number
  /** Pairs of indices, lower index first. */
  readonly edges: readonly (readonly [number, number])[]
  /** Called for each network before it connects to anyone. */
  readonly prepare?: (network: Network, index: number) => void
  readonly banMs?: number
}

export type MakeNetworks = (plan: ClusterPlan) => Promise<Cluster>

const PAIR = [[0, 1]] as const
const LINE = [
  [0, 1],
  [1, 2],
] as const
const TRIANGLE = [
  [0, 1],
  [0, 2],
  [1, 2],
] as const

/** A subscriber that judges by the message's text up to the first colon: `accept:1`, `ignore:2`, `throw:3`. */
class Inbox {
  readonly got: { readonly from: PeerName; readonly text: string }[] = []
  readonly #probes = new Set<string>()

  constructor(network: Network) {
    network.subscribe('block', (from, bytes) => this.#judge(from, bytes))
  }

  texts(): string[] {
    return this.got.map(({ text }) => text)
  }

  hasProbeOf(index: number): boolean {
    return this.#probes.has(`${index}`)
  }

  async #judge(from: PeerName, bytes: Uint8Array): Promise<GossipVerdict> {
    const text = Buffer.from(bytes.subarray(0, 100)).toString()
    const [verdict, index] = text.split(':')
    if (verdict === 'probe') {
      this.#probes.add(index!)
      return 'accept'
    }
    this.got.push({ from, text })
    if (verdict === 'throw') throw new Error('a faulty validator')
    return verdict === 'ignore' || verdict === 'reject' ? verdict : 'accept'
  }
}

function degree(plan: ClusterPlan, index: number): number {
  return plan.edges.filter((edge) => edge.includes(index)).length
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

export function networkCompliance(name: string, makeNetworks: MakeNetworks): void {
  describe(`${name}: network compliance`, () => {
    const open: Cluster[] = []
    const inboxes: Inbox[] = []

    afterEach(async () => {
      await Promise.all(open.splice(0).map((cluster) => cluster.stop()))
    })

    async function make(plan: ClusterPlan): Promise<Cluster> {
      const cluster = await makeNetworks(plan)
      open.push(cluster)
      await cluster.until(
        () => cluster.networks.every((n, i) => n.peers().length === degree(plan, i)),
        'all edges connected',
      )
      return cluster
    }

    /** A cluster with subscribers, returned once each sends to all its neighbours and reaches all others. */
    async function makeGossiping(plan: ClusterPlan): Promise<Cluster> {
      inboxes.length = 0
      const prepare = (network: Network, index: number): void => {
        inboxes.push(new Inbox(network))
        plan.prepare?.(network, index)
      }
      const cluster = await make({ ...plan, prepare })
      const reached = (): boolean =>
        inboxes.every((inbox, to) => inboxes.every((_, from) => from === to || inbox.hasProbeOf(from)))
      let direct = false
      for (let round = 0; !(reached() && direct); round += 1) {
        if (round === 100) throw new Error('gossip does not reach everyone')
        const sent: number[] = []
        for (const [i, network] of cluster.networks.entries()) {
          sent.push(await cluster.settle(network.publish('block', bytesOf(`probe:${i}:${round}`))))
        }
        direct = sent.every((count, i) => count === degree(plan, i))
        await cluster.until(() => reached() && direct, 'probes everywhere', 50).catch(() => {})
      }
      return cluster
    }

    /** What became of a promise: the code of its NetworkError, any other error, or 'answered'. Never rejects. */
    function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
      return promise.then(
        () => 'answered',
        (error) => (error?.name === 'NetworkError' ? error.code : error),
      )
    }

    async function expectCode(
      cluster: Cluster,
      promise: Promise<unknown>,
      ...codes: NetworkErrorCode[]
    ): Promise<void> {
      expect(codes).toContain(await cluster.settle(outcomeOf(promise)))
    }

    const quick = { timeoutMs: 5_000, maxResponseBytes: 1_000 }

    describe('peers', () => {
      test('connect and disconnect are told once per peer', async () => {
        const events: string[][] = [[], [], []]
        const cluster = await make({
          size: 3,
          edges: TRIANGLE,
          prepare: (network, i) => network.onPeer((peer, event) => events[i]!.push(`${event} ${peer}`)),
        })
        const [a, b, c] = cluster.networks
        expect([...a!.peers()].sort()).toEqual([b!.self, c!.self].sort())
        await cluster.settle(c!.stop())
        await cluster.until(() => a!.peers().length === 1 && b!.peers().length === 1, 'the others notice')
        expect(events[0]!.sort()).toEqual([`connect ${b!.self}`, `connect ${c!.self}`, `disconnect ${c!.self}`].sort())
        expect(events[1]!.sort()).toEqual([`connect ${a!.self}`, `connect ${c!.self}`, `disconnect ${c!.self}`].sort())
      })

      test('an unsubscribed listener hears nothing, one that throws does not silence the next', async () => {
        const heard: string[] = []
        const cluster = await make({
          size: 2,
          edges: PAIR,
          prepare: (network) => {
            network.onPeer(() => heard.push('unsubscribed'))()
            network.onPeer(() => {
              throw new Error('a faulty listener')
            })
            network.onPeer((peer) => heard.push(peer))
          },
        })
        expect(heard.sort()).toEqual(cluster.networks.map((network) => network.self).sort())
      })
    })

    describe('gossip', () => {
      test('reaches peers of peers, each once, but not the publisher', async () => {
        const cluster = await makeGossiping({ size: 3, edges: LINE })
        const [a, b] = cluster.networks
        expect(await cluster.settle(a!.publish('block', bytesOf('accept:1')))).toBe(1)
        await cluster.until(() => inboxes[2]!.got.length === 1, 'two hops')
        expect(inboxes[1]!.got).toEqual([{ from: a!.self, text: 'accept:1' }])
        expect(inboxes[2]!.got).toEqual([{ from: b!.self, text: 'accept:1' }])
        expect(inboxes[0]!.got).toEqual([])
      })

      test('equal bytes are one message, however many paths and publishers', async () => {
        const cluster = await makeGossiping({ size: 3, edges: TRIANGLE })
        const [a, b] = cluster.networks
        expect(await cluster.settle(a!.publish('block', bytesOf('accept:same')))).toBe(2)
        await cluster.until(() => inboxes[1]!.got.length === 1 && inboxes[2]!.got.length === 1, 'first round')
        expect(await cluster.settle(b!.publish('block', bytesOf('accept:same')))).toBe(0)
        await cluster.settle(b!.publish('block', bytesOf('accept:last')))
        const others = [inboxes[0]!, inboxes[2]!]
        await cluster.until(() => others.every((inbox) => inbox.texts().includes('accept:last')), 'last message')
        expect(inboxes.map((inbox) => inbox.texts())).toEqual([
          ['accept:last'],
          ['accept:same'],
          ['accept:same', 'accept:last'],
        ])
      })

      test('the publisher may reuse its buffer, the validator may scribble on its own', async () => {
        const seen: string[] = []
        const cluster = await make({
          size: 3,
          edges: LINE,
          prepare: (network) =>
            network.subscribe('transaction', async (_, bytes) => {
              seen.push(Buffer.from(bytes).toString())
              bytes.fill(0)
              return 'accept'
            }),
        })
        const buffer = bytesOf('hello 00')
        for (let round = 10; round < 99 && seen.length < 2; round += 1) {
          buffer.set(bytesOf(`hello ${round}`))
          await cluster.settle(cluster.networks[0]!.publish('transaction', buffer))
          buffer.fill(0)
          await cluster.until(() => seen.length >= 2, 'both hops', 100).catch(() => {})
        }
        expect(seen.length).toBeGreaterThanOrEqual(2)
        for (const text of seen) expect(text).toMatch(/^hello \d\d$/)
      })

      test.each(['ignore', 'reject', 'throw'])(
        'what the validator answers with %s is not forwarded',
        async (verdict) => {
          const cluster = await makeGossiping({ size: 3, edges: LINE })
          const [a] = cluster.networks
          await cluster.settle(a!.publish('block', bytesOf(`${verdict}:1`)))
          await cluster.until(() => inboxes[1]!.got.length === 1, 'the bad message arrives')
          await cluster.settle(a!.publish('block', bytesOf('accept:2')))
          await cluster.until(() => inboxes[2]!.got.length > 0, 'a good message passes')
          expect(inboxes[1]!.texts()).toEqual([`${verdict}:1`, 'accept:2'])
          expect(inboxes[2]!.texts()).toEqual(['accept:2'])
        },
      )

      test('rejects lower the standing of the sender until it is banned; ignores do not', async () => {
        const left: PeerName[] = []
        const cluster = await makeGossiping({
          size: 2,
          edges: PAIR,
          prepare: (network, i) =>
            network.onPeer((peer, event) => {
              if (i === 0 && event === 'disconnect') left.push(peer)
            }),
        })
        const [a, b] = cluster.networks
        for (let i = 0; i < 20; i += 1) await cluster.settle(b!.publish('block', bytesOf(`ignore:${i}`)))
        await cluster.until(() => inboxes[0]!.got.length === 20, 'ignored messages')
        const rejects = Math.ceil(BAN_SCORE / REJECT_POINTS)
        for (let i = 1; i < rejects; i += 1) await cluster.settle(b!.publish('block', bytesOf(`reject:${i}`)))
        await cluster.until(() => inboxes[0]!.got.length === 20 + rejects - 1, 'rejected messages')
        expect(a!.peers()).toEqual([b!.self])
        await cluster.settle(b!.publish('block', bytesOf('reject:last')))
        await cluster.until(() => a!.peers().length === 0, 'ban')
        expect(left).toEqual([b!.self])
      })

      test('a message of the largest size passes, a larger one is refused (NET-2)', async () => {
        const cluster = await makeGossiping({ size: 2, edges: PAIR })
        const [a] = cluster.networks
        const largest = new Uint8Array(MAX_GOSSIP_BYTES).fill(120)
        largest.set(bytesOf('accept:large:'))
        expect(await cluster.settle(a!.publish('block', largest))).toBe(1)
        await cluster.until(() => inboxes[1]!.got.length === 1, 'a large message')
        await expectCode(cluster, a!.publish('block', new Uint8Array(MAX_GOSSIP_BYTES + 1)), 'TOO_LARGE')
      })

      test('without peers it is sent to nobody, which is no error', async () => {
        const cluster = await make({ size: 1, edges: [] })
        expect(await cluster.settle(cluster.networks[0]!.publish('block', bytesOf('alone')))).toBe(0)
      })
    })

    describe('requests', () => {
      const never = (): Promise<Uint8Array> => new Promise(() => {})

      function prepareServer(network: Network, index: number): void {
        if (index !== 1) return
        const limits = { maxRequestBytes: 1_000 }
        network.handle('echo', async (from, request) => bytesOf(`${from} ${Buffer.from(request)}`), limits)
        network.handle('empty', async () => new Uint8Array(), limits)
        network.handle('sized', async (_, request) => new Uint8Array(Number(Buffer.from(request))).fill(7), limits)
        network.handle('never', never, limits)
        network.handle('broken', () => Promise.reject(new Error('a faulty handler')), limits)
        network.handle(
          'throws',
          () => {
            throw new Error('a faulty handler')
          },
          limits,
        )
      }

      const pair = (): Promise<Cluster> => make({ size: 2, edges: PAIR, prepare: prepareServer })

      test('are answered, and the handler learns who asks', async () => {
        const cluster = await pair()
        const [a, b] = cluster.networks
        const answer = await cluster.settle(a!.request(b!.self, 'echo', bytesOf('hi'), quick))
        expect(Buffer.from(answer).toString()).toBe(`${a!.self} hi`)
        expect(answer.constructor).toBe(Uint8Array)
        const empty = await cluster.settle(a!.request(b!.self, 'empty', new Uint8Array(), quick))
        expect(empty).toHaveLength(0)
      })

      test('40 at once are all answered', async () => {
        const cluster = await pair()
        const [a, b] = cluster.networks
        const requests = Array.from({ length: 40 }, (_, i) => a!.request(b!.self, 'echo', bytesOf(`${i}`), quick))
        const answers = await cluster.settle(Promise.all(requests))
        expect(answers.map((answer) => Buffer.from(answer).toString())).toEqual(
          Array.from({ length: 40 }, (_, i) => `${a!.self} ${i}`),
        )
      })

      test('an answer of exactly the limit passes, one byte more does not; 5 MiB pass', async () => {
        const cluster = await pair()
        const [a, b] = cluster.networks
        const sized = (bytes: number, maxResponseBytes: number): Promise<Uint8Array> =>
          a!.request(b!.self, 'sized', bytesOf(`${bytes}`), { timeoutMs: 5_000, maxResponseBytes })
        expect(await cluster.settle(sized(1_000, 1_000))).toHaveLength(1_000)
        await expectCode(cluster, sized(1_001, 1_000), 'TOO_LARGE')
        await expectCode(cluster, sized(5 << 20, 1_000), 'TOO_LARGE')
        const large = await cluster.settle(sized(5 << 20, 5 << 20))
        expect(large.length).toBe(5 << 20)
        expect(large.every((byte) => byte === 7)).toBe(true)
      })

      test('fail with the code that says why', async () => {
        const cluster = await pair()
        const [a, b] = cluster.networks
        const ask = (protocol: string, bytes = new Uint8Array(), timeoutMs = 5_000): Promise<Uint8Array> =>
          a!.request(b!.self, protocol, bytes, { timeoutMs, maxResponseBytes: 1_000 })
        await expectCode(cluster, ask('unheard-of'), 'PROTOCOL_UNSUPPORTED')
        await expectCode(cluster, ask('broken'), 'CLOSED_WITHOUT_ANSWER')
        await expectCode(cluster, ask('throws'), 'CLOSED_WITHOUT_ANSWER')
        await expectCode(cluster, ask('echo', new Uint8Array(1_001)), 'CLOSED_WITHOUT_ANSWER')
        await expectCode(cluster, ask('never', undefined, 200), 'TIMEOUT')
        await expectCode(cluster, a!.request(a!.self, 'echo', new Uint8Array(), quick), 'PEER_UNREACHABLE')
        await expectCode(cluster, a!.request('nobody', 'echo', new Uint8Array(), quick), 'PEER_UNREACHABLE')
        // None of this has cost the connection.
        expect(await cluster.settle(ask('empty'))).toHaveLength(0)
      })

      test('more than may run wait for their turn, within their own time', async () => {
        const cluster = await pair()
        const [a, b] = cluster.networks
        const gate = Promise.withResolvers<void>()
        let running = 0
        let most = 0
        const gated = async (): Promise<Uint8Array> => {
          running += 1
          most = Math.max(most, running)
          await gate.promise
          running -= 1
          return new Uint8Array()
        }
        b!.handle('gated', gated, { maxRequestBytes: 10 })
        const ask = (timeoutMs: number): Promise<unknown> =>
          outcomeOf(a!.request(b!.self, 'gated', new Uint8Array(), { timeoutMs, maxResponseBytes: 10 }))
        const patient = Array.from({ length: 3 * REQUEST_LIMITS.activePerPeer }, () => ask(5_000))
        await cluster.until(() => running === REQUEST_LIMITS.activePerPeer, 'all slots taken')
        expect(await cluster.settle(ask(100))).toBe('TIMEOUT')
        gate.resolve()
        expect(new Set(await cluster.settle(Promise.all(patient)))).toEqual(new Set(['answered']))
        expect(most).toBe(REQUEST_LIMITS.activePerPeer)
      })

      test('beyond what may wait, they fail at once', async () => {
        const cluster = await pair()
        const [a, b] = cluster.networks
        const room = REQUEST_LIMITS.activePerPeer + REQUEST_LIMITS.waitingPerPeer
        const ask = (): Promise<unknown> =>
          outcomeOf(a!.request(b!.self, 'never', new Uint8Array(), { timeoutMs: 1_000, maxResponseBytes: 10 }))
        const fitting = Array.from({ length: room }, ask)
        expect(await cluster.settle(ask())).toBe('PEER_UNREACHABLE')
        expect(new Set(await cluster.settle(Promise.all(fitting)))).toEqual(new Set(['TIMEOUT']))
      })

      test('pending ones end with STOPPED here and without an answer there', async () => {
        const cluster = await pair()
        const [a, b] = cluster.networks
        const long = { timeoutMs: 60_000, maxResponseBytes: 10 }
        b!.handle('later', never, { maxRequestBytes: 10 })
        a!.handle('later', never, { maxRequestBytes: 10 })
        const ours = a!.request(b!.self, 'never', new Uint8Array(), long)
        const theirs = outcomeOf(b!.request(a!.self, 'later', new Uint8Array(), long))
        const stop = a!.stop()
        await expectCode(cluster, ours, 'STOPPED')
        expect(['CLOSED_WITHOUT_ANSWER', 'PEER_UNREACHABLE']).toContain(await cluster.settle(theirs))
        await cluster.settle(Promise.all([stop, a!.stop()]))
        await expectCode(cluster, a!.request(b!.self, 'never', new Uint8Array(), long), 'STOPPED')
        await expectCode(cluster, a!.publish('block', bytesOf('late')), 'STOPPED')
        expect(a!.peers()).toEqual([])
      })
    })

    describe('penalise', () => {
      test('disconnects at the ban score and refuses the peer until the ban ends', async () => {
        const banMs = 1_000
        const cluster = await make({ size: 2, edges: PAIR, banMs })
        const [a, b] = cluster.networks
        a!.penalise(b!.self, BAN_SCORE - 1, 'almost')
        a!.penalise(b!.self, 0, 'nothing')
        a!.penalise(b!.self, -1_000, 'no credit')
        a!.penalise(b!.self, Number.NaN, 'nonsense')
        expect(a!.peers()).toEqual([b!.self])
        const bannedMs = cluster.nowMs()
        a!.penalise(b!.self, 1, 'enough')
        await cluster.until(() => a!.peers().length === 0 && b!.peers().length === 0, 'both sides notice')
        cluster.keepTrying(1, 0)
        await cluster.until(() => a!.peers().length === 1, 'the peer is back', 10_000)
        expect(cluster.nowMs() - bannedMs).toBeGreaterThanOrEqual(banMs)
      })
    })
  })
}

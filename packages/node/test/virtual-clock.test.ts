import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyedLimiter, LimiterFullError } from '../src/adapters/keyed-limiter.ts'
import { seededRandom, systemRandom, xoshiro128 } from '../src/adapters/random.ts'
import { Standings } from '../src/adapters/standing.ts'
import { VirtualClock } from '../src/adapters/virtual-clock.ts'
import { BAN_SCORE, FORGIVEN_POINTS_PER_MINUTE, MAX_STANDINGS } from '../src/limits.ts'
import { sleep } from '../src/ports/clock.ts'

describe('virtual clock', () => {
  test('fires in order of time, then of creation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 60 }), async (delays) => {
        const clock = new VirtualClock()
        const fired: { due: number; id: number; at: number }[] = []
        delays.forEach((due, id) => void clock.after(due, () => fired.push({ due, id, at: clock.nowMs() })))
        expect(await clock.runUntil(100)).toBe(true)
        const expected = delays.map((due, id) => ({ due, id, at: due })).sort((x, y) => x.due - y.due || x.id - y.id)
        expect(fired).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })

  test('cancelled timers do not fire, however many, and cancelling twice is harmless', async () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    const cancels = Array.from({ length: 5_000 }, (_, i) => clock.after(i % 97, () => fired.push(i)))
    cancels.forEach((cancel, i) => {
      if (i % 500 !== 0) cancel()
      if (i % 500 !== 0) cancel()
    })
    expect(clock.pendingTimers).toBe(10)
    await clock.runUntil(1_000)
    cancels[0]!()
    expect(fired.sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i * 500))
    expect(clock.pendingTimers).toBe(0)
  })

  test('time stands still until all promise jobs are done, and only timers move it', async () => {
    const clock = new VirtualClock(1_000)
    const log: string[] = []
    const worker = async (name: string, stepMs: number): Promise<void> => {
      for (let i = 0; i < 3; i += 1) {
        for (let hop = 0; hop < 50; hop += 1) await undefined
        await new Promise((resolve) => setImmediate(resolve))
        log.push(`${name}${i}@${clock.nowMs()}`)
        await sleep(clock, stepMs)
      }
    }
    void worker('a', 10)
    void worker('b', 15)
    expect(await clock.runUntil(2_000)).toBe(true)
    expect(log).toEqual(['a0@1000', 'b0@1000', 'a1@1010', 'b1@1015', 'a2@1020', 'b2@1030'])
    expect(clock.nowMs()).toBe(2_000)
  })

  test('a condition is tested at rest; the run stops there, or says that it was never met', async () => {
    const clock = new VirtualClock()
    let ticks = 0
    const tick = (): void => {
      ticks += 1
      clock.after(10, tick)
    }
    clock.after(10, tick)
    expect(await clock.runUntil(() => ticks === 5)).toBe(true)
    expect(clock.nowMs()).toBe(50)
    expect(await clock.runUntil(() => false, { maxTimeMs: 95 })).toBe(false)
    expect(clock.nowMs()).toBe(90)
    const empty = new VirtualClock()
    expect(await empty.runUntil(() => false)).toBe(false)
  })

  test('what a callback throws is not lost, two runs at once are refused', async () => {
    const clock = new VirtualClock()
    clock.after(1, () => {
      throw new Error('from a timer')
    })
    const running = clock.runUntil(10)
    await expect(clock.runUntil(10)).rejects.toThrow('already running')
    await expect(running).rejects.toThrow('from a timer')
    expect(await clock.runUntil(10)).toBe(true)
  })
})

describe('random', () => {
  // Reference output of the authors' C code for the state 1, 2, 3, 4, as quoted by the Rust crate rand_xoshiro.
  test('xoshiro128** gives the reference output', () => {
    const next = xoshiro128([1, 2, 3, 4])
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]
    expect(expected.map(() => next())).toEqual(expected)
    expect(() => xoshiro128([0, 0, 0, 0])).toThrow(RangeError)
  })

  test.each([
    ['seeded', seededRandom('nacre')],
    ['system', systemRandom],
  ])('%s: below is in range and reaches every value, bytes have the length', (_, random) => {
    const counts = new Array<number>(7).fill(0)
    for (let i = 0; i < 7_000; i += 1) counts[random.below(7)]! += 1
    for (const count of counts) expect(count).toBeGreaterThan(800)
    expect(random.below(1)).toBe(0)
    expect(random.below(2 ** 32)).toBeLessThan(2 ** 32)
    for (const bound of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN]) expect(() => random.below(bound)).toThrow(RangeError)
    for (const length of [0, 1, 5, 32]) expect(random.bytes(length)).toHaveLength(length)
  })

  test('one seed gives one sequence', () => {
    const draw = (seed: string): number[] => {
      const random = seededRandom(seed)
      return Array.from({ length: 20 }, () => random.below(1_000_000))
    }
    expect(draw('a')).toEqual(draw('a'))
    expect(draw('a')).not.toEqual(draw('b'))
    expect(seededRandom('a').bytes(8)).toEqual(seededRandom('a').bytes(8))
  })
})

describe('keyed limiter', () => {
  const limits = {
    activePerPeer: 2,
    activeTotal: 3,
    waitingPerPeer: 3,
    waitingTotal: 4,
    waitingBytesPerPeer: 100,
    waitingBytesTotal: 120,
  }
  const calm = new AbortController().signal
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  function gate(): { open: () => void; task: () => Promise<void> } {
    const { promise, resolve } = Promise.withResolvers<void>()
    return { open: resolve, task: () => promise }
  }

  test('bounds what runs and what waits, per peer and in total, in number and in bytes', async () => {
    const limiter = new KeyedLimiter(limits)
    const { open, task } = gate()
    const running = ['a', 'a', 'b', 'a', 'b', 'c'].map((peer) => limiter.run(peer, 30, calm, task))
    expect(limiter.load).toEqual({ active: 3, waiting: 3 })
    await expect(limiter.run('d', 31, calm, task)).rejects.toThrow(LimiterFullError)
    const last = limiter.run('d', 30, calm, task)
    await expect(limiter.run('e', 0, calm, task)).rejects.toThrow(LimiterFullError)
    open()
    await Promise.all([...running, last])
    expect(limiter.load).toEqual({ active: 0, waiting: 0 })
    const again = gate()
    const some = Array.from({ length: 5 }, () => limiter.run('a', 0, calm, again.task))
    await expect(limiter.run('a', 0, calm, again.task)).rejects.toThrow(LimiterFullError)
    again.open()
    await Promise.all(some)
  })

  test('the oldest task whose peer has a slot goes first; a wait can be given up; a failure frees its slot', async () => {
    const limiter = new KeyedLimiter(limits)
    const order: string[] = []
    const first = gate()
    const held = [1, 2].map(() => limiter.run('a', 0, calm, first.task))
    const waitingA = limiter.run('a', 0, calm, async () => void order.push('a'))
    await limiter.run('b', 0, calm, async () => void order.push('b'))
    const giveUp = new AbortController()
    const abandoned = limiter.run('a', 0, giveUp.signal, async () => void order.push('never'))
    giveUp.abort(new Error('changed my mind'))
    await expect(abandoned).rejects.toThrow('changed my mind')
    await turn()
    expect(order).toEqual(['b'])
    first.open()
    await Promise.all([...held, waitingA])
    expect(order).toEqual(['b', 'a'])
    const failing = (): Promise<void> => Promise.reject(new Error('task failed'))
    await expect(limiter.run('a', 0, calm, failing)).rejects.toThrow('task failed')
    expect(limiter.load).toEqual({ active: 0, waiting: 0 })
  })
})

describe('standings', () => {
  test('points are forgiven with time, a ban ends, and both tables are bounded', async () => {
    const clock = new VirtualClock()
    const banned: string[] = []
    const standings = new Standings({ clock, banMs: 1_000, onBan: (peer) => banned.push(peer) })
    standings.penalise('a', 10, 'test')
    await clock.runUntil(59_999)
    expect(standings.points('a')).toBe(10)
    await clock.runUntil(60_000)
    expect(standings.points('a')).toBe(10 - FORGIVEN_POINTS_PER_MINUTE)
    await clock.runUntil(60 * 60_000)
    expect(standings.points('a')).toBe(0)
    standings.penalise('a', BAN_SCORE, 'test')
    expect(standings.isBanned('a')).toBe(true)
    await clock.runUntil(clock.nowMs() + 1_000)
    expect(standings.isBanned('a')).toBe(false)
    expect(standings.points('a')).toBe(0)
    for (let i = 0; i <= MAX_STANDINGS; i += 1) standings.penalise(`p${i}`, 1, 'flood')
    expect(standings.points('p0')).toBe(0)
    expect(standings.points('p1')).toBe(1)
    expect(banned).toEqual(['a'])
  })
})

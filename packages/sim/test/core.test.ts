import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createStream, EventHeap, Simulation } from '../src/index.ts'

describe('event heap', () => {
  it('gives entries by time and ties in the order of insertion', () => {
    const times = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 })
    fc.assert(
      fc.property(times, (list) => {
        const heap = new EventHeap<number>()
        list.forEach((timeMs, i) => {
          heap.push(timeMs, i)
        })
        const expected = list.map((timeMs, i) => ({ timeMs, i })).sort((a, b) => a.timeMs - b.timeMs || a.i - b.i)
        expect(list.map(() => heap.pop()?.value)).toEqual(expected.map(({ i }) => i))
        expect(heap.pop()).toBeUndefined()
      }),
    )
  })

  it('keeps the order when pushes and pops alternate', () => {
    const heap = new EventHeap<string>()
    heap.push(2, 'b')
    heap.push(1, 'a')
    expect(heap.pop()?.value).toBe('a')
    heap.push(2, 'c')
    heap.push(1, 'late')
    expect([heap.pop(), heap.pop(), heap.pop()].map((entry) => entry?.value)).toEqual(['late', 'b', 'c'])
    expect(heap.size).toBe(0)
  })

  it('refuses a time that is no number', () => {
    expect(() => new EventHeap().push(Number.NaN, 0)).toThrow(RangeError)
  })
})

describe('simulation', () => {
  it('runs events in order, skips cancelled ones, and stops at the end', () => {
    const simulation = new Simulation()
    const seen: string[] = []
    simulation.at(5, () => seen.push(`first at ${simulation.nowMs}`))
    const dropped = simulation.at(5, () => seen.push('dropped'))
    simulation.at(5, () => simulation.after(0, () => seen.push('same time, later')))
    simulation.at(11, () => seen.push('after the end'))
    dropped.cancelled = true
    simulation.runUntil(10)
    expect(seen).toEqual(['first at 5', 'same time, later'])
    expect([simulation.nowMs, simulation.executed]).toEqual([10, 3])
    expect(() => simulation.at(9, () => {})).toThrow(RangeError)
  })
})

describe('random streams', () => {
  const draw = (seed: number, name: string, count = 1000): number[] => {
    const stream = createStream(seed, name)
    return Array.from({ length: count }, () => stream.uniform())
  }

  it('gives the same numbers for the same seed and name, others for others', () => {
    expect(draw(7, 'insider')).toEqual(draw(7, 'insider'))
    const all = [draw(7, 'insider'), draw(8, 'insider'), draw(7, 'public')].flat()
    expect(new Set(all).size).toBe(3000)
  })

  it('does not depend on what other streams draw', () => {
    const alone = draw(1, 'a', 10)
    const stream = createStream(1, 'a')
    const other = createStream(1, 'b')
    const mixed = Array.from({ length: 10 }, () => {
      other.exponential()
      return stream.uniform()
    })
    expect(mixed).toEqual(alone)
  })

  it('is uniform and exponential, and uncorrelated between names', () => {
    const n = 100_000
    const a = draw(1, 'a', n)
    const b = draw(1, 'b', n)
    const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / n
    // Bounds of five standard errors: 0.2887, 0.0745 and 1 over sqrt(n).
    expect(Math.abs(mean(a) - 0.5)).toBeLessThan(0.0046)
    expect(Math.abs(mean(a.map((x) => x * x)) - 1 / 3)).toBeLessThan(0.0048)
    expect(Math.abs(mean(a.map((x, i) => 12 * (x - 0.5) * (b[i]! - 0.5))))).toBeLessThan(0.0159)
    const stream = createStream(2, 'a')
    expect(Math.abs(mean(a.map(() => stream.exponential())) - 1)).toBeLessThan(0.0159)
  })
})

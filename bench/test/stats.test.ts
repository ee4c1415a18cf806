import { describe, expect, test } from 'vitest'
import { ratios, spreadOf } from '../src/stats.ts'

describe('order statistics', () => {
  test('median and quartiles lie between the values', () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, q1: 1.75, q3: 3.25, min: 1, max: 4, count: 4 })
    expect(spreadOf([7])).toEqual({ median: 7, q1: 7, q3: 7, min: 7, max: 7, count: 1 })
    expect(spreadOf([])).toBeUndefined()
  })

  test('the order of the samples is kept', () => {
    const values = [3, 1, 2]
    spreadOf(values)
    expect(values).toEqual([3, 1, 2])
  })

  test('ratios pair the samples of one round', () => {
    // The machine is twice as slow in the second round: the ratio does not see it.
    expect(ratios([10, 20, 10], [5, 10, 5])).toEqual([2, 2, 2])
  })

  test('a difference can be over a third', () => {
    expect(ratios([12, 24, 7], [10, 20, 10], [11, 22, undefined])).toEqual([0.1, 0.1])
  })

  test('rounds that lack a side are left out', () => {
    expect(ratios([10, undefined, 30], [5, 5, undefined])).toEqual([2])
    expect(ratios([1], [])).toEqual([])
  })
})

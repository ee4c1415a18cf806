/** Several jobs at once: what is there at any moment, for whoever begins to wait when. */
import { describe, expect, it } from 'vitest'
import { FanOut } from '../src/swarm/fan-out.ts'
import { bestOf, majorityOf } from '../src/swarm/select.ts'

describe('fan-out', () => {
  it('tells a listener every answer once, at whichever moment it begins to listen', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const fanOut = new FanOut([Promise.resolve('a'), (async () => 'b')(), Promise.reject(new Error('c'))])
      for (let i = 0; i < turns; i++) await undefined
      const heard: string[] = []
      fanOut.onAnswer(({ answer }) => heard.push(answer))
      await fanOut.done
      expect(heard.sort()).toEqual(['a', 'b'])
    }
  })

  it('shows what answered, failed and is under way, in the order of the jobs, and goes on after a wait ends', async () => {
    let finish = (_text: string): void => undefined
    const late = new Promise<string>((resolve) => {
      finish = resolve
    })
    const fanOut = new FanOut([late, Promise.reject(new Error('no')), Promise.resolve('b')])
    const first = await fanOut.collect(AbortSignal.timeout(20))
    expect(first.answered).toEqual([{ index: 2, answer: 'b' }])
    expect(first.failed.map(({ index }) => index)).toEqual([1])
    expect(first.pending).toEqual([0])
    finish('a')
    const second = await fanOut.collect(new AbortController().signal)
    expect(second.answered.map(({ answer }) => answer)).toEqual(['a', 'b'])
    expect(second.pending).toEqual([])
  })
})

describe('choosing', () => {
  it('majority: the text that most gave, ties to the first given', () => {
    expect(majorityOf(['a', 'b', 'b'])).toEqual({ index: 1, votes: 2 })
    expect(majorityOf(['a', 'b', 'b', 'a'])).toEqual({ index: 0, votes: 2 })
    expect(majorityOf(['a', 'a ', 'A'])).toEqual({ index: 0, votes: 1 })
  })
  it('best: the highest scores, ties to the first given', () => {
    expect(bestOf([-3, -1, -2], 2)).toEqual([1, 2])
    expect(bestOf([-1, -1], 1)).toEqual([0])
    expect(bestOf([-1], 5)).toEqual([0])
  })
})

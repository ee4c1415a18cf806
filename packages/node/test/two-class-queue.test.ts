/** BLK-4: work with something at stake goes first, but never alone. */
import { expect, test } from 'vitest'
import { type QueueClass, TwoClassQueue } from '../src/chain/two-class-queue.ts'

/** Fills a queue while its first job runs, lets it go, and returns the order in which the rest ran. */
async function orderOf(jobs: readonly string[], classOf: (name: string) => QueueClass): Promise<string> {
  const queue = new TwoClassQueue(64)
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = queue.run('other', () => gate.promise)
  const rest = jobs.map((name) => queue.run(classOf(name), async () => void order.push(name)))
  gate.resolve()
  await Promise.all([first, ...rest])
  return order.join(' ')
}

const byLetter = (name: string): QueueClass => (name.startsWith('b') ? 'bonded' : 'other')

test('while bonded work waits, the others get one turn in four', async () => {
  const jobs = 'o1 o2 o3 o4 b1 b2 b3 b4 b5 b6 b7'.split(' ')
  expect(await orderOf(jobs, byLetter)).toBe('b1 b2 b3 o1 b4 b5 b6 o2 b7 o3 o4')
})

test('each class is first come, first served', async () => {
  expect(await orderOf('o1 o2 o3'.split(' '), byLetter)).toBe('o1 o2 o3')
  expect(await orderOf('b1 b2 b3 b4 b5'.split(' '), byLetter)).toBe('b1 b2 b3 b4 b5')
})

test('a full class is BUSY, the other still has room', async () => {
  const queue = new TwoClassQueue(2)
  const gate = Promise.withResolvers<void>()
  const running = queue.run('other', () => gate.promise)
  const waiting = [1, 2].map((n) => queue.run('other', async () => n))
  await expect(queue.run('other', async () => 3)).rejects.toMatchObject({ code: 'BUSY' })
  const bonded = queue.run('bonded', async () => 4)
  expect(queue.waiting).toBe(3)
  gate.resolve()
  expect(await Promise.all([running, ...waiting, bonded])).toEqual([undefined, 1, 2, 4])
})

test('a job that fails does not hold up the next', async () => {
  const queue = new TwoClassQueue(8)
  const failing = queue.run('bonded', () => Promise.reject(new Error('bad block')))
  const next = queue.run('bonded', async () => 'done')
  await expect(failing).rejects.toThrow('bad block')
  expect(await next).toBe('done')
})

test('closing rejects what waits, and is over when the running job is', async () => {
  const queue = new TwoClassQueue(8)
  const gate = Promise.withResolvers<string>()
  const running = queue.run('bonded', () => gate.promise)
  const waiting = queue.run('bonded', async () => 'never')
  let isClosed = false
  const closing = queue.close().then(() => {
    isClosed = true
  })
  await expect(waiting).rejects.toMatchObject({ code: 'STOPPED' })
  await expect(queue.run('other', async () => 'late')).rejects.toMatchObject({ code: 'STOPPED' })
  expect(isClosed).toBe(false)
  gate.resolve('finished')
  expect(await running).toBe('finished')
  await closing
})

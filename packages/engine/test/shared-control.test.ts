/** Marks in shared memory: who packs, who waits, and what a thread leaves behind that ends in the middle. */
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { controlWords, SharedControl } from '../src/run/shared-control.ts'

const PLACE = { at: 64, parents: 2, slots: 3, threads: 3 }
const beacon = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const buffer = (): SharedArrayBuffer =>
  new SharedArrayBuffer(64 + 4 * controlWords(PLACE.parents, PLACE.slots, PLACE.threads))
const workers: Worker[] = []
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
})

/** Runs `body` in a thread, as thread 1, with `control`; it may end the thread by `process.exit()`. */
function inThread(shared: SharedArrayBuffer, body: string): Promise<number> {
  const module = new URL('../src/run/shared-control.ts', import.meta.url).href
  const text = `
    const { SharedControl } = await import(${JSON.stringify(module)})
    const { workerData, parentPort } = await import('node:worker_threads')
    const control = new SharedControl(workerData.shared, workerData.place)
    ${body}`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`), {
    workerData: { shared, place: PLACE },
  })
  workers.push(worker)
  return new Promise((resolve, reject) => {
    worker.on('exit', resolve)
    worker.on('error', reject)
  })
}

test('weights are packed once, and again after a failure', () => {
  const control = new SharedControl(buffer(), PLACE)
  let packed = 0
  expect(() =>
    control.packWeights(0, () => {
      throw new Error('no')
    }),
  ).toThrow('no')
  for (const thread of [0, 1, 2]) control.packWeights(thread, () => packed++)
  expect(packed).toBe(1)
})

test('a parent is found by its beacon, and the one longest not used makes room', () => {
  const control = new SharedControl(buffer(), PLACE)
  const use = (n: number): number => {
    const parent = control.pin(0, beacon(n))
    control.unpin(0)
    return parent
  }
  const [first, second] = [use(1), use(2)]
  expect(first).not.toBe(second)
  control.fillSlot(0, first, 2, () => {})
  expect(use(1)).toBe(first)
  expect(control.isFilled(first, 2)).toBe(true)
  expect(use(3)).toBe(second)
  expect(control.pinKept(0, beacon(2))).toBeUndefined()
  expect(use(4)).toBe(first)
  expect(control.isFilled(first, 2)).toBe(false)
})

test('a pinned parent stays, and who needs its place waits until it is free', async () => {
  const shared = buffer()
  const control = new SharedControl(shared, PLACE)
  const kept = [control.pin(0, beacon(1)), control.pin(2, beacon(2))]
  const other = inThread(shared, `control.pin(1, new Uint8Array(32).fill(3)); process.exit(0)`)
  const waited = await Promise.race([
    other.then(() => false),
    new Promise((resolve) => setTimeout(() => resolve(true), 500)),
  ])
  expect(waited).toBe(true)
  expect(control.pinKept(0, beacon(1))).toBe(kept[0])
  control.unpin(2)
  expect(await other).toBe(0)
  expect(control.pinKept(0, beacon(2))).toBeUndefined()
  expect(control.pinKept(0, beacon(1))).toBe(kept[0])
})

test('what a thread had begun when it ended is free after its release', async () => {
  const shared = buffer()
  const control = new SharedControl(shared, PLACE)
  const parent = control.pin(0, beacon(1))
  const body = `
    control.pin(1, new Uint8Array(32).fill(2))
    control.packWeights(1, () => control.fillSlot(1, ${parent}, 1, () => process.exit(0)))`
  await inThread(shared, body)
  const waiting = inThread(
    shared,
    `control.packWeights(2, () => {}); control.fillSlot(2, ${parent}, 1, () => {}); process.exit(0)`,
  )
  const waited = await Promise.race([
    waiting.then(() => false),
    new Promise((resolve) => setTimeout(() => resolve(true), 500)),
  ])
  expect(waited).toBe(true)
  control.release(1)
  expect(await waiting).toBe(0)
  expect(control.isFilled(parent, 1)).toBe(true)
  // The dead thread's pin is gone too: its parent makes room.
  expect(control.pin(2, beacon(3))).not.toBe(parent)
})

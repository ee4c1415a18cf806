/** Traces of delivered units on disk: expiry, quota, restarts, and files that the disk has spoilt (AUD-3). */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@nacre/node'
import { bytesToHex, commitTrace, equalBytes, executeUnit, unitModel } from '@nacre/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decodeTrace, encodeTrace, traceFileBytes } from '../src/trace-codec.ts'
import { TraceFiles } from '../src/trace-files.ts'

const model = unitModel()
const traceOf = (maxNewTokens: number) =>
  executeUnit(model, {
    promptTokens: [5, 6, 7, 8, 9],
    maxNewTokens,
    decoding: { temperatureMilli: 700, seed: new Uint8Array(32), stopAtEos: false },
  })
const trace = traceOf(4)
const bytes = traceFileBytes(trace.shape)
const job = (i: number): string => bytesToHex(new Uint8Array(32).fill(i))

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nacre-traces-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const events: { event?: unknown }[] = []
const log = {
  ...silentLogger,
  warn: (line: object) => void events.push(line),
  error: (line: object) => void events.push(line),
}
const open = (quotaBytes = 10 * bytes): TraceFiles => {
  events.length = 0
  const dimsOf = (id: Uint8Array) => (equalBytes(id, model.modelId) ? model.config : undefined)
  return new TraceFiles({ dir, quotaBytes, dimsOf, log })
}
const kept = (files: TraceFiles): number[] => [1, 2, 3, 4, 5].filter((i) => files.has(job(i)))

test('a trace comes back as it was, after a restart too', async () => {
  const files = open()
  expect(await files.put(job(1), model.modelId, trace, 100)).toBe(true)
  expect(await files.put(job(2), model.modelId, traceOf(1), 100)).toBe(true)
  expect(readdirSync(dir).sort()).toEqual([`${job(1)}.trace`, `${job(2)}.trace`])
  for (const each of [files, open()]) {
    expect(await each.get(job(1))).toEqual(trace)
    expect(commitTrace((await each.get(job(2)))!).traceRoot).toEqual(commitTrace(traceOf(1)).traceRoot)
    expect(await each.get(job(3))).toBeUndefined()
    expect(each.bytes).toBe(bytes + traceFileBytes(traceOf(1).shape))
  }
  expect(readFileSync(join(dir, `${job(1)}.trace`)).length).toBe(bytes)
})

test('what nobody may ask for any more goes', async () => {
  const files = open()
  for (const i of [1, 2, 3]) await files.put(job(i), model.modelId, trace, 10 * i)
  await files.expire(20)
  expect(kept(files)).toEqual([2, 3])
  expect(files.bytes).toBe(2 * bytes)
  await files.expire(31)
  expect(readdirSync(dir)).toEqual([])
})

test('under the quota nothing that is owed goes; over it the one that is owed for the shortest time, and one too large never comes', async () => {
  const files = open(3 * bytes)
  for (const [i, untilHeight] of [
    [1, 50],
    [2, 30],
    [3, 40],
  ] as const)
    await files.put(job(i), model.modelId, trace, untilHeight)
  expect(kept(files)).toEqual([1, 2, 3])
  await files.put(job(4), model.modelId, trace, 60)
  expect(kept(files)).toEqual([1, 3, 4])
  expect(events).toMatchObject([{ event: 'trace_dropped', jobId: job(2) }])
  expect(files.bytes).toBe(3 * bytes)
  expect(readdirSync(dir)).toHaveLength(3)

  const small = open(bytes - 1)
  expect(await small.put(job(5), model.modelId, trace, 60)).toBe(false)
  // The quota was larger before.
  expect(kept(small)).toEqual([])
  expect(readdirSync(dir)).toEqual([])
})

test('a spoilt file is a typed error once, and then not there', async () => {
  const files = open()
  await files.put(job(1), model.modelId, trace, 100)
  const path = join(dir, `${job(1)}.trace`)
  const content = readFileSync(path)
  for (const at of [60, bytes - 1, bytes >> 1]) {
    const changed = Buffer.from(content)
    changed[at]! ^= 1
    expect(() => decodeTrace(changed, model.config)).toThrowError(expect.objectContaining({ code: 'TRACE_CORRUPT' }))
  }
  content[bytes >> 1]! ^= 1
  writeFileSync(path, content)
  await expect(files.get(job(1))).rejects.toMatchObject({ code: 'TRACE_CORRUPT' })
  expect(await files.get(job(1))).toBeUndefined()
  expect(readdirSync(dir)).toEqual([])
  expect(files.bytes).toBe(0)

  // Gone under its feet.
  await files.put(job(2), model.modelId, trace, 100)
  rmSync(join(dir, `${job(2)}.trace`))
  await expect(files.get(job(2))).rejects.toMatchObject({ code: 'TRACE_CORRUPT' })
  expect(files.has(job(2))).toBe(false)
})

test('at a start broken, foreign and half-written files do no harm', async () => {
  const files = open()
  for (const i of [1, 2, 3]) await files.put(job(i), model.modelId, trace, 100)
  truncateSync(join(dir, `${job(1)}.trace`), bytes - 1)
  writeFileSync(join(dir, `${job(2)}.trace`), 'nothing')
  writeFileSync(join(dir, `${job(4)}.trace`), encodeTrace(new Uint8Array(32), 100, trace))
  writeFileSync(join(dir, `${job(5)}.trace.tmp`), 'half')
  writeFileSync(join(dir, 'notes.txt'), 'mine')
  const again = open()
  expect(kept(again)).toEqual([3])
  expect(events.map(({ event }) => event)).toEqual(Array(3).fill('trace_unreadable'))
  expect(readdirSync(dir).sort()).toEqual([`${job(3)}.trace`, 'notes.txt'].sort())
})

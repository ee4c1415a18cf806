/** One suite for both worker ports, then what only threads do: queue bounds, priorities, cancelling, crashes. */
import {
  bestTicket,
  commitTrace,
  drawUnit,
  executeUnit,
  ProtocolError,
  stepOpeningCodec,
  unitModel,
} from '@nacre/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import {
  createFastHash,
  createKernels,
  createUnitEngine,
  type EngineJob,
  inlineWorkers,
  type OpenStepsJob,
  type ProcessWorkersOptions,
  processWorkers,
  type ReplayUnitJob,
  type RunUnitJob,
  type ThreadWorkersOptions,
  threadWorkers,
  type VerifyTicketProofJob,
  WorkerError,
  type WorkerPort,
} from '../src/index.ts'
import { inheritedOptions } from '../src/workers/crossing.ts'
import { JobQueue } from '../src/workers/queue.ts'
import { traceDifference } from './support/compare.ts'
import { isSupported } from './support/kernels.ts'
import { modelBytes } from './support/model-bytes.ts'

const model = unitModel()
const { modelId } = model
const modelParams = { noiseRank: 8, tileRows: 4, tileColumns: 8 }
const bytes32 = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const task = {
  promptTokens: [256, 1, 2, 3, 4, 5, 6, 7, 8],
  maxNewTokens: 4,
  decoding: { temperatureMilli: 0, seed: bytes32(0), stopAtEos: false },
}
const drawKeys = { parentBeacon: bytes32(1), unitId: bytes32(2), minerKey: bytes32(3) }
const runJob: RunUnitJob = { kind: 'runUnit', modelId, modelParams, task, ...drawKeys }
const EVERY_TICKET = bytes32(0xff)
const source = { bytes: modelBytes(model) }

const trace = executeUnit(model, task)
const { traceRoot } = commitTrace(trace)
const replayJob: ReplayUnitJob = { kind: 'replayUnit', modelId, task, tokens: trace.tokens }
const best = bestTicket(drawUnit({ modelParams, model, ...drawKeys, trace, traceRoot }))!

let open: WorkerPort[] = []
const use = (port: WorkerPort): WorkerPort => {
  open.push(port)
  return port
}
const threads = (options: Partial<ThreadWorkersOptions> = {}): WorkerPort =>
  use(threadWorkers({ models: [source], threads: 1, ...options }))
const inline = async (): Promise<WorkerPort> => {
  const hash = await createFastHash()
  return use(inlineWorkers([createUnitEngine({ model, kernels: await createKernels(), hash })], hash))
}
afterEach(async () => {
  await Promise.all(open.map((port) => port.stop()))
  open = []
})

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof WorkerError) return error.code
    throw error
  }
  return 'none'
}

describe.each([
  ['inline workers', inline],
  ['thread workers', async () => threads({ threads: 2 })],
  ['process workers', async () => use(processWorkers({ models: [source], threads: 2 }))],
] as const)('%s', (_, create) => {
  test('run a unit: the trace comes only with a ticket below the threshold', async () => {
    const port = await create()
    const plain = await port.run(runJob)
    expect(plain).toMatchObject({ traceRoot, best, tickets: 2 * 2 * (8 + 16), win: undefined })
    expect(plain.tokens).toEqual(trace.tokens)
    expect((await port.run({ ...runJob, winBelow: best.hash })).win).toBeUndefined()
    const { win } = await port.run({ ...runJob, winBelow: EVERY_TICKET })
    expect(traceDifference(win!.trace, trace)).toBeUndefined()
    // The same unit again, on memory from which a trace was moved away.
    expect((await port.run(runJob)).traceRoot).toEqual(traceRoot)
  })

  test('run a unit without a draw, or with one: the trace of a paid unit comes back in either case', async () => {
    const port = await create()
    const plain = await port.run({ kind: 'executeUnit', modelId, task })
    expect(plain.traceRoot).toEqual(traceRoot)
    expect(traceDifference(plain.trace, trace)).toBeUndefined()
    expect((await port.run(runJob)).trace).toBeUndefined()
    const drawn = await port.run({ ...runJob, wantTrace: true })
    expect(drawn.win).toBeUndefined()
    expect(traceDifference(drawn.trace!, trace)).toBeUndefined()
    const won = await port.run({ ...runJob, wantTrace: true, winBelow: EVERY_TICKET })
    expect(traceDifference(won.trace!, trace)).toBeUndefined()
    expect(traceDifference(won.win!.trace, trace)).toBeUndefined()
    expect(await codeOf(port.run({ kind: 'executeUnit', modelId: bytes32(9), task }))).toBe('MODEL_UNREGISTERED')
  })

  test('verify the proof of a ticket, and reject a forged one', async () => {
    const port = await create()
    const { win } = await port.run({ ...runJob, winBelow: EVERY_TICKET })
    const claim = { traceRoot, ticket: best, target: 1n << 255n, ticketMacs: 1000, proof: win!.proof }
    const job: VerifyTicketProofJob = {
      kind: 'verifyTicketProof',
      ...{ modelId, modelParams, promptTokens: task.promptTokens.length, ...drawKeys, ...claim },
    }
    expect(await port.run(job)).toEqual(best.hash)
    expect(await codeOf(port.run({ ...job, target: 1n }))).toBe('TICKET_LOSES')
    const error = await port.run({ ...job, proof: { ...win!.proof, preRoot: bytes32(0) } }).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'TICKET_PROOF_OPENING', verdict: 'reject' })
    expect((error as Error).cause).toMatchObject({ code: 'MERKLE_ROOT_MISMATCH' })
    expect((error as Error).message).toBe('TICKET_PROOF_OPENING: the rows do not open under the trace root')
  })

  test('replay a unit', async () => {
    const port = await create()
    expect(await port.run(replayJob)).toEqual({ traceRoot, trace: undefined })
    const withTrace = await port.run({ ...replayJob, wantTrace: true })
    expect(traceDifference(withTrace.trace!, trace)).toBeUndefined()
    const wrong = trace.tokens.with(10, (trace.tokens[10]! + 1) % 260)
    expect(await codeOf(port.run({ ...replayJob, tokens: wrong }))).toBe('BLOCK_REPLAY_TOKENS')
    expect(port.stats).toMatchObject({ completed: 2, rejected: 1 })
  })

  test('open steps of a trace', async () => {
    const port = await create()
    const ref = { kind: 'attend', layer: 1, group: 1, position: 7 } as const
    const job: OpenStepsJob = { kind: 'openSteps', trace, steps: [ref] }
    const [opening] = await port.run(job)
    expect(opening!.ref).toEqual(ref)
    expect(stepOpeningCodec.encode(opening!).length).toBeGreaterThan(0)
    expect(await codeOf(port.run({ ...job, steps: [{ ...ref, layer: 2 }] }))).toBe('STEP_OUT_OF_RANGE')
  })

  test('reject another model, an aborted job, and everything after the end', async () => {
    const port = await create()
    expect(await codeOf(port.run({ ...runJob, modelId: bytes32(9) }))).toBe('MODEL_UNREGISTERED')
    expect(await codeOf(port.run({ ...runJob, winBelow: new Uint8Array(31) }))).toBe('WORKER_FAILED')
    expect(await codeOf(port.run(runJob, { signal: AbortSignal.abort() }))).toBe('WORKER_CANCELLED')
    expect(port.stats).toMatchObject({ cancelled: 1, running: 0 })
    await port.stop()
    await port.stop()
    expect(await codeOf(port.run(runJob))).toBe('WORKER_STOPPED')
  })
})

describe('threads', () => {
  test('bound each queue by itself', async () => {
    const port = threads({ maxQueue: 2 })
    const mining = [port.run(runJob), port.run(runJob)]
    const validation = [port.run(replayJob), port.run(replayJob)]
    expect(await codeOf(port.run(runJob))).toBe('WORKER_QUEUE_FULL')
    expect(await codeOf(port.run(replayJob))).toBe('WORKER_QUEUE_FULL')
    expect(port.stats).toMatchObject({ queuedMining: 2, queuedValidation: 2, refused: 2 })
    await Promise.all([...mining, ...validation])
    expect(port.stats).toMatchObject({ queuedMining: 0, queuedValidation: 0, completed: 4 })
  })

  test('validate before they mine', async () => {
    const port = threads()
    const order: string[] = []
    const jobs = [runJob, runJob, replayJob, runJob, replayJob]
    await Promise.all(jobs.map((job) => port.run(job).then(() => order.push(job.kind))))
    expect(order).toEqual(['replayUnit', 'replayUnit', 'runUnit', 'runUnit', 'runUnit'])
  })

  const serviceJobs: EngineJob[] = [
    { ...replayJob, wantTrace: true, service: true },
    { kind: 'openSteps', trace, steps: [{ kind: 'shape', layer: 0, group: 0, position: 0 }] },
  ]
  const isService = (job: EngineJob): boolean => serviceJobs.includes(job)

  test.each(serviceJobs)('$kind for others: a short queue of its own, and a block never waits for it', async (job) => {
    const port = threads()
    const served = Array.from({ length: 20 }, () => port.run(job).catch((error: unknown) => error))
    expect(port.stats).toMatchObject({ queuedService: 4, queuedValidation: 0, refused: 16 })
    const order: boolean[] = []
    const blocks = Array.from({ length: 8 }, () => port.run(replayJob).then(() => order.push(false)))
    await Promise.all([...blocks, served[3]!.then(() => order.push(true))])
    expect(order).toEqual([...Array<boolean>(8).fill(false), true])
    const refused = (await Promise.all(served)).filter((outcome) => outcome instanceof WorkerError)
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['WORKER_QUEUE_FULL']))
  })

  test('mining and service take turns', async () => {
    const port = threads()
    const order: string[] = []
    const [service] = serviceJobs
    const jobs = [runJob, runJob, runJob, service!, service!, service!]
    await Promise.all(jobs.map((job) => port.run(job).then(() => order.push(job.kind))))
    expect(order).toEqual(['replayUnit', 'runUnit', 'replayUnit', 'runUnit', 'replayUnit', 'runUnit'])
  })

  test('one thread serves at a time: another is free for the next block', () => {
    const queue = new JobQueue(64)
    const pending = [...serviceJobs, runJob].map((job, id) => ({ id, job, resolve: () => {}, reject: () => {} }))
    for (const each of pending) queue.push(each)
    expect(isService(queue.shift(true)!.job)).toBe(true)
    expect(queue.shift(false)!.job).toBe(runJob)
    expect(queue.shift(false)).toBeUndefined()
    expect(isService(queue.shift(true)!.job)).toBe(true)
  })

  test('two threads: while one serves, the other waits for blocks', async () => {
    const port = threads({ threads: 2 })
    await port.run(replayJob)
    await expect.poll(() => port.stats.ready, { timeout: 20_000 }).toBe(2)
    const served = [port.run(serviceJobs[0]!), port.run(serviceJobs[0]!), port.run(serviceJobs[0]!)]
    expect(port.stats).toMatchObject({ running: 1, queuedService: 2 })
    const block = port.run(replayJob)
    expect(port.stats).toMatchObject({ running: 2, queuedValidation: 0 })
    await Promise.all([...served, block])
  })

  test('cancel queued and running jobs', async () => {
    const port = threads()
    await port.run(replayJob)
    const running = new AbortController()
    const queued = new AbortController()
    const first = port.run(runJob, { signal: running.signal })
    const second = port.run(runJob, { signal: queued.signal })
    const third = port.run(runJob)
    expect(port.stats).toMatchObject({ running: 1, queuedMining: 2 })
    queued.abort()
    running.abort()
    expect(await codeOf(first)).toBe('WORKER_CANCELLED')
    expect(await codeOf(second)).toBe('WORKER_CANCELLED')
    expect((await third).traceRoot).toEqual(traceRoot)
    expect(port.stats).toMatchObject({ cancelled: 2, queuedMining: 0 })
  })

  test('survive the death of a thread: its job rejects, the others run', async () => {
    const port = threads({ entry: new URL('./fixtures/failing-thread.ts', import.meta.url) })
    const deadly = port.run({ ...runJob, unitId: bytes32(0xdd) })
    const next = port.run(runJob)
    const buggy = port.run({ ...runJob, unitId: bytes32(0xee) })
    expect(await codeOf(deadly)).toBe('WORKER_CRASHED')
    expect((await next).traceRoot).toEqual(traceRoot)
    await expect(buggy).rejects.toThrow('TypeError: a bug')
    expect(port.stats).toMatchObject({ crashes: 1 })
  })

  test('share one memory: units on several parents at once are those of the reference', async () => {
    const port = threads({ models: [{ ...source, lottery: modelParams }], threads: 2 })
    await port.run(replayJob)
    await expect.poll(() => port.stats.ready, { timeout: 20_000 }).toBe(2)
    const units = Array.from({ length: 40 }, (_, i) => ({
      ...runJob,
      parentBeacon: bytes32(i % 5),
      unitId: bytes32(100 + i),
    }))
    const outcomes = await Promise.all(units.map((job) => port.run(job)))
    for (const [i, { parentBeacon, unitId, minerKey }] of units.entries()) {
      const tickets = drawUnit({ modelParams, model, parentBeacon, unitId, minerKey, trace, traceRoot })
      expect(outcomes[i]!.best).toEqual(bestTicket(tickets))
    }
  })

  test('give up if no thread comes up', async () => {
    const port = threads({ models: [], threads: 2, entry: new URL('./fixtures/failing-thread.ts', import.meta.url) })
    expect(await codeOf(port.run(runJob))).toBe('WORKER_FAILED')
    expect(await codeOf(port.run(runJob))).toBe('WORKER_FAILED')
    const broken = threads({ models: [{ path: '/nowhere' }] })
    expect(await codeOf(broken.run(runJob))).toBe('WORKER_FAILED')
  })

  test('reject a job that cannot be cloned, and go on', async () => {
    const port = threads()
    const steps = [Object.assign(() => {}, { kind: 'shape' as const, layer: 0, group: 0, position: 0 })]
    const before = port.run(replayJob)
    const bad = codeOf(port.run({ kind: 'openSteps', trace, steps }))
    const behind = port.run(runJob)
    expect(await bad).toBe('WORKER_FAILED')
    expect((await before).traceRoot).toEqual(traceRoot)
    expect((await behind).traceRoot).toEqual(traceRoot)
  })

  test('reject waiting and running jobs when they stop', async () => {
    const port = threads()
    await port.run(replayJob)
    const jobs = [port.run(runJob), port.run(runJob)].map(codeOf)
    await port.stop()
    expect(await Promise.all(jobs)).toEqual(['WORKER_STOPPED', 'WORKER_STOPPED'])
  })
})

describe('threads in a process of their own', () => {
  const entry = new URL('./fixtures/failing-thread.ts', import.meta.url)
  const processes = (options: Partial<ProcessWorkersOptions> = {}): WorkerPort =>
    use(processWorkers({ models: [source], threads: 2, entry, ...options }))

  test('a thread that runs out of heap costs its job and nothing else', async () => {
    const port = processes({ maxHeapMiB: 48 })
    await port.run(replayJob)
    await expect.poll(() => port.stats.ready, { timeout: 20_000 }).toBe(2)
    const greedy = port.run({ ...runJob, unitId: bytes32(0xaa) })
    expect(await codeOf(greedy)).toBe('WORKER_CRASHED')
    expect((await port.run(replayJob)).traceRoot).toEqual(traceRoot)
    expect((await port.run(runJob)).traceRoot).toEqual(traceRoot)
    // V8 ends the thread, or the process with both.
    expect([1, 2]).toContain(port.stats.crashes)
  })

  test('a process that is killed is started again', async () => {
    const port = processes()
    await port.run(replayJob)
    expect(await codeOf(port.run({ ...runJob, unitId: bytes32(0xcc) }))).toBe('WORKER_CRASHED')
    expect((await port.run(runJob)).traceRoot).toEqual(traceRoot)
  })

  test('all threads come back, on one memory again, when their process is killed', async () => {
    const port = processes({ models: [{ ...source, lottery: modelParams }] })
    await port.run(replayJob)
    await expect.poll(() => port.stats.ready, { timeout: 20_000 }).toBe(2)
    expect(await codeOf(port.run({ ...runJob, unitId: bytes32(0xcc) }))).toBe('WORKER_CRASHED')
    await expect.poll(() => port.stats.ready, { timeout: 20_000 }).toBe(2)
    expect(port.stats.crashes).toBe(2)
    const units = Array.from({ length: 20 }, (_, i) => ({ ...runJob, parentBeacon: bytes32(i % 3) }))
    const outcomes = await Promise.all(units.map((job) => port.run(job)))
    for (const [i, { parentBeacon, unitId, minerKey }] of units.entries()) {
      const tickets = drawUnit({ modelParams, model, parentBeacon, unitId, minerKey, trace, traceRoot })
      expect(outcomes[i]!.best).toEqual(bestTicket(tickets))
    }
  })

  test('a model that cannot be loaded, and a process that cannot be started, are errors of the job', async () => {
    expect(await codeOf(processes({ models: [{ path: '/nowhere' }] }).run(runJob))).toBe('WORKER_FAILED')
    const { execPath } = process
    process.execPath = '/nowhere/node'
    try {
      const port = processes()
      expect(await codeOf(port.run(runJob))).toBe('WORKER_FAILED')
      await port.stop()
    } finally {
      process.execPath = execPath
    }
  })

  test('options that the process ends over are given up', async () => {
    const port = processes({ execArgv: ['--no-such-option'] })
    expect((await port.run(runJob)).traceRoot).toEqual(traceRoot)
    expect(port.stats.crashes).toBe(2)
  })

  test('what arrives owns its memory: a kept hash keeps nothing else', async () => {
    const { traceRoot: root, best: ticket, win } = await processes().run({ ...runJob, winBelow: EVERY_TICKET })
    const arrays = [root, ticket!.hash, ticket!.foldState, ...win!.proof.rows, win!.proof.preRoot]
    for (const array of arrays) expect(array.buffer.byteLength).toBe(array.byteLength)
  })

  test('a process inherits no code and no inspector', () => {
    const own = ['--conditions=development', '-e', 'code', '--input-type=module', '--inspect=9229', '--stack-size=2000']
    expect(inheritedOptions(own)).toEqual(['--conditions=development', '--stack-size=2000'])
    expect(inheritedOptions(['-p', 'code', '--eval=code', '--test', '--watch'])).toEqual([])
  })

  test('options of V8 reach the kernels', async () => {
    const heard: string[] = []
    const port = processes({
      wide: true,
      execArgv: ['--experimental-wasm-revectorize'],
      onReady: (name) => heard.push(name),
    })
    expect((await port.run(runJob)).best).toEqual(best)
    expect(heard).toEqual([isSupported('wasm-relaxed-wide') ? 'wasm-relaxed-wide' : 'wasm-simd'])
  })
})

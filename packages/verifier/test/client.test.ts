/** AUD-7 against sources that bring too little, too late, or something else. */
import { readFileSync } from 'node:fs'
import {
  commitTrace,
  encodeTransaction,
  executeUnit,
  type Job,
  keyPairFromSeed,
  openStep,
  ProtocolError,
  type StepRef,
  signTransaction,
  stepOpeningCodec,
  type Trace,
  type TransactionBody,
  transactionIdOfBytes,
  unitModel,
} from '@nacre/protocol'
import {
  type AnswerCheck,
  type AnswerSource,
  type BroughtOpenings,
  checkAnswer,
  STEPS_PER_QUESTION,
} from '@nacre/verifier/client'
import { expect, test } from 'vitest'

const model = unitModel()
const chainId = new Uint8Array(32).fill(5)
const task = {
  promptTokens: [256, 78, 97, 99],
  maxNewTokens: 5,
  decoding: { temperatureMilli: 700, seed: new Uint8Array(32), stopAtEos: false },
}
const sign = (body: TransactionBody, key: number): Uint8Array =>
  encodeTransaction(
    signTransaction({ chainId, nonce: 0n, fee: 0n, body }, keyPairFromSeed(new Uint8Array(32).fill(key))),
  )
const job: Job = { kind: 'job', modelId: model.modelId, ...task, maxPrice: 1n, expiryHeight: 9 }
const posted = sign(job, 1)
const jobId = transactionIdOfBytes(posted)
const right = executeUnit(model, task)

/** A miner that delivered this trace and opens it, until `change` has a say. */
function sourceOf(trace: Trace, change: (brought: Uint8Array[], steps: readonly StepRef[]) => BroughtOpenings) {
  const commitment = commitTrace(trace)
  const tokens = [...trace.tokens.slice(trace.shape.promptTokens)]
  const { traceRoot } = commitment
  const delivered = sign({ kind: 'receipt', jobId, unitParentId: new Uint8Array(32), traceRoot, tokens }, 2)
  const asked: StepRef[][] = []
  const source: AnswerSource = {
    transactions: async () => ({ posted, delivered }),
    openings: async (_job, steps) => {
      asked.push([...steps])
      return change(
        steps.map((ref) => stepOpeningCodec.encode(openStep(trace, commitment, ref))),
        steps,
      )
    },
  }
  return { source, asked }
}
const all = (openings: Uint8Array[]): BroughtOpenings => ({ openings })

const check = (source: AnswerSource, steps = 40): Promise<AnswerCheck> =>
  checkAnswer({
    ...{ source, chainId, jobId, steps, seed: new Uint8Array(32).fill(3) },
    model: async () => model,
    signal: AbortSignal.timeout(60_000),
  })

/** With the last layer's rows moved by one bit. */
function garbled(): Trace {
  const trace = structuredClone(right)
  const last = trace.h.at(-1)!
  for (let i = 0; i < last.length; i += model.config.dModel) new Uint32Array(last.buffer)[i]! ^= 1
  return trace
}

test('a right answer: every step is asked for once, a bounded number at a time', async () => {
  const { source, asked } = sourceOf(right, all)
  const checked = await check(source)
  expect(checked).toMatchObject({ outcome: 'right', steps: asked.flat() })
  expect(new Set(asked.flat().map((ref) => JSON.stringify(ref))).size).toBe(asked.flat().length)
  expect(Math.max(...asked.map(({ length }) => length))).toBe(STEPS_PER_QUESTION)
})

test('a garbled one: wrong, with the opening that shows it', async () => {
  const { source } = sourceOf(garbled(), all)
  const checked = await check(source)
  expect(checked).toMatchObject({ outcome: 'wrong', evidence: { code: 'STEP_MISMATCH' } })
})

test('one opening of fraud is enough, whatever else is missing or bad', async () => {
  const ffn = (steps: readonly StepRef[]): number =>
    steps.findIndex(({ kind, layer }) => kind === 'ffn' && layer === model.config.nLayers - 1)
  const { source } = sourceOf(garbled(), (openings, steps) => {
    const at = ffn(steps)
    return { openings: at < 0 ? openings : [new Uint8Array(9), openings[at]!] }
  })
  expect(await check(source, 200)).toMatchObject({ outcome: 'wrong' })
})

test.each<
  [string, (openings: Uint8Array[]) => BroughtOpenings, Partial<Extract<AnswerCheck, { outcome: 'withheld' }>>]
>([
  ['nothing', () => ({ openings: [], reason: 'no peer to ask' }), { reason: 'no peer to ask', isOver: false }],
  ['nothing any more', () => ({ openings: [], reason: 'over', isOver: true }), { reason: 'over', isOver: true }],
  ['all but one', (openings) => all(openings.slice(1)), { reason: 'not all steps were opened' }],
  ['one for all', (openings) => all(openings.map(() => openings[0]!)), { reason: 'not all steps were opened' }],
  ['no openings at all', (openings) => all(openings.map(() => new Uint8Array(100))), {}],
  ['changed bytes', (openings) => all(openings.map((bytes) => bytes.with(60, bytes[60]! ^ 1))), {}],
])('%s: withheld, and nobody is accused', async (_what, change, expected) => {
  const checked = await check(sourceOf(right, change).source)
  expect(checked).toMatchObject({ outcome: 'withheld', ...expected })
  expect((checked as { missing: readonly StepRef[] }).missing.length).toBeGreaterThan(0)
})

test('openings of another trace than the signed one do not count', async () => {
  const { source } = sourceOf(right, all)
  const other = sourceOf(executeUnit(model, { ...task, promptTokens: [256, 78, 97, 98] }), all).source
  const checked = await check({ ...source, openings: other.openings })
  expect(checked).toMatchObject({ outcome: 'withheld', reason: expect.stringMatching(/^MERKLE_ROOT_MISMATCH/) })
})

test('a job without an answer, and transactions of another one', async () => {
  const { source } = sourceOf(right, all)
  const waiting: AnswerSource = { ...source, transactions: async () => ({ status: 'assigned' }) }
  expect(await check(waiting)).toEqual({ outcome: 'undelivered', status: 'assigned' })
  const swapped: AnswerSource = {
    ...source,
    transactions: async () => ({ posted: sign({ ...job, maxNewTokens: 4 }, 1), delivered: posted }),
  }
  const error: unknown = await check(swapped).catch((cause: unknown) => cause)
  expect(error).toBeInstanceOf(ProtocolError)
  expect(error).toMatchObject({ code: 'UNIT_JOB' })
})

test('it needs nothing of Node: no module that it imports, however far down, does', () => {
  const packages = new URL('../../', import.meta.url)
  const entries: Readonly<Record<string, URL>> = {
    '@nacre/protocol': new URL('protocol/src/index.ts', packages),
    '@nacre/node/rpc-client': new URL('node/src/rpc-client/index.ts', packages),
  }
  const seen = new Set<string>()
  const outside = new Set<string>()
  const walk = (file: URL): void => {
    if (seen.has(file.href)) return
    seen.add(file.href)
    const text = readFileSync(file, 'utf8')
    for (const [, isType, name] of text.matchAll(/^(?:import|export)( type)? [^'"=(]*?from '([^']+)'$/gm)) {
      if (isType !== undefined) continue
      const next = name!.startsWith('.') ? new URL(name!, file) : entries[name!]
      if (next === undefined) outside.add(name!)
      else walk(next)
    }
    if (/\b(?:Buffer|process|require)\b[.(]/.test(text)) outside.add(file.href)
  }
  walk(new URL('verifier/src/client/index.ts', packages))
  expect(seen.size).toBeGreaterThan(100)
  expect([...outside].filter((name) => !/^(?:@noble\/|@scure\/|micro-packed$)/.test(name))).toEqual([])
})

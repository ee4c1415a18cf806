/** AUD-7 on a network with audits: `nacre job verify`, complete and sampled, of an honest, a withholding and a forging miner. */
import { setTimeout as delay } from 'node:timers/promises'
import type { UnitRunner } from '@nacre/miner'
import { type RpcServer, startRpc } from '@nacre/node'
import {
  answerClaim,
  bytesToHex,
  checkReceiptStep,
  commitTrace,
  fraudOf,
  hexToBytes,
  ProtocolError,
  readAuditedUnit,
  readPrompt,
  stepOpeningCodec,
} from '@nacre/protocol'
import { forwardOpenings, OpeningsSource } from '@nacre/verifier'
import { rpcAnswerSource } from '@nacre/verifier/client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { heightOf, isDelivered, jobAt, type MarketNet, marketNet } from '../../miner/test/market-net.ts'
import { jobCommand } from '../src/commands/job.ts'

let net: MarketNet
let rpc: RpcServer
/** What the miner does with the next job, and with requests for openings. */
let isForging = false
let isWithholding = false

/** Changes the residual rows of all layers, commits to them, and delivers the answer that the model gives. */
const switched = (runner: UnitRunner): UnitRunner => ({
  ...runner,
  executeUnit: async (...unit) => {
    const { tokens, trace: honest, traceRoot } = await runner.executeUnit(...unit)
    if (!isForging) return { tokens, trace: honest, traceRoot }
    const trace = structuredClone(honest)
    for (const rows of trace.h) for (let i = 0; i < rows.length; i++) rows[i] = Math.fround(rows[i]! + 1)
    return { tokens, trace, traceRoot: commitTrace(trace).traceRoot }
  },
  openSteps: async (...asked) => {
    if (isWithholding) throw new ProtocolError('STEP_OUT_OF_RANGE', 'not today')
    return runner.openSteps(...asked)
  },
})

interface Ended {
  readonly error: { readonly code: string; readonly exitCode: number; readonly message: string } | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs `job verify` while the virtual time of the network goes on. */
async function verify(...args: string[]): Promise<Ended> {
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true))
  let isOver = false
  const running = jobCommand(['verify', ...args, '--rpc', rpc.url]).then(
    () => undefined,
    (cause: unknown) => cause,
  )
  void running.finally(() => {
    isOver = true
  })
  const { clock } = net.network
  while (!isOver) {
    await clock.runUntil(clock.nowMs() + 20)
    await delay(1)
  }
  const error = await running
  const [stdout, stderr] = spies.map(({ mock }) => mock.calls.map(([chunk]) => chunk).join('')) as [string, string]
  for (const spy of spies) spy.mockRestore()
  return { error: error as Ended['error'], stdout, stderr }
}

async function delivered(text: string): Promise<Uint8Array> {
  const jobId = await net.post(net.job({ promptTokens: [...text].map((letter) => letter.charCodeAt(0)) }))
  await net.run(() => isDelivered(net.plain, jobId))
  return jobId
}

beforeAll(async () => {
  net = await marketNet({
    miners: 3, // whoever forges, or leaves a challenge unanswered, makes no more blocks
    engine: switched,
    overrides: [
      'audits.mode=on',
      'audits.plantPpm=0', // so that another trace is a false answer
      'block.maturityBlocks=24',
      'bonds.unbondingBlocks=40',
      'jobs.auditWindowBlocks=6',
      'jobs.paidDrawPpm=0',
    ],
  })
  const { node } = net.plain
  const openings = forwardOpenings(node, new OpeningsSource(node))
  rpc = await startRpc({ node, host: '127.0.0.1', port: 0, role: 'boot', openings })
}, 120_000)
afterAll(async () => {
  await rpc.stop()
  await net.network.stop()
})

test('a sample of a right answer says what it found and what it could have missed', async () => {
  const jobId = bytesToHex(await delivered('is this right?'))
  const { stdout, error } = await verify(jobId, '--sample', '24')
  expect(error).toBeUndefined()
  expect(stdout).toMatch(
    /\nright {5}\d+ of \d+ steps, drawn here by what forging them saves, are what unit-model gives/,
  )
  expect(stdout).toMatch(
    /\nodds {6}24 draws find a miner that took all behind the first attention from another trace with (more than )?[\d.]+ %, .*\n.*single step with [\d.]+ % to/,
  )
  const json = JSON.parse((await verify(jobId, '--sample', '24', '--json')).stdout)
  expect(json).toMatchObject({ id: jobId, isTrue: true, draws: 24, steps: expect.any(Array) })
  expect(json.steps.slice(0, 2).map(({ kind }: { kind: string }) => kind)).toEqual(['shape', 'input'])
  const { kept, layer, lightest, heaviest } = json.odds
  expect(kept).toBeGreaterThan(0.75)
  expect(layer).toBeGreaterThan(0.9)
  expect(lightest).toBeGreaterThan(0)
  expect(heaviest).toBeGreaterThan(lightest)
  expect(heaviest).toBeLessThan(0.5)
})

test('after its settlement, and after its audits, the prompt is that of the transaction that posted the job', async () => {
  const jobId = await delivered('what was asked?')
  const { reader } = net.plain.node.chain
  await net.run(() => jobAt(net.plain, jobId) === undefined)
  const hex = bytesToHex(jobId)
  // Settled: the state keeps record and prompt for audits.
  expect(readPrompt(reader, jobId)).toHaveLength(15)
  const { endHeight } = readAuditedUnit(reader, jobId)!
  for (const args of [[], ['--sample', '4']])
    expect(JSON.parse((await verify(hex, ...args, '--json')).stdout)).toMatchObject({ id: hex, isTrue: true })

  await net.run(() => heightOf(net.plain) >= endHeight)
  expect(readAuditedUnit(reader, jobId)).toBeUndefined()
  expect(JSON.parse((await verify(hex, '--json')).stdout)).toMatchObject({ id: hex, isTrue: true })
  const late = await verify(hex, '--sample', '4', '--json')
  expect(late.error).toMatchObject({ code: 'WITHHELD', exitCode: 3 })
  expect(late.error!.message).toMatch(/openings are owed from the block of the receipt until the payment matures/)
  expect(JSON.parse(late.stdout).error).toMatchObject({ code: 'WITHHELD', isOver: true })
})

test('a forging miner is caught by a sample, with an opening that proves it', async () => {
  isForging = true
  const jobId = await delivered('can I trust it?')
  isForging = false
  const hex = bytesToHex(jobId)
  const { error, stdout } = await verify(hex, '--sample', '32', '--json')
  expect(error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
  const { rule, opening, step } = JSON.parse(stdout).error
  expect(rule).toBe('STEP_MISMATCH')
  // Anyone comes to the same: from two signatures, the model and this opening.
  const source = rpcAnswerSource(rpc.url)
  const found = await source.transactions(jobId, AbortSignal.timeout(10_000))
  if ('status' in found) throw new Error(found.status)
  const { context } = net.network
  const claim = answerClaim(context.genesis.chainId, jobId, found.posted, found.delivered)
  const decoded = stepOpeningCodec.decode(hexToBytes(opening))
  expect(decoded.ref).toEqual(step)
  const { model } = context.bootstrap
  expect(fraudOf(() => checkReceiptStep(model, claim.unit, claim.task, decoded))).toBe('STEP_MISMATCH')
  expect((await verify(hex)).error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
})

test('unknown and unanswered jobs, and wrong numbers, have codes of their own', async () => {
  const unknown = await verify('0'.repeat(64), '--sample', '4')
  expect(unknown.error).toMatchObject({ code: 'UNKNOWN_JOB', exitCode: 5 })
  const jobId = bytesToHex(await net.post(net.job({ promptTokens: [1, 2, 3] })))
  for (const args of [[], ['--sample', '4']])
    expect((await verify(jobId, ...args)).error).toMatchObject({ code: 'NO_ANSWER_YET', exitCode: 4 })
  for (const wrong of ['0', '-1', '1.5', '100000'])
    expect((await verify(jobId, `--sample=${wrong}`)).error).toMatchObject({ code: 'USAGE', exitCode: 2 })
})

test('the route for openings has bounds', async () => {
  const ask = async (id: string, body: unknown, url = rpc.url) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/jobs/${id}/openings`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, code: ((await response.json()) as { error?: { code: string } }).error?.code }
  }
  const step = { kind: 'input', layer: 0, group: 0, position: 0 }
  const none = '0'.repeat(64)
  expect(await ask('xyz', { steps: [step] })).toEqual({ status: 404, code: 'NOT_FOUND' })
  expect(await ask(none, { steps: [step] })).toEqual({ status: 404, code: 'AUDIT_UNIT' })
  for (const steps of [[], Array(17).fill(step), [{ ...step, kind: 'walk' }], [{ ...step, layer: -1 }], [null], 'all'])
    expect(await ask(none, { steps })).toEqual({ status: 400, code: 'BAD_REQUEST' })
  const jobId = bytesToHex(await delivered('who is there?'))
  expect(await ask(jobId, { steps: [{ ...step, kind: 'ffn', layer: 99 }] })).toEqual({
    status: 400,
    code: 'STEP_OUT_OF_RANGE',
  })
  const deaf = await startRpc({ node: net.plain.node, host: '127.0.0.1', port: 0, role: 'boot' })
  expect(await ask(jobId, { steps: [step] }, deaf.url)).toEqual({ status: 501, code: 'NO_OPENINGS' })
  await deaf.stop()
  const hanging = await startRpc({
    ...{ node: net.plain.node, host: '127.0.0.1', port: 0, role: 'boot' },
    openings: (_job, _unit, _steps, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve({ openings: [], reason: 'too late' }))),
  })
  const asked = Array.from({ length: 5 }, () => ask(jobId, { steps: [step] }, hanging.url).catch(() => undefined))
  expect(await Promise.race(asked)).toEqual({ status: 503, code: 'BUSY' })
  await hanging.stop()
  await Promise.all(asked)
})

test('a miner that opens nothing leaves the answer unchecked: withheld, not false', async () => {
  const jobId = bytesToHex(await delivered('and now?'))
  isWithholding = true
  const { error } = await verify(jobId, '--sample', '4')
  isWithholding = false
  expect(error).toMatchObject({ code: 'WITHHELD', exitCode: 3 })
  expect(error!.message).toMatch(
    /^[3-6] steps of job [0-9a-f]{64} could not be checked, among them shape: .*That says nothing/,
  )
})

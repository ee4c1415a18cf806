/**
 * AUD-7: a client checks an answer by itself, with nothing but two signed transactions, the model, and openings.
 *
 *   job id = hash of the job's transaction  ->  prompt, model, decoding
 *   miner's signature of the receipt        ->  answer, trace root  ->  openings of steps that the client drew
 *
 * Against sources that lie: packages/verifier/test/client.test.ts; on a network: packages/cli/test/job-verify.test.ts.
 */
import { describe, expect, test } from 'vitest'
import {
  type AnswerClaim,
  answerClaim,
  checkReceiptStep,
  claimedShape,
  clientSteps,
  detectionChance,
  encodeTransaction,
  executeUnit,
  FIXED_STEPS,
  fraudOf,
  isSameStep,
  type Job,
  type KeyPair,
  type StepRef,
  sampleSteps,
  signTransaction,
  stepShares,
  type TransactionBody,
  transactionIdOfBytes,
} from '../../src/index.ts'
import { FORGED, forged, honest, type Kept } from '../audit-fixture.ts'
import { keysOf, MODEL } from '../ledger-fixture.ts'
import { allSteps, task } from '../trace-fixture.ts'
import { rejected } from './verbs.ts'

const chainId = new Uint8Array(32).fill(7)
const [client, miner] = [keysOf(1), keysOf(2)]
const seed = new Uint8Array(32).fill(9)
const job: Job = { kind: 'job', modelId: MODEL.modelId, ...task(), maxPrice: 1n, expiryHeight: 9 }
const bytesOf = (body: TransactionBody, keys: KeyPair, chain = chainId): Uint8Array =>
  encodeTransaction(signTransaction({ chainId: chain, nonce: 0n, fee: 0n, body }, keys))
const posted = bytesOf(job, client)
const jobId = transactionIdOfBytes(posted)
const trace = executeUnit(MODEL, task())
const answer = [...trace.tokens.slice(trace.shape.promptTokens)]
const receipt = ({ traceRoot }: Kept, tokens: readonly number[] = answer, of = jobId): Uint8Array =>
  bytesOf({ kind: 'receipt', jobId: of, unitParentId: new Uint8Array(32), traceRoot, tokens }, miner)
const claimOf = (kept: Kept, tokens?: readonly number[]): AnswerClaim =>
  answerClaim(chainId, jobId, posted, receipt(kept, tokens))
const check = (claim: AnswerClaim, kept: Kept, ref: StepRef) =>
  fraudOf(() => checkReceiptStep(MODEL, claim.unit, claim.task, kept.open(ref)))

describe('two signatures bind an answer', () => {
  test('to the task of the client and to the answer of the miner', () => {
    const claim = claimOf(honest(trace))
    expect(claim).toMatchObject({
      jobId,
      modelId: MODEL.modelId,
      task: task(),
      minerKey: miner.publicKey,
      tokens: answer,
    })
    expect(claimedShape(MODEL.config, claim)).toEqual({ promptTokens: 7, newTokens: 5, dims: MODEL.config })
  })

  test('and nothing else passes for them', () => {
    const kept = honest(trace)
    const delivered = receipt(kept)
    const otherJob = bytesOf({ ...job, maxNewTokens: 6 }, client)
    rejected('UNIT_JOB', () => answerClaim(chainId, jobId, otherJob, delivered))
    rejected('UNIT_JOB', () => answerClaim(chainId, transactionIdOfBytes(delivered), delivered, delivered))
    rejected('RECEIPT_JOB', () => answerClaim(chainId, jobId, posted, receipt(kept, answer, new Uint8Array(32))))
    rejected('RECEIPT_JOB', () => answerClaim(chainId, jobId, posted, posted))
    const elsewhere = new Uint8Array(32)
    rejected('TX_CHAIN', () => answerClaim(elsewhere, jobId, posted, delivered))
    rejected('SIGNATURE_INVALID', () => answerClaim(chainId, jobId, posted, delivered.with(200, delivered[200]! ^ 1)))
    rejected('CODEC_MALFORMED', () => answerClaim(chainId, jobId, posted.subarray(0, 90), delivered))
  })

  test('a receipt that no block contains is refused before anything is drawn', () => {
    const kept = honest(trace)
    for (const tokens of [[], answer.slice(1), [...answer.slice(1), MODEL.config.vocabSize]])
      rejected('RECEIPT_TOKENS', () => clientSteps(MODEL.config, claimOf(kept, tokens), seed, 4))
    const long = { ...claimOf(kept), task: task({ maxNewTokens: MODEL.config.maxSeqLen }) }
    rejected('UNIT_SHAPE', () => clientSteps(MODEL.config, long, seed, 4))
  })
})

describe('the steps that a client draws', () => {
  test('are those that bind prompt and answer, and draws of its own seed', () => {
    const claim = claimOf(honest(trace))
    const steps = clientSteps(MODEL.config, claim, seed, 12)
    expect(steps).toEqual([...FIXED_STEPS, ...sampleSteps(seed, trace.shape, 12)])
    expect(clientSteps(MODEL.config, claim, seed.with(0, 1), 12)).not.toEqual(steps)
  })

  test('an honest answer passes in all steps that there are', () => {
    const kept = honest(trace)
    const claim = claimOf(kept)
    for (const ref of allSteps(trace.shape)) expect(check(claim, kept, ref)).toBeUndefined()
  })

  test('another answer than the trace has is found without a draw', () => {
    const kept = honest(trace)
    const claim = claimOf(kept, answer.with(2, (answer[2]! + 1) % 50))
    expect(FIXED_STEPS.map((ref) => check(claim, kept, ref))).toContain('RECEIPT_ANSWER')
  })

  test('a single forged step is found exactly if it is drawn, which its shares of work and reach say', () => {
    const kept = forged(trace)
    const claim = claimOf(kept)
    const shares = stepShares(trace.shape)(FORGED)
    const seeds = 400
    const draws = 16
    let found = 0
    for (let i = 0; i < seeds; i++) {
      const steps = clientSteps(MODEL.config, claim, new Uint8Array(32).fill(i % 256).with(31, i >> 8), draws)
      if (steps.some((ref) => isSameStep(ref, FORGED))) found++
    }
    expect(check(claim, kept, FORGED)).toBe('STEP_MISMATCH')
    const expected = detectionChance(shares, draws)
    expect(expected).toBeGreaterThan(0.05)
    // Five standard deviations of a count of independent seeds.
    expect(Math.abs(found - seeds * expected)).toBeLessThan(5 * Math.sqrt(seeds * expected * (1 - expected)))
  })
})

/** The protocol's reference: plain TypeScript written to be read, the rules in their shortest form. */
import {
  commitTrace,
  dotRow,
  drawUnit,
  executeUnit,
  keyedHash,
  type Model,
  type QuantMatrix,
  replayUnit,
  type Trace,
} from '@nacre/protocol'
import { type Job, type Measured, type Shape, type Subject, type UnitWork, Unsupported } from '../jobs.ts'
import { checksum, OPERAND_SEED, operand, WEIGHT_SEED } from '../operands.ts'
import { timeRuns } from '../timing.ts'
import { devnetModel, devnetModelParams, drawKeys, task } from './devnet.ts'
import { hashing } from './hashing.ts'
import { forAllRows, sampleRows } from './sample-rows.ts'

const MOST_MACS = 2 ** 25
const PARENT = 7

export async function create(): Promise<Subject> {
  const hashes = hashing(keyedHash)
  const products = new Map<string, () => Int32Array>()
  let units: Promise<(work: UnitWork, budgetMs: number) => Measured> | undefined

  const gemm = (shape: Shape, budgetMs: number): Measured => {
    const { m, k, n } = shape
    const rows = sampleRows(shape, MOST_MACS)
    const key = `${m} ${k} ${n}`
    const isNew = !products.has(key)
    const run = products.get(key) ?? product(rows, k, n)
    products.set(key, run)
    const measured = forAllRows(timeRuns(run, budgetMs), rows, shape)
    return isNew && rows === m ? { ...measured, checksum: checksum(run(), m, n) } : measured
  }

  return {
    version: 'protocol, @noble/hashes',
    measure: async (job: Job, budgetMs) => {
      if (job.kind === 'gemm' && job.types === 's8s8' && job.threads === 1) return gemm(job, budgetMs)
      if (job.kind === 'hash') return hashes(job, budgetMs)
      if (job.kind === 'unit') {
        units ??= referenceUnits()
        return (await units)(job.work, budgetMs)
      }
      throw new Unsupported('the reference does not do this')
    },
  }
}

function product(m: number, k: number, n: number): () => Int32Array {
  const a = operand(m * k, OPERAND_SEED)
  const w: QuantMatrix = { rows: n, columns: k, q: operand(n * k, WEIGHT_SEED), scale: new Float32Array(n) }
  const out = new Int32Array(m * n)
  return () => {
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[i * n + j] = dotRow(a, i * k, w, j, 0, k)
    return out
  }
}

async function referenceUnits(): Promise<(work: UnitWork, budgetMs: number) => Measured> {
  const model: Model = await devnetModel(keyedHash)
  let trace: Trace | undefined
  const works: Partial<Record<UnitWork, () => unknown>> = {
    unit: () => {
      const executed = executeUnit(model, task(0))
      const { traceRoot } = commitTrace(executed)
      return drawUnit({ model, modelParams: devnetModelParams, ...drawKeys(0, PARENT), trace: executed, traceRoot })
    },
    'tokens-only': () => executeUnit(model, task(0)),
    replay: () => {
      trace ??= executeUnit(model, task(0))
      return commitTrace(replayUnit(model, task(0), trace.tokens))
    },
    'commit-trace': () => {
      trace ??= executeUnit(model, task(0))
      return commitTrace(trace)
    },
  }
  return (work, budgetMs) => {
    const run = works[work]
    if (run === undefined) throw new Unsupported('the reference has no such work of its own')
    return timeRuns(run, budgetMs)
  }
}

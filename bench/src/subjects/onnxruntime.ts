/** onnxruntime-node, MatMulInteger on the CPU. */
import { readFileSync } from 'node:fs'
import { type GemmJob, jobKey, type Measured, type Subject, Unsupported } from '../jobs.ts'
import { checksum, OPERAND_SEED, operand, unsignedOperand, WEIGHT_SEED } from '../operands.ts'
import { timeAsyncRuns } from '../timing.ts'
import { matMulIntegerModel, ONNX_INT8, ONNX_UINT8 } from './onnx-model.ts'

/** The part of the package's interface that is used: it is not installed with the project, so its types are not there either. */
interface Tensor {
  readonly data: Int32Array
}
interface Session {
  run(feeds: Record<string, Tensor>, fetches: Record<string, Tensor>): Promise<Record<string, Tensor>>
  release(): Promise<void>
}
interface Runtime {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> }
  readonly Tensor: new (type: string, data: Int8Array | Uint8Array | Int32Array, dims: readonly number[]) => Tensor
}

const PACKAGE = 'onnxruntime-node'

interface Product {
  readonly session: Session
  readonly feeds: Record<string, Tensor>
  readonly fetches: Record<string, Tensor>
}

export async function create(): Promise<Subject> {
  const runtime = await load()
  const manifest = JSON.parse(
    readFileSync(new URL(`../../node_modules/${PACKAGE}/package.json`, import.meta.url), 'utf8'),
  )
  const products = new Map<string, Product>()

  const prepare = async (job: GemmJob): Promise<Product> => {
    const { m, k, n, types, threads } = job
    const isSigned = types === 's8s8'
    const model = matMulIntegerModel(
      m,
      k,
      n,
      isSigned ? ONNX_INT8 : ONNX_UINT8,
      byRows(operand(n * k, WEIGHT_SEED), k, n),
    )
    const session = await runtime.InferenceSession.create(model, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      // Idle threads must not take the machine from the subject whose turn it is.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    })
    const a = isSigned ? operand(m * k, OPERAND_SEED) : unsignedOperand(m * k, OPERAND_SEED)
    return {
      session,
      feeds: { A: new runtime.Tensor(isSigned ? 'int8' : 'uint8', a, [m, k]) },
      fetches: { C: new runtime.Tensor('int32', new Int32Array(m * n), [m, n]) },
    }
  }

  return {
    version: `${PACKAGE} ${manifest.version}`,
    measure: async (job, budgetMs): Promise<Measured> => {
      if (job.kind !== 'gemm' || job.types === 'f32') throw new Unsupported('only int8 products')
      const { m, n } = job
      const key = jobKey(job)
      const isNew = !products.has(key)
      const product = products.get(key) ?? (await prepare(job))
      products.set(key, product)
      const { session, feeds, fetches } = product
      const measured = await timeAsyncRuns(() => session.run(feeds, fetches), budgetMs)
      return isNew ? { ...measured, checksum: checksum(fetches.C!.data, m, n) } : measured
    },
  }
}

async function load(): Promise<Runtime> {
  const name: string = PACKAGE
  try {
    const loaded = (await import(name)) as { default?: Runtime } & Runtime
    return loaded.default ?? loaded
  } catch (cause) {
    throw new Unsupported(`${PACKAGE} does not load: ${cause instanceof Error ? cause.message.split('\n')[0] : cause}`)
  }
}

/** Columns of k values as a k x n matrix. */
function byRows(columns: Int8Array, k: number, n: number): Int8Array {
  const out = new Int8Array(k * n)
  for (let j = 0; j < n; j++) for (let i = 0; i < k; i++) out[i * n + j] = columns[j * k + i]!
  return out
}

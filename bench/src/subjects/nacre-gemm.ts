/** The engine's plain product on packed weights. On two threads, each multiplies half of the rows in one shared memory. */
import { Arena } from '../../../packages/engine/src/kernels/arena.ts'
import { operandStride } from '../../../packages/engine/src/kernels/product-layout.ts'
import {
  type GemmCall,
  type KernelFactory,
  type KernelLimits,
  type KernelMemory,
  type Kernels,
  padN,
  padRows,
} from '../../../packages/engine/src/kernels/types.ts'
import { type GemmJob, jobKey, type Measured, type Shape, Unsupported } from '../jobs.ts'
import { checksum, OPERAND_SEED, operand, WEIGHT_SEED } from '../operands.ts'
import { timeRuns } from '../timing.ts'
import { Partner } from './partner.ts'
import { forAllRows, sampleRows } from './sample-rows.ts'

/** Plain TypeScript multiplies some of the rows. */
const MOST_SCALAR_MACS = 2 ** 26

interface PackedProduct {
  readonly rows: number
  run(): void
  checksum(): number
}

export function nacreGemm(factory: KernelFactory): (job: GemmJob, budgetMs: number) => Promise<Measured> {
  const products = new Map<string, PackedProduct>()
  const mostMacs = factory.name === 'scalar' ? MOST_SCALAR_MACS : Number.POSITIVE_INFINITY
  return async (job, budgetMs) => {
    if (job.types !== 's8s8') throw new Unsupported('the engine multiplies int8 by int8')
    if (job.threads > 2) throw new Unsupported('one thread or two')
    const key = jobKey(job)
    const isNew = !products.has(key)
    const product = products.get(key) ?? (await pack(factory, job, sampleRows(job, mostMacs), job.threads))
    products.set(key, product)
    const measured = forAllRows(
      timeRuns(() => product.run(), budgetMs),
      product.rows,
      job,
    )
    return isNew && product.rows === job.m ? { ...measured, checksum: product.checksum() } : measured
  }
}

async function pack(factory: KernelFactory, shape: Shape, m: number, threads: number): Promise<PackedProduct> {
  const { k, n } = shape
  const lda = operandStride(k)
  const ldc = 4 * padN(n)
  const limits = { rows: m, k, noisedK: 0, noisedN: 0, rank: 0 }
  const arena = new Arena()
  const a = arena.reserve(padRows(m) * lda)
  const c = arena.reserve(padRows(m) * ldc)
  const w = arena.reserve(factory.packedBytes(n, k))
  const scratch = Array.from({ length: threads }, () => arena.reserve(factory.scratchBytes(limits)))
  const memory = factory.memory(arena.bytes, threads > 1)
  const kernels = factory.attach(memory, scratch[0]!, limits)
  const bytes = new Int8Array(kernels.buffer)
  const values = operand(m * k, OPERAND_SEED)
  for (let i = 0; i < m; i++) bytes.set(values.subarray(i * k, (i + 1) * k), a + i * lda)
  kernels.pack(w, operand(n * k, WEIGHT_SEED), n, k)
  const call = { a, lda, w, c, ldc, m, n, k }
  return {
    rows: m,
    run:
      threads === 1
        ? () => kernels.gemm(call)
        : await onTwoThreads(factory, kernels, memory, scratch[1]!, limits, call),
    checksum: () => checksum(new Int32Array(kernels.buffer, c, m * padN(n)), m, n, padN(n)),
  }
}

async function onTwoThreads(
  factory: KernelFactory,
  kernels: Kernels,
  memory: KernelMemory,
  scratch: number,
  limits: KernelLimits,
  call: GemmCall,
): Promise<() => void> {
  const own = Math.ceil(call.m / 2)
  const other = { ...call, a: call.a + own * call.lda, c: call.c + own * call.ldc, m: call.m - own }
  const partner = await Partner.start({ kind: 'gemm', kernels: factory.name, memory, scratch, limits, call: other })
  return () => partner.together(() => kernels.gemm({ ...call, m: own }))
}

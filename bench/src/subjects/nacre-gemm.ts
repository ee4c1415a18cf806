/** The engine's plain product on packed weights. */

import { packPanels, panelBytes } from '../../../packages/engine/src/kernels/pack.ts'
import type { KernelFactory, Kernels } from '../../../packages/engine/src/kernels/types.ts'
import { padK, padN } from '../../../packages/engine/src/kernels/types.ts'
import { type GemmJob, jobKey, type Measured, type Shape, Unsupported } from '../jobs.ts'
import { checksum, OPERAND_SEED, operand, WEIGHT_SEED } from '../operands.ts'
import { timeRuns } from '../timing.ts'
import { forAllRows, sampleRows } from './sample-rows.ts'

/** Products that take longer are measured on some of their rows (plain TypeScript). */
const MOST_MACS = { 'wasm-simd': Number.POSITIVE_INFINITY, scalar: 2 ** 26 }

interface PackedProduct {
  readonly rows: number
  run(): void
  checksum(): number
}

export function nacreGemm(factory: KernelFactory): (job: GemmJob, budgetMs: number) => Measured {
  const products = new Map<string, PackedProduct>()
  return (job, budgetMs) => {
    if (job.types !== 's8s8') throw new Unsupported('the engine multiplies int8 by int8')
    if (job.threads !== 1) throw new Unsupported('the engine multiplies on one thread')
    const key = jobKey(job)
    const isNew = !products.has(key)
    const product = products.get(key) ?? pack(factory, job, sampleRows(job, MOST_MACS[factory.name]))
    products.set(key, product)
    const measured = forAllRows(
      timeRuns(() => product.run(), budgetMs),
      product.rows,
      job,
    )
    return isNew && product.rows === job.m ? { ...measured, checksum: product.checksum() } : measured
  }
}

function pack(factory: KernelFactory, shape: Shape, m: number): PackedProduct {
  const { k, n } = shape
  const [paddedK, paddedN] = [padK(k), padN(n)]
  const a = 64
  const w = align(a + 2 * m * paddedK)
  const c = align(w + panelBytes(n, k))
  const kernels: Kernels = factory.instantiate(c + 4 * m * paddedN)
  const rows = new Int16Array(kernels.buffer, a, m * paddedK)
  const values = operand(m * k, OPERAND_SEED)
  for (let i = 0; i < m; i++) rows.set(values.subarray(i * k, (i + 1) * k), i * paddedK)
  packPanels(new Int8Array(kernels.buffer, w), operand(n * k, WEIGHT_SEED), n, k)
  const call = { a, lda: 2 * paddedK, w, c, ldc: 4 * paddedN, m, n: paddedN, k: paddedK, add: false }
  return {
    rows: m,
    run: () => kernels.gemm8(call),
    checksum: () => checksum(new Int32Array(kernels.buffer, c, m * paddedN), m, n, paddedN),
  }
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64

/** The WebAssembly text of the kernels. Operand layouts are described in `src/kernels/types.ts`. */
import { ATTENTION_FUNCTIONS } from './attention.ts'
import { GLUE_FUNCTIONS } from './glue.ts'
import { packFunctions } from './pack.ts'
import { type ProductShape, productFunctions } from './product.ts'
import { SPARSE_FUNCTIONS } from './sparse.ts'
import { lines } from './text.ts'

export interface KernelVariant {
  readonly name: string
  readonly shape: ProductShape
}

/** What is checked in; `product.ts` says why the tiles have these shapes. */
export const KERNEL_VARIANTS: readonly KernelVariant[] = [
  { name: 'SIMD', shape: { family: 'pairs', rows: 4, vectors: 2 } },
  { name: 'RELAXED', shape: { family: 'quads', rows: 6, vectors: 2 } },
  { name: 'RELAXED_WIDE', shape: { family: 'quads', rows: 6, vectors: 4 } },
]

/** A whole module. Memory is imported, so that its size follows the model; threads share it, so there is a variant for that. */
export function kernelText(shape: ProductShape, shared: boolean): string {
  return lines([
    '(module',
    `(import "env" "memory" (memory 1 65536${shared ? ' shared' : ''}))`,
    ...productFunctions(shape),
    ...SPARSE_FUNCTIONS,
    ...packFunctions(shape),
    ...GLUE_FUNCTIONS,
    ...ATTENTION_FUNCTIONS,
    ')',
  ])
}

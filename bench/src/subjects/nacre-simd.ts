/** The engine with the kernels that need SIMD128 only. */
import type { Subject } from '../jobs.ts'
import { create as createNacre } from './nacre.ts'

export const create = (): Promise<Subject> => createNacre('wasm-simd')

/** The engine with its kernels for V8's `--experimental-wasm-revectorize`, which the process must run with. */
import type { Subject } from '../jobs.ts'
import { create as createNacre } from './nacre.ts'

export const create = (): Promise<Subject> => createNacre(undefined, true)

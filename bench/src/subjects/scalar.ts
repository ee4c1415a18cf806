/** The engine with its kernels in plain TypeScript. */
import type { Subject } from '../jobs.ts'
import { create as createNacre } from './nacre.ts'

export const create = (): Promise<Subject> => createNacre('scalar')

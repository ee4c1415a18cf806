/** What is measured together, and by whom. */
import type { Job } from './jobs.ts'

export const SUBJECTS = {
  nacre: 'Nacre, WASM',
  revectorize: 'Nacre, WASM with revectorize',
  simd: 'Nacre, WASM without relaxed SIMD',
  scalar: 'Nacre, plain TypeScript',
  reference: 'protocol reference',
  onnxruntime: 'onnxruntime-node',
  onednn: 'oneDNN',
  onednnAvx2: 'oneDNN held to AVX2',
  openblas: 'OpenBLAS sgemm',
  llama2c: 'llama2.c -O3',
  llama2cFast: 'llama2.c -Ofast',
} as const
export type SubjectId = keyof typeof SUBJECTS

export interface RowSpec {
  readonly id: string
  readonly subject: SubjectId
  readonly label: string
  readonly job: Job
  /** Measured in the first rounds only: slow subjects need few to be known well enough. */
  readonly maxRounds?: number
  /** The figure shown besides the time: `amount` per millisecond of time. */
  readonly rate?: { readonly amount: number; readonly unit: string }
}

/** Median over the rounds of time(`of`) / time(`over`), or of (time(`of`) - time(`minus`)) / time(`over`). */
export interface RatioSpec {
  readonly id: string
  readonly label: string
  readonly of: string
  readonly minus?: string
  readonly over: string
}

export interface SectionSpec {
  readonly id: string
  readonly topic: 'gemm' | 'lottery' | 'units' | 'redraw' | 'pearl' | 'tokens' | 'hash'
  /** Sections of a topic that are shown side by side. */
  readonly group: string
  readonly title: string
  readonly rounds: number
  /** Rounds that are not counted: compilers warm up in them. */
  readonly warmUps: number
  /** For each row and round. */
  readonly budgetMs: number
  readonly rows: readonly RowSpec[]
  readonly ratios: readonly RatioSpec[]
}

/** How the benchmark talks to a subject: a process of its own for each, so that flags and loaded code never mix. */
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Job, Measured } from '../jobs.ts'

export type Answer =
  | { readonly measured: Measured }
  /** The subject cannot do this here; the reason is for the report. */
  | { readonly unsupported: string }
  | { readonly failed: string }

export interface Host {
  /** Name and version of what runs; starts it. Rejects with the reason if it does not start. */
  start(): Promise<string>
  /** One measurement. Never rejects. */
  measure(job: Job, budgetMs: number): Promise<Answer>
  /** Resolves when the process is gone: its processor time counts only then. */
  stop(): Promise<void>
}

/** Longest wait for one answer: preparing a large model included. */
export const ANSWER_LIMIT_MS = 120_000

/** Variables that pin OpenBLAS to an old core or cache size: right for builds that need them, slow for this one. */
const MISLEADING = ['OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE', 'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS']

export function subjectEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !MISLEADING.includes(name)))
}

/** Ends a child and waits for it. */
export async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  if (child.kill('SIGKILL')) await gone
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** For the report, so without the folder that the project lies in. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(ROOT, '')
}

/** Networks side by side, each in a process of its own: they share nothing, and a machine has more than one core. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { CliError } from '../../src/errors.ts'
import type { Figures } from './figures.ts'

const MAIN: string = fileURLToPath(new URL('main.ts', import.meta.url))

export interface ChildrenOptions {
  readonly runs: readonly { readonly name: string; readonly seed: string }[]
  /** At once. */
  readonly jobs: number
  readonly isQuick: boolean
  readonly signal: AbortSignal
  /** Told of each network that has been played. */
  readonly done: (figures: Figures) => void
}

/** Throws CliError for the first that fails, once the others have ended, and when `signal` aborts. */
export async function playInChildren({ runs, jobs, isQuick, signal, done }: ChildrenOptions): Promise<void> {
  const waiting = [...runs]
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const worker = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined && !either.aborted; run = waiting.shift()) {
      const args = ['--child', run.name, '--seed', run.seed, ...(isQuick ? ['--quick'] : [])]
      try {
        done(JSON.parse(await output(args, either)) as Figures)
      } catch (error) {
        failed.abort()
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(jobs, runs.length) }, worker))
  if (signal.aborted) throw new CliError('interrupted', 130, 'INTERRUPTED')
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** What a child prints. It is told to stop when `signal` aborts, and waited for. */
function output(args: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const stop = (): void => void child.kill('SIGTERM')
    signal.addEventListener('abort', stop, { once: true })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop)
      if (code === 0) resolve(Buffer.concat(chunks).toString('utf8'))
      else reject(new CliError(`${args.join(' ')} ended with ${code ?? 'a signal'}`))
    })
  })
}

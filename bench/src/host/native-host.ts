import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ANSWER_LIMIT_MS, type Answer, end, type Host, messageOf, subjectEnvironment } from './host.ts'

const SOURCES = fileURLToPath(new URL('../../native/', import.meta.url))
const run = promisify(execFile)

export interface NativeOptions {
  /** C++ file of native/. */
  readonly source: string
  readonly library: string
  readonly flags: readonly string[]
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** A baseline in C++, compiled for this machine on the spot; it answers line by line. */
export function nativeHost({ source, library, flags, env }: NativeOptions): Host {
  let child: ChildProcessWithoutNullStreams | undefined
  let folder: string | undefined
  let exited: string | undefined
  let receive: ((line: string) => void) | undefined

  const ask = (line: string): Promise<string> =>
    new Promise((resolve) => {
      if (exited !== undefined) return resolve(`error ${exited}`)
      const timer = setTimeout(() => {
        child?.kill('SIGKILL')
        resolve(`error no answer within ${ANSWER_LIMIT_MS / 1000} s`)
      }, ANSWER_LIMIT_MS)
      receive = (answer) => {
        clearTimeout(timer)
        receive = undefined
        resolve(answer)
      }
      child!.stdin.write(`${line}\n`)
    })

  return {
    start: async () => {
      folder = mkdtempSync(join(tmpdir(), 'nacre-bench-'))
      const binary = join(folder, 'subject')
      await compile(['-std=c++17', join(SOURCES, source), '-o', binary, ...flags], 'c++', library)
      child = spawn(binary, { env: { ...subjectEnvironment(), ...env } })
      child.on('error', (error) => {
        exited = messageOf(error)
        receive?.(`error ${exited}`)
      })
      child.on('exit', (code, signal) => {
        exited ??= `the process ended (${signal ?? code})`
        receive?.(`error ${exited}`)
      })
      child.stdin.on('error', () => undefined)
      createInterface(child.stdout).on('line', (line) => receive?.(line))
      const answer = await ask('version')
      if (!answer.startsWith('ok ')) throw new Error(answer)
      return answer.slice(3)
    },
    measure: async (job, budgetMs) => {
      if (job.kind !== 'gemm') return { unsupported: `${library} multiplies and nothing else` }
      const { types, m, k, n, threads } = job
      return parseAnswer(await ask(`gemm ${types} ${m} ${k} ${n} ${threads} ${budgetMs}`))
    },
    stop: async () => {
      await end(child)
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** `ok MEAN_MS RUNS CHECKSUM [NOTE]`, or `error REASON`. */
export function parseAnswer(line: string): Answer {
  const [status, ms, runs, checksum, ...note] = line.split(' ')
  if (status !== 'ok') return { failed: line.replace(/^error /, '') }
  const measured = { ms: Number(ms), runs: Number(runs), checksum: Number(checksum) }
  return { measured: note.length === 0 ? measured : { ...measured, note: note.join(' ') } }
}

/** Compiles with the first compiler that is there. Rejects with a reason for the report. */
export async function compile(args: readonly string[], language: 'c' | 'c++', what: string): Promise<string> {
  const compilers = language === 'c' ? ['gcc', 'clang'] : ['g++', 'clang++']
  for (const compiler of compilers) {
    try {
      await run(compiler, ['-O3', '-march=native', ...args])
      return compiler
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
      const words = String((error as { stderr?: string }).stderr ?? messageOf(error))
      const line = words.split('\n').find((each) => /error|cannot find/i.test(each)) ?? words.split('\n')[0]!
      throw new Error(`${what} does not compile here: ${line.replace(/^.*?(fatal )?error: /, '').trim()}`)
    }
  }
  throw new Error(`no compiler for ${what} (looked for ${compilers.join(', ')})`)
}

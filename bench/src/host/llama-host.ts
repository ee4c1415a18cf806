/** llama2.c on a checkpoint, where NACRE_LLAMA2C names its run.c and NACRE_CHECKPOINT a folder with the model and its tokenizer. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CHECKPOINT_VARIABLE, findCheckpoint } from '../checkpoint.ts'
import { DECODED_TOKENS } from '../jobs.ts'
import { type Answer, type Host, messageOf, subjectEnvironment } from './host.ts'
import { compile } from './native-host.ts'

export const LLAMA_VARIABLE = 'NACRE_LLAMA2C'
const LEAST_RUNS = 5
const run = promisify(execFile)

/** `level` is the compiler's optimisation; -Ofast lets it reorder float sums, which is what makes them fast. */
export function llamaHost(level: '-O3' | '-Ofast'): Host {
  let folder: string | undefined
  let binary: string | undefined
  const checkpoint = findCheckpoint()
  return {
    start: async () => {
      const source = process.env[LLAMA_VARIABLE]
      if (source === undefined || source === '') throw new Error(`${LLAMA_VARIABLE} does not name a run.c`)
      if (checkpoint === undefined) throw new Error(`no checkpoint (${CHECKPOINT_VARIABLE})`)
      folder = mkdtempSync(join(tmpdir(), 'nacre-bench-'))
      binary = join(folder, 'llama2c')
      const compiler = await compile([level, source, '-o', binary, '-lm'], 'c', 'llama2.c')
      return `run.c, ${compiler} ${level} -march=native`
    },
    measure: async (job, budgetMs): Promise<Answer> => {
      if (job.kind !== 'tokens' || job.model !== 'checkpoint' || job.threads !== 1)
        return { unsupported: 'llama2.c generates tokens on one thread' }
      const { model, tokenizer } = checkpoint!
      try {
        // Greedy, from the beginning of a text. It times itself, from the second token on, in whole milliseconds: several runs even that out.
        const args = [model, '-t', '0', '-n', String(DECODED_TOKENS), '-z', tokenizer]
        const times: number[] = []
        const start = performance.now()
        do {
          const { stderr } = await run(binary!, args, { env: subjectEnvironment() })
          times.push(millisecondsPerToken(stderr))
        } while (times.length < LEAST_RUNS || performance.now() - start < budgetMs)
        return { measured: { ms: times.reduce((sum, ms) => sum + ms, 0) / times.length, runs: times.length } }
      } catch (error) {
        return { failed: messageOf(error) }
      }
    },
    stop: async () => {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Throws if llama2.c does not say how fast it was. */
export function millisecondsPerToken(stderr: string): number {
  const speed = Number(/achieved tok\/s: ([\d.]+)/.exec(stderr)?.[1])
  if (!(speed > 0)) throw new Error('llama2.c does not say how fast it was')
  return 1000 / speed
}

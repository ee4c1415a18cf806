import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StoppedAttack } from './attack.ts'
import { MUTATION_VARIABLE } from './mutation-plugin.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/** What the attack's test says once its check is gone. */
export interface MutationResult {
  readonly id: string
  /** `failed`: the check is what stops the attack. `passed`: something else stops it too. `broken`: the test did not run. */
  readonly test: 'failed' | 'passed' | 'broken'
  readonly message: string
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { title: string; status: string; failureMessages: readonly string[] }[]
  }[]
}

/** Runs the test of `attack` on code without its check. */
export async function runWithoutCheck(attack: StoppedAttack, signal: AbortSignal): Promise<MutationResult> {
  const folder = mkdtempSync(join(tmpdir(), 'nacre-mutation-'))
  try {
    const mutation = join(folder, 'mutation.json')
    const report = join(folder, 'report.json')
    writeFileSync(mutation, JSON.stringify(attack.check))
    const family = attack.id.split('/')[0]
    await vitest(
      [`redteam/test/${family}.test.ts`, '-t', `${attack.id}: `, '--reporter=json', `--outputFile=${report}`],
      { [MUTATION_VARIABLE]: mutation },
      'ignore',
      signal,
    )
    return { id: attack.id, ...verdictOf(report, attack.id) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs vitest in the repository; gives its exit code. */
export function vitest(
  parameters: readonly string[],
  env: Readonly<Record<string, string>>,
  stdio: 'ignore' | 'inherit',
  signal: AbortSignal,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(REPOSITORY, 'node_modules/vitest/vitest.mjs'), 'run', ...parameters], {
      cwd: REPOSITORY,
      env: { ...process.env, ...env },
      stdio,
      signal,
    })
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

function verdictOf(path: string, id: string): Pick<MutationResult, 'test' | 'message'> {
  let report: Report
  try {
    report = JSON.parse(readFileSync(path, 'utf8')) as Report
  } catch (error) {
    return { test: 'broken', message: String(error) }
  }
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults)
  const own = tests.find(({ title }) => title.startsWith(`${id}: `))
  if (own === undefined) return { test: 'broken', message: 'the test was not found' }
  const message = (own.failureMessages[0]?.split('\n')[0] ?? '').replace(/^AssertionError: (honest .*?): .*/, '$1')
  return { test: own.status === 'failed' ? 'failed' : own.status === 'passed' ? 'passed' : 'broken', message }
}

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const CLI: string = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
export const NODE_FLAGS: readonly string[] = ['--conditions=development', '--disable-warning=ExperimentalWarning']

export interface CliResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line in a process of its own. */
export function sim(...args: string[]): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...NODE_FLAGS, CLI, ...args], (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error)
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'nacre-sim-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** The results of a sweep without the commit, which may change while tests run. */
export function resultsOf(dir: string): string[] {
  const { commit } = JSON.parse(readFileSync(join(dir, 'plan.json'), 'utf8')) as { commit: string }
  return ['results.csv', 'results.json', 'report.html'].map((name) =>
    readFileSync(join(dir, name), 'utf8').replaceAll(commit, 'COMMIT'),
  )
}

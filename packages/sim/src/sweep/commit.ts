import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const packagesDir = fileURLToPath(new URL('../../../', import.meta.url))

/** The sources that decide what a run computes. */
const SOURCES = ['sim/src', 'protocol/src']

/** The commit of the source files, with "+changes" if the sources of sim or protocol differ from it; "unknown" without git. */
export function sourceCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: packagesDir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    const commit = git('rev-parse', 'HEAD')
    return git('status', '--porcelain', '--', ...SOURCES) === '' ? commit : `${commit}+changes`
  } catch {
    return 'unknown'
  }
}

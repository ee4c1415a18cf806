import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packagesDir = fileURLToPath(new URL('../../../', import.meta.url))

/** The sources that decide what a run computes. */
const SOURCES = ['protocol/src', 'sim/src', 'node/src/monitor']

/** Where the code of a run comes from. */
export interface Sources {
  /** `git rev-parse HEAD`, with "+changes" if the sources of sim, of protocol or of the work monitor differ from it; "unknown" without git. */
  readonly commit: string
  /** SHA-256 over those sources and the version of Node, 16 hex digits: equal sources give equal runs, at any commit. */
  readonly sources: string
}

export function currentSources(): Sources {
  return { commit: commitOf(), sources: hashOf() }
}

function commitOf(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: packagesDir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    const commit = git('rev-parse', 'HEAD')
    return git('status', '--porcelain', '--', ...SOURCES) === '' ? commit : `${commit}+changes`
  } catch {
    return 'unknown'
  }
}

function hashOf(): string {
  const hash = createHash('sha256').update(process.version)
  for (const source of SOURCES) {
    const files = readdirSync(join(packagesDir, source), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((name) => name.endsWith('.ts')).sort())
      hash.update(`\0${source}/${file}\0`).update(readFileSync(join(packagesDir, source, file)))
  }
  return hash.digest('hex').slice(0, 16)
}

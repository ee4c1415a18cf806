// Installs the pinned dependencies (Node 24 among them) when they are missing or older than the lockfile.
// Runs as a `pre` script under whatever Node started npm; prints to standard error only, so that `--json` output stays clean.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const installed = join(root, 'node_modules', '.package-lock.json')
const lockfile = join(root, 'package-lock.json')
const pinnedNode = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

const isFresh = () =>
  existsSync(installed) && existsSync(pinnedNode) && statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs

if (!isFresh()) {
  process.stderr.write('nacre: installing pinned dependencies (npm ci), once ...\n')
  const npmCli = process.env.npm_execpath
  const [command, args] = npmCli ? [process.execPath, [npmCli, 'ci']] : ['npm', ['ci']]
  const result = spawnSync(command, [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (result.status !== 0) {
    process.stderr.write(
      'nacre: npm ci failed; the lines above say why. Node 20 or later and npm 10 or later are needed.\n',
    )
    process.exit(result.status ?? 1)
  }
  if (!existsSync(pinnedNode)) {
    process.stderr.write(
      'nacre: npm skipped the install script of the package "node"; run npm ci without --ignore-scripts.\n',
    )
    process.exit(1)
  }
}

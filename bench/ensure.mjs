// Installs what the benchmark compares with (onnxruntime-node, about 300 MB) when it is missing or older than the lockfile. Runs as part of a
// `pre` script, prints to standard error only, and never fails: what is not there is skipped by the benchmark, with the reason.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const installed = join(folder, 'node_modules', '.package-lock.json')
const lockfile = join(folder, 'package-lock.json')

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lockfile).mtimeMs) {
  process.stderr.write('nacre: installing what the benchmark compares with (npm ci in bench/), once ...\n')
  const npmCli = process.env.npm_execpath
  const [command, args] = npmCli ? [process.execPath, [npmCli, 'ci']] : ['npm', ['ci']]
  // npm hands its own folder to the scripts it runs; the one meant here is another.
  const { npm_config_local_prefix: _, ...env } = process.env
  // The package's install script fetches GPU libraries, which are not used: the CPU's are in the package.
  const result = spawnSync(command, [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    env,
    stdio: ['ignore', 2, 2],
  })
  if (result.status !== 0)
    process.stderr.write('nacre: npm ci in bench/ failed; the benchmark goes on without onnxruntime-node.\n')
}

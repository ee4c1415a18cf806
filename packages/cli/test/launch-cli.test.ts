/** `nacre launch audit` at a terminal: exit codes, messages, files. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']
const launch = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [...nodeArgs, 'launch', ...args], { cwd: root, encoding: 'utf8', timeout: 50_000 })

test.each([
  [['audit', '--preset', 'moon'], 1, /^nacre: PARAM_UNKNOWN: there is no preset moon, only [^\n]*\n$/],
  [['audit', '--set', 'emission.ramp=cubic'], 1, /^nacre: [^\n]*emission\.ramp=cubic[^\n]*\n$/],
  [['audit', '--rpc', 'nowhere'], 2, /^nacre: --rpc is an address such as [^\n]*\n$/],
  [
    ['audit', '--rpc', 'http://node.invalid'],
    1,
    /^nacre: cannot reach http:\/\/node\.invalid: E[A-Z_]+\. Is a node running there\? --rpc URL names another\n$/,
  ],
  [['audit', '--rpc', 'http://127.0.0.1:1', '--preset', 'nacre'], 2, /--rpc goes without --preset and --set/],
  [['audit', '--rpc', 'http://127.0.0.1:1', '--blocks', '0'], 2, /--blocks is a whole number from 1 to/],
  [['audit', '--blocks', '5'], 2, /--blocks goes with --rpc/],
  [['audit', '--html', '/nonexistent/x.html'], 1, /^nacre: cannot write \/nonexistent\/x\.html: ENOENT[^\n]*\n$/],
  [['audits'], 2, /there is no "launch audits"/],
  [['audit', '--bogus'], 2, /Unknown option '--bogus'/],
])('%j is refused with code %i', (args, code, message) => {
  const { status, stdout, stderr } = launch(...args)
  expect(stderr).toMatch(message)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(status).toBe(code)
  expect(stdout).toBe('')
})

test('--help says how to use it', () => {
  const { status, stdout } = launch('--help')
  expect(status).toBe(0)
  expect(stdout).toMatch(/npm run nacre -- launch audit/)
})

test('--json, --html and --strict together', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nacre-launch-'))
  try {
    const file = join(dir, 'report.html')
    const { status, stdout, stderr } = launch('audit', '--json', '--strict', '--html', file)
    expect(stderr).toBe('')
    expect(status).toBe(1)
    const audit = JSON.parse(stdout)
    expect(audit.subject).toBe('preset nacre')
    expect(audit.findings.filter((each: { verdict: string }) => each.verdict === 'FAIL')).toHaveLength(1)
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})

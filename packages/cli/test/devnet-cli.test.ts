/** The devnet command at a terminal: usage errors, JSON on standard output, Ctrl-C through npm. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const entry = 'packages/cli/src/nacre.ts'
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', entry, 'devnet']
const devnet = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [...nodeArgs, ...args], { cwd: root, encoding: 'utf8', timeout: 100_000 })

test.each([
  [['--miners', 'three'], /--miners is a whole number from 1 to 50, not "three"/],
  [['--miners', '0'], /--miners is a whole number from 1 to 50/],
  [['--duty', '1.5'], /--duty is a number above 0 and at most 1/],
  [['--work', 'random,hashes'], /--work is one of random, structured, inference, first-layer, not "hashes"/],
  [['--preset', 'moon'], /there is no preset moon, only nacre, bitcoin-like, pearl, devnet, pearl-devnet, unit/],
  [['--set', 'block.tymeMs=1'], /there is no parameter block\.tymeMs/],
  [['--set', 'block.winnerCheck=sample'], /block\.winnerCheck=sample is refused/],
  [['--set', 'block.winnerCheck=none'], /bindings\.checked=off and block\.winnerCheck=none are one switch/],
  [['--bogus'], /Unknown option '--bogus'/],
])('%j is refused with a message and no stack trace', (args, message) => {
  const { status, stdout, stderr } = devnet(...args)
  expect(status).not.toBe(0)
  expect(stderr).toMatch(message)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(stdout).toBe('')
})

test('--json prints one object on standard output and exits 0 at the height', { timeout: 100_000 }, () => {
  const { status, stdout, stderr } = devnet(
    '--preset',
    'unit',
    '--miners',
    '1',
    '--verifiers',
    '0',
    '--until-height',
    '2',
    '--json',
  )
  expect(status, stderr).toBe(0)
  const summary = JSON.parse(stdout)
  expect(Object.keys(summary)).toEqual([
    'height',
    'tip',
    'stateRoots',
    'blocks',
    'units',
    'paidUnits',
    'tokens',
    'tickets',
    'paidMacsShare',
    'usefulShare',
    'supply',
    'clearingPriceGrains',
    'wallSeconds',
  ])
  expect(summary).toMatchObject({
    height: 2,
    usefulShare: 0,
    paidMacsShare: 0,
    blocks: { 'miner-1': { paid: 0, bootstrap: 2 } },
  })
  expect(summary.tip).toMatch(/^[0-9a-f]{64}$/)
  expect(new Set(Object.values(summary.stateRoots)).size).toBe(1)
  expect(summary.units).toBeGreaterThanOrEqual(2)
  expect(BigInt(summary.supply)).toBeGreaterThan(0n)
})

test('a reader that has enough ends the network and its data', { timeout: 100_000 }, async () => {
  const args = [...nodeArgs, '--preset', 'unit', '--miners', '1', '--verifiers', '0', '--no-gateway']
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let [output, errors] = ['', '']
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString('utf8')
  })
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8')
    if (output.includes('nodes are up')) child.stdout.destroy()
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  expect([code, errors]).toEqual([0, ''])
  const dir = /data in (\S+)/.exec(output)![1]!
  expect(existsSync(dir)).toBe(false)
})

/** util-linux `script` gives a pseudo-terminal; macOS has another program of that name. */
const hasPty = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

test.skipIf(!hasPty)(
  'Ctrl-C in a terminal, through npm, stops every process and removes the data',
  { timeout: 100_000 },
  async () => {
    const command = 'npm run devnet -- --preset unit --miners 1 --verifiers 1'
    const terminal = spawn('script', ['-qfec', command, '/dev/null'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
    let output = ''
    let interrupted = false
    terminal.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      if (!interrupted && output.includes('#1 ')) {
        interrupted = true
        terminal.stdin.write('\x03')
      }
    })
    await new Promise((resolve) => terminal.once('exit', resolve))
    const dir = /data in (\S+)/.exec(output)![1]!
    expect(output).toContain('stopped')
    expect(output).not.toMatch(/Error/)
    expect(existsSync(dir)).toBe(false)
    const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    expect(processes).not.toContain(dir)
  },
)

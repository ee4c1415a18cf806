/** `nacre wallet` at a terminal and in pipes, without a node: usage, passphrases, files, exit codes. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeAddress } from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { walletCommand } from '../src/commands/wallet.ts'
import { CliError } from '../src/errors.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']
const SEED = 'c0ffee'.padEnd(64, '1')
const PASSPHRASE = 'not a good one'
let home: string
/** Nobody listens there. */
let nobody: string
const at = (name: string): string => join(home, name)

const { NACRE_WALLET_PASSPHRASE: _, ...environment } = process.env
interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}
const wallet = (args: readonly string[], input = '', env: Record<string, string> = {}): Ended =>
  spawnSync(process.execPath, [...nodeArgs, 'wallet', ...args.map((arg) => arg.replace('{dir}', home))], {
    cwd: root,
    encoding: 'utf8',
    timeout: 30_000,
    input,
    env: { ...environment, HOME: home, ...env },
  })

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'nacre-wallet-cli-'))
  writeFileSync(at('good'), `${PASSPHRASE}\n`)
  writeFileSync(at('wrong'), 'another passphrase')
  writeFileSync(at('short'), 'short\n')
  writeFileSync(at('lines'), 'two\nlines of it\n')
  writeFileSync(at('seed'), `${SEED}\n`)
  writeFileSync(at('precious'), 'precious')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  nobody = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.close()
  const { status, stderr } = wallet([
    ...['import', '--wallet', '{dir}/w.json', '--preset', 'unit'],
    ...['--passphrase-file', '{dir}/good', '--seed-file', '{dir}/seed'],
  ])
  expect(status, stderr).toBe(0)
}, 60_000)
afterAll(() => rmSync(home, { recursive: true }))

const W = ['--wallet', '{dir}/w.json']
const NEW = ['--wallet', '{dir}/new.json', '--preset', 'unit']
const FOREIGN = encodeAddress(new Uint8Array(20), 'ncr')
const OWN = encodeAddress(new Uint8Array(20), 'tncr')

describe('refused', () => {
  afterAll(() => {
    expect(existsSync(at('new.json'))).toBe(false)
    expect(readFileSync(at('precious'), 'utf8')).toBe('precious')
  })

  test.each<[string[], number, RegExp]>([
    [['walk'], 2, /^nacre: there is no "wallet walk"/],
    [['send', OWN, ...W], 2, /^nacre: "wallet send" takes TO AMOUNT, not 1 arguments\n$/],
    [['send', OWN, '-5', ...W], 2, /^nacre: the amount "-5" is negative\n$/],
    [['send', OWN, '5', '--depth', '2', ...W], 2, /^nacre: --depth and --timeout go with --wait\n$/],
    [['send', FOREIGN, '5', ...W], 2, /is no address of unit: the prefix is ncr, this network uses tncr\n$/],
    [['send', `${OWN}x`, '5', ...W], 2, /is no address of unit: [^\n]*checksum[^\n]*\n$/],
    [['send', OWN, '5', '--passphrase', 'x', ...W], 2, /Unknown option '--passphrase'/],
    [['history', '--limit', '-5', ...W], 2, /^nacre: Option '--limit' argument is ambiguous/],
    [['balance', '--fee', '1', ...W], 2, /Unknown option '--fee'/],
    [['balance', ...W, '--rpc', 'nowhere'], 2, /^nacre: --rpc is an address such as/],
    [['balance', ...W, '--rpc', 'http://me:secret@127.0.0.1'], 2, /^nacre: --rpc is an address without user, [^@]*$/],
    [['balance', ...W, '--rpc', 'http://127.0.0.1?'], 2, /^nacre: --rpc is an address without user,/],
    [['balance'], 1, /^nacre: there is no wallet [^\n]*\/\.nacre\/wallet\.json: "wallet create" makes one\n$/],
    [['balance', '--wallet', '{dir}/precious'], 1, /^nacre: [^\n]*precious is no wallet: it is not JSON\n$/],
    [['create', '--wallet', '{dir}/precious'], 1, /precious is there already, and a wallet is never overwritten/],
    [['create', ...NEW], 1, /^nacre: a new wallet needs a passphrase, and there is no terminal to ask for it/],
    [['create', ...NEW, '--passphrase-file', '{dir}/short'], 1, /at least 8 characters, this one has 5\n$/],
    [['create', ...NEW, '--passphrase-file', '{dir}/lines'], 1, /lines must hold one line, the passphrase\n$/],
    [['create', ...NEW, '--passphrase-file', '/dev/zero'], 1, /holds more than 4096 bytes/],
    [['create', ...NEW, '--passphrase-file', '{dir}/none'], 1, /^nacre: cannot read [^\n]*none: ENOENT[^\n]*\n$/],
    [['create', '--wallet', '{dir}/new.json', '--preset', 'moon'], 1, /there is no preset moon/],
    [['export', ...W, '--passphrase-file', '{dir}/wrong'], 1, /stays locked: the passphrase is wrong, or the file/],
  ])('%j', async (args, exitCode, message) => {
    vi.stubEnv('HOME', home)
    const error: unknown = await walletCommand(args.map((arg) => arg.replace('{dir}', home))).catch((cause) => cause)
    vi.unstubAllEnvs()
    if (!(error instanceof CliError)) expect(error).toMatchObject({ name: 'ProtocolError' })
    expect(`nacre: ${(error as Error).message}\n`).toMatch(message)
    expect((error as { exitCode?: number }).exitCode ?? 1).toBe(exitCode)
  })

  test('a node that does not answer, in words and in JSON', () => {
    const { status, stdout, stderr } = wallet(['send', OWN, '5', ...W, '--rpc', nobody, '--json'])
    expect(stderr).toBe(
      `nacre: cannot reach ${nobody}: ECONNREFUSED. Is a node running there? --rpc URL names another\n`,
    )
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'NO_ANSWER', message: expect.stringMatching(/^cannot reach /) },
    })
  })

  test('a seed with a typing error, without repeating it', () => {
    const wrong = `${SEED.slice(0, 63)}x`
    const { status, stdout, stderr } = wallet(['import', ...NEW, '--passphrase-file', '{dir}/good'], wrong)
    expect(stderr).toBe('nacre: a seed is 64 hex digits; the input holds something else\n')
    expect(status).toBe(1)
    expect(stdout + stderr).not.toContain(SEED.slice(0, 10))
  })

  test('export with a passphrase that merely lies in the environment', () => {
    const { status, stdout, stderr } = wallet(['export', ...W], '', { NACRE_WALLET_PASSPHRASE: PASSPHRASE })
    expect(stderr).toMatch(/w\.json is locked by its passphrase, and there is no terminal to ask for it/)
    expect(status).toBe(1)
    expect(stdout).toBe('')
  })
})

test('made, exported and imported through a pipe: the same address, another file', () => {
  const env = { NACRE_WALLET_PASSPHRASE: 'from the environment' }
  const made = wallet(['create', '--wallet', '{dir}/a.json', '--preset', 'unit', '--json'], '', env)
  expect(made.stderr).toBe('')
  const { address, network } = JSON.parse(made.stdout)
  expect(address).toMatch(/^tncr1/)
  expect(network.name).toBe('unit')
  writeFileSync(at('a.pass'), env.NACRE_WALLET_PASSPHRASE)
  const exported = wallet(['export', '--wallet', '{dir}/a.json', '--passphrase-file', '{dir}/a.pass'])
  expect(exported.stdout).toMatch(/^[0-9a-f]{64}\n$/)
  expect(exported.stderr).toBe('this is the secret key: whoever sees it can spend everything\n')
  const moved = ['import', '--wallet', '{dir}/b.json', '--preset', 'nacre', '--passphrase-file', '{dir}/good']
  expect(wallet(moved, exported.stdout)).toMatchObject({ status: 0, stderr: '' })
  const { stdout } = wallet(['address', '--wallet', '{dir}/b.json', '--json'])
  expect(JSON.parse(stdout).network.name).toBe('nacre')
  expect(JSON.parse(stdout).address).toMatch(/^ncr1/)
  expect(JSON.parse(stdout).publicKey).toBe(JSON.parse(readFileSync(at('a.json'), 'utf8')).publicKey)
})

describe('a reader of the output', () => {
  const piped = (to: string): Ended => {
    const command = `"$@" ${to}`
    const args = ['-c', command, 'sh', process.execPath, ...nodeArgs, 'wallet', 'address', '--wallet', at('w.json')]
    return spawnSync('sh', args, { cwd: root, encoding: 'utf8', timeout: 30_000 })
  }

  test.skipIf(process.platform === 'win32')('that leaves early is no failure', () => {
    expect(piped('| true')).toMatchObject({ status: 0, stderr: '' })
  })

  test.skipIf(!existsSync('/dev/full'))('that has no room is one, in one line', () => {
    const { status, stderr } = piped('>/dev/full')
    expect(stderr).toMatch(/^nacre: cannot write the result: ENOSPC[^\n]*\n$/)
    expect(status).toBe(1)
  })
})

/** util-linux `script` gives a pseudo-terminal; macOS has another program of that name. */
const hasPty = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

describe.skipIf(!hasPty)('at a terminal', () => {
  /** Runs the command in a terminal and answers each prompt, in order. */
  async function atTerminal(args: string, answers: readonly (readonly [RegExp, string])[]) {
    const command = `${process.execPath} ${nodeArgs.join(' ')} wallet ${args}`
    const env = { ...environment, HOME: home }
    const terminal = spawn('script', ['-qfec', command, '/dev/null'], {
      cwd: root,
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let output = ''
    let from = 0
    const left = [...answers]
    terminal.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      const [next] = left
      if (next === undefined || !next[0].test(output.slice(from))) return
      from = output.length
      left.shift()
      terminal.stdin.write(next[1])
    })
    const status = await new Promise((resolve) => terminal.once('exit', resolve))
    return { status, output }
  }

  test('the passphrase is asked for twice and never shown', async () => {
    const file = at('typed.json')
    const { status, output } = await atTerminal(`create --preset unit --wallet ${file}`, [
      [/new passphrase/, 'my pässphrase\r'],
      [/once more/, 'my pässX\x7fphrase\r'],
    ])
    expect(status, output).toBe(0)
    // An address may hold "my".
    expect(output).not.toMatch(/my p|päss/)
    const exported = await atTerminal(`export --wallet ${file}`, [[/passphrase of/, 'my pässphrase\r']])
    expect(exported.output).toMatch(/\n[0-9a-f]{64}\r\n/)
  })

  test('two different ones, or Ctrl-C, leave no file', async () => {
    const file = at('none.json')
    const differs = await atTerminal(`create --preset unit --wallet ${file}`, [
      [/new passphrase/, 'passphrase 1\r'],
      [/once more/, 'passphrase 2\r'],
    ])
    expect(differs.output).toMatch(/the two passphrases differ; nothing was written/)
    expect(differs.status).toBe(1)
    const interrupted = await atTerminal(`create --preset unit --wallet ${file}`, [[/new passphrase/, 'half\x03']])
    expect(interrupted.output).toMatch(/nacre: interrupted\r\n/)
    expect(interrupted.status).toBe(130)
    expect(readdirSync(home).filter((name) => name.includes('none'))).toEqual([])
  })
})

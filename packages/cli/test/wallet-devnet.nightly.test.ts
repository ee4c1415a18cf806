/** The wallet as people use it: a devnet of processes, two wallets, coins from the faucet, payments between them. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DevnetMember, runDevnet } from '../src/devnet/devnet.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']
const NCR = 100_000_000n
const FEE = 1000n
const home = mkdtempSync(join(tmpdir(), 'nacre-wallet-devnet-'))
const abort = new AbortController()
let devnet: Promise<unknown>
let rpc: string

beforeAll(async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const rpcPort = (taken.address() as AddressInfo).port
  writeFileSync(join(home, 'pass'), 'a passphrase of the test\n')
  const running = new Promise<readonly DevnetMember[]>((resolve, reject) => {
    devnet = runDevnet({
      ...{ preset: 'unit', overrides: [], miners: 1, verifiers: 0, dutyCycle: 0.3, untilHeight: undefined },
      ...{ stallMs: 60_000, dir: undefined, signal: abort.signal, rpcPort, print: () => undefined },
      onRunning: (members) => resolve(members()),
    })
    devnet.catch(reject)
  })
  rpc = (await running).find(({ name }) => name === 'boot')!.rpc
  expect(rpc).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect(new URL(rpc).port).not.toBe(`${rpcPort}`)
  taken.close()
}, 60_000)
afterAll(async () => {
  abort.abort()
  await devnet
  rmSync(home, { recursive: true })
}, 30_000)

/** Runs the command with `--json`; the object that it prints. */
function wallet(
  ...args: string[]
): Promise<{ code: number; json: Record<string, unknown> & { error: { code: string } } }> {
  return new Promise((resolve, reject) => {
    const options = { cwd: root, env: { ...process.env, HOME: home }, timeout: 60_000 }
    execFile(process.execPath, [...nodeArgs, 'wallet', ...args, '--json'], options, (error, stdout, stderr) => {
      if (stdout === '') return reject(new Error(`"${args.join(' ')}" printed nothing: ${stderr}`))
      resolve({ code: error === null ? 0 : Number(error.code), json: JSON.parse(stdout) })
    })
  })
}
const file = (name: string): string[] => ['--wallet', join(home, `${name}.json`)]
const secret = ['--passphrase-file', join(home, 'pass')]
const ask = (verb: string, name: string, ...args: string[]) => wallet(verb, ...file(name), '--rpc', rpc, ...args)
const spendable = async (name: string): Promise<bigint> =>
  BigInt((await ask('balance', name)).json.spendableGrains as string)

test('two wallets, a faucet, payments: exact to the grain', { timeout: 100_000 }, async () => {
  const [alice, bob, foreign] = await Promise.all([
    ask('create', 'alice', ...secret),
    ask('create', 'bob', ...secret),
    wallet('create', ...file('foreign'), '--preset', 'devnet', ...secret),
  ])
  expect([alice, bob, foreign].map(({ code }) => code)).toEqual([0, 0, 0])
  const to = bob.json.address as string
  const pay = (amount: string, ...args: string[]) => ask('send', 'alice', to, amount, ...secret, ...args)

  expect(await ask('faucet', 'alice', '50', '--wait', '--depth', '1')).toMatchObject({
    code: 0,
    json: { status: 'included', grains: `${50n * NCR}`, to: alice.json.address },
  })
  expect(await spendable('alice')).toBe(50n * NCR)

  // One after the other, whether or not a block comes between them; the last is followed.
  const first = await pay('1.5')
  const second = await pay('0.00000001', '--fee', '0.00002')
  const third = await pay('20', '--wait', '--depth', '2')
  expect([first, second, third].map(({ json }) => json.nonce)).toEqual(['0', '1', '2'])
  expect(third.json.depth).toBeGreaterThanOrEqual(2)
  const sent = (3n * NCR) / 2n + 1n + 20n * NCR
  expect(await spendable('bob')).toBe(sent)
  const rest = 50n * NCR - sent - 4n * FEE
  expect(await spendable('alice')).toBe(rest)

  const history = (await ask('history', 'alice')).json.entries as { kind: string; id: string; height: number }[]
  expect(history.map(({ id }) => id).slice(0, 3)).toEqual([third, second, first].map(({ json }) => json.id))
  expect(history[0]!.height).toBe(third.json.blockHeight)
  expect(history).toHaveLength(4)

  const refused = await Promise.all([
    pay('40'),
    pay('1', '--nonce', '1'),
    wallet('send', ...file('foreign'), '--rpc', rpc, to, '1', ...secret),
    ask('balance', 'foreign'),
  ])
  expect(refused.map(({ code, json }) => [code, json.error.code])).toEqual([
    [1, 'INSUFFICIENT_FUNDS'],
    [1, 'TX_NONCE_LOW'],
    [1, 'WRONG_NETWORK'],
    [1, 'WRONG_NETWORK'],
  ])
  expect(await spendable('alice')).toBe(rest)
})

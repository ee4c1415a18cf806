/** `nacre job` and `nacre market` as people use them: on a real network of miners, and what they refuse. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ModelMarketView } from '@nacre/node/rpc-client'
import { executeUnit, type Job, keyPairFromSeed, presets } from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { jobCommand } from '../src/commands/job.ts'
import { marketCommand } from '../src/commands/market.ts'
import { bidOf, decodingOf, temperatureFlag } from '../src/jobs/request.ts'
import { encryptSeed, writeKeyFile } from '../src/wallet/key-file.ts'
import { networkOf, type WalletNetwork } from '../src/wallet/network.ts'
import { ASK, PaidNetwork } from './paid-network.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']
const home = mkdtempSync(join(tmpdir(), 'nacre-job-'))
const at = (name: string): string => join(home, name)
const seed = new Uint8Array(32).fill(91)
const payer = keyPairFromSeed(seed)
const model = presets.unit.models[0]!.name
let paid: PaidNetwork

interface Ended {
  /** Of the failure, or undefined. */
  readonly error: { readonly code: string; readonly exitCode: number; readonly message: string } | undefined
  readonly stdout: string
  readonly stderr: string
}
/** Runs a command in this process. */
async function run(command: (args: readonly string[]) => Promise<void>, args: readonly string[]): Promise<Ended> {
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true))
  const error: unknown = await command(args).then(
    () => undefined,
    (cause: unknown) => cause,
  )
  const [stdout, stderr] = spies.map(({ mock }) => mock.calls.map(([chunk]) => chunk).join('')) as [string, string]
  for (const spy of spies) spy.mockRestore()
  return { error: error as Ended['error'], stdout, stderr }
}
const PASS = ['--passphrase-file', at('pass')]
const submit = (...args: string[]): Promise<Ended> =>
  run(jobCommand, ['submit', ...args, '--rpc', paid.url, '--wallet', at('w.json'), ...PASS])
/** In a process of its own, until its text is enough; then it is interrupted. */
async function interrupted(args: readonly string[], isEnough: (text: string) => boolean) {
  const child = spawn(process.execPath, [...nodeArgs, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const take = (chunk: Buffer): void => {
    text += chunk
  }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', take)
  await paid.until(() => isEnough(text) || child.exitCode !== null)
  child.kill('SIGINT')
  const code = child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('exit', resolve)))
  return { code, text }
}

beforeAll(async () => {
  const passphrase = 'a passphrase of the test'
  writeFileSync(at('pass'), `${passphrase}\n`)
  writeFileSync(at('other'), 'another passphrase\n')
  const make = async (name: string, key: Uint8Array, network: WalletNetwork): Promise<void> =>
    writeKeyFile(at(name), await encryptSeed(key, passphrase, network, { n: 2, r: 1, p: 1 }))
  await make('w.json', seed, networkOf(presets.unit))
  await make('poor.json', new Uint8Array(32).fill(92), networkOf(presets.unit))
  await make('far.json', seed, networkOf(presets.devnet))
  paid = new PaidNetwork('job-cli', 2)
  await paid.start([payer])
}, 180_000)
afterAll(async () => {
  await paid.stop()
  rmSync(home, { recursive: true })
}, 60_000)

const job = (prompt: string): Job => ({
  kind: 'job',
  modelId: paid.network.context.bootstrap.model.modelId,
  promptTokens: [...prompt].map((letter) => letter.charCodeAt(0)),
  maxNewTokens: 2,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
  maxPrice: 2n * ASK,
  expiryHeight: paid.plain.node.chain.tip.header.height + 20,
})

describe('on a network', { timeout: 120_000 }, () => {
  let jobId: string

  test('a job is shown from its posting to its verified answer', async () => {
    const { error, stdout, stderr } = await submit('what now?', '--max-tokens', '5')
    expect(stderr).toMatch(
      new RegExp(
        [
          `^${model}: a prompt of 10 tokens, at most 5 more, greedy`,
          `bids ${(ASK * 5n) / 4n} grains per GMAC \\(best ask ${ASK}.*, and 25 %\\); holds back at most .* NCR .*expires after \\d+ blocks`,
          'posted: job [0-9a-f]{64}',
          '(.*\\n)*price \\d+ grains per GMAC; the next block assigns it',
          '(.*\\n)*assigned in block \\d+ at \\d+ grains per GMAC to miner [0-9a-f]{12}… until block \\d+, then [0-9a-f]{12}…',
          '(.*\\n)*(answered|delivered) by miner [0-9a-f]{12}….*',
          `verified: executed again here, every token and the trace root are what ${model} gives`,
          'cost [\\d.]+ NCR at \\d+ grains per GMAC: .* MACs of input, .* of output; [\\d.]+ NCR of what was held back return',
          'receipt [0-9a-f]{12}… (waits for a block|in block \\d+); it is unaudited\\n$',
        ].join('\\n'),
      ),
    )
    expect(error).toBeUndefined()
    expect(stdout.endsWith('\n')).toBe(true)
    jobId = /posted: job ([0-9a-f]{64})/.exec(stderr)![1]!
  })

  test('the same in JSON, with a temperature and a seed; the tokens are the model’s', async () => {
    const flags = ['--max-tokens', '4', '--temperature', '0.9', '--seed', '2a', '--json']
    const { stdout } = await submit('again', ...flags)
    const json = JSON.parse(stdout)
    const { model: weights } = paid.network.context.bootstrap
    const decoding = { temperatureMilli: 900, seed: new Uint8Array(32), stopAtEos: true }
    decoding.seed[31] = 0x2a
    const { tokens } = executeUnit(weights, { promptTokens: json.promptTokens, maxNewTokens: 4, decoding })
    expect(json).toMatchObject({
      tokens: [...tokens].slice(json.promptTokens.length),
      verification: 'verified',
      isAudited: false,
      model,
      priceGrains: expect.stringMatching(/^\d+$/),
      feeGrains: expect.stringMatching(/^\d+$/),
    })
  })

  test('show and verify need no wallet', async () => {
    const shown = await run(jobCommand, ['show', jobId, '--rpc', paid.url])
    expect(shown.stdout).toMatch(new RegExp(`^job {7}${jobId}\\nstatus {4}(answered|delivered|settled)`))
    expect(shown.stdout).toMatch(/\nprompt {4}"what now\?"\n/)
    expect(shown.stdout).toMatch(/\nreceipt {3}[0-9a-f]{64}, (in block \d+|waits for a block), unaudited\n/)
    const json = JSON.parse((await run(jobCommand, ['verify', jobId, '--rpc', paid.url, '--json'])).stdout)
    expect(json).toMatchObject({ id: jobId, isTrue: true, model, receipt: { isAudited: false } })
  })

  test('the market: prices, asks, the last clearing', async () => {
    const { stdout } = await run(marketCommand, ['--rpc', paid.url])
    expect(stdout).toMatch(
      /^block \d+; prices are grains per GMAC\nunit-model\n {2}price {8}\d+ in block \d+: \d jobs, /,
    )
    expect(stdout).toMatch(new RegExp(`\\n {2}asks {9}2, best ${ASK}, room for .* MACs per block\\n`))
    expect(stdout.match(/[0-9a-f]{12}… {2}room/g)).toHaveLength(2)
  })

  test('watched, it is printed again when it changes, and ends at Ctrl-C', async () => {
    const cleared = (text: string): number[] => {
      const lines = text.split('\n').slice(0, -1)
      return lines.map((line) => JSON.parse(line).models[0].clearedHeight)
    }
    let isAsked = false
    const args = ['market', '--watch', '--json', '--asks', '0', '--rpc', paid.url]
    const { code, text } = await interrupted(args, (shown) => {
      const heights = cleared(shown)
      if (heights.length > 0 && !isAsked) void paid.send(payer, job('something else'))
      isAsked ||= heights.length > 0
      return heights.at(-1)! > heights[0]!
    })
    expect(code).toBe(0)
    expect(cleared(text).length).toBeGreaterThan(1)
  })

  test('what is not verified says so', async () => {
    const { stderr, error } = await submit('believe me', '--max-tokens', '2', '--verify', 'off')
    expect(error).toBeUndefined()
    expect(stderr).toMatch(/\nNOT verified: this is what the miner claims; "job verify" executes it again\n/)
  })

  test('interrupted, it says how to find the job again', async () => {
    const where = ['--rpc', paid.url, '--wallet', at('w.json'), ...PASS]
    const args = ['job', 'submit', 'wait for it', '--max-price', '7', '--max-tokens', '2', ...where]
    const { code, text } = await interrupted(args, (shown) => shown.includes('posted: job'))
    expect(code).toBe(130)
    expect(text).toMatch(/nacre: interrupted: .*job [0-9a-f]{64} goes on without anybody waiting for it\n$/)
  })

  test.each<[string, string[], string, string]>([
    ['no funds', ['hello'], 'poor.json', 'INSUFFICIENT_FUNDS'],
    ['another network', ['hello'], 'far.json', 'WRONG_NETWORK'],
    ['an unknown model', ['hello', '--model', 'gpt'], 'w.json', 'UNKNOWN_MODEL'],
    ['a prompt that is too long', ['x'.repeat(3000)], 'w.json', 'PROMPT_TOO_LONG'],
    ['too many tokens', ['hello', '--max-tokens', '100000'], 'w.json', 'JOB_NEW_TOKENS'],
    ['a price beyond all grains', ['hello', '--max-price', '99999999999999999999'], 'w.json', 'AMOUNT_TOO_LARGE'],
    ['a locked wallet', ['hello', '--passphrase-file', at('other')], 'w.json', 'LOCKED'],
  ])('%s changes nothing', async (_what, args, wallet, code) => {
    await paid.paused(async () => {
      const { mempool } = paid.plain.node
      const before = [paid.balanceOf(payer), mempool.size]
      const secret = args.includes('--passphrase-file') ? [] : PASS
      const where = ['--wallet', at(wallet), '--rpc', paid.url, '--json']
      const { error, stdout } = await run(jobCommand, ['submit', ...args, ...where, ...secret])
      expect(error).toMatchObject({ code, message: expect.any(String) })
      expect(JSON.parse(stdout)).toEqual({ error: { code, message: error!.message } })
      expect([paid.balanceOf(payer), mempool.size]).toEqual(before)
    })
  })

  test('what is signed stands in the record beside the wallet', () => {
    const { entries } = JSON.parse(readFileSync(`${at('w.json')}.nonces`, 'utf8'))
    expect(entries.length).toBeGreaterThanOrEqual(3)
    expect(
      entries.every((entry: { what: string; state: string }) => entry.what === 'a job' && entry.state === 'taken'),
    ).toBe(true)
    expect(entries.map(({ id }: { id: string }) => id)).toContain(jobId)
  })
})

describe('wrong usage', () => {
  test.each<[string[], RegExp]>([
    [['submit'], /^"job submit" takes PROMPT, not 0 arguments$/],
    [['submit', 'a', 'b'], /^"job submit" takes PROMPT, not 2 arguments$/],
    [['show', 'abc'], /^the ID of a job has 64 hex digits$/],
    [['walk'], /^there is no "job walk"/],
    [['submit', 'x', '--verify', 'maybe'], /^--verify is off, sampled or full, not "maybe"$/],
    [['submit', 'x', '--timeout', '0'], /^--timeout is a whole number from 1 to 86400/],
    [['show', 'x', '--wallet', 'y'], /Unknown option '--wallet'/],
    [['submit', 'x', '--rpc', 'nowhere'], /^--rpc is an address such as/],
  ])('%j', async (args, message) => {
    const error: unknown = await jobCommand(args).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ name: 'CliError', exitCode: 2, message: expect.stringMatching(message) })
  })

  test('a market with a wrong number of asks', async () => {
    await expect(marketCommand(['--asks', '-1'])).rejects.toMatchObject({ exitCode: 2 })
    await expect(marketCommand(['--asks', '1.5'])).rejects.toMatchObject({ exitCode: 2 })
  })
})

describe('help', () => {
  test('names every verb and every option', async () => {
    const job = (await run(jobCommand, ['--help'])).stdout
    for (const word of [
      'submit "PROMPT"',
      'show ID',
      'verify ID',
      '--model',
      '--max-tokens',
      '--temperature',
      '--seed',
    ])
      expect(job).toContain(word)
    for (const word of ['--max-price', '--verify', '--timeout', '--replace', '--wallet', '--passphrase-file', '--json'])
      expect(job).toContain(word)
    const market = (await run(marketCommand, ['--help'])).stdout
    for (const word of ['--watch', '--asks', '--rpc', '--json']) expect(market).toContain(word)
    for (const line of `${job}\n${market}`.split('\n')) expect(line.length).toBeLessThanOrEqual(130)
  })
})

describe('what is asked for', () => {
  const market = { name: 'm', bestAskGrains: '100', referenceGrains: '90' } as ModelMarketView

  test.each<[string | undefined, Partial<ModelMarketView>, bigint]>([
    [undefined, {}, 125n],
    [undefined, { referenceGrains: '201' }, 252n],
    [undefined, { referenceGrains: '0' }, 125n],
    ['7', {}, 7n],
    ['0018446744073709551615', {}, 2n ** 64n - 1n],
  ])('a bid of %s in a market of %j is %s', (flag, change, expected) => {
    expect(bidOf(flag, { ...market, ...change }).maxPriceGrains).toBe(expected)
  })

  test('a market that never had a price needs one', () => {
    const { bestAskGrains: _, ...none } = { ...market, referenceGrains: '0' }
    expect(() => bidOf(undefined, none)).toThrow(expect.objectContaining({ code: 'NO_PRICE' }))
    expect(bidOf('5', none).maxPriceGrains).toBe(5n)
  })

  test.each<[string, string]>([
    ['-5', 'AMOUNT_NEGATIVE'],
    ['1.5', 'AMOUNT_TOO_FINE'],
    ['.5', 'AMOUNT_TOO_FINE'],
    ['0', 'AMOUNT_ZERO'],
    ['', 'AMOUNT_MALFORMED'],
    ['1e9', 'AMOUNT_MALFORMED'],
    ['18446744073709551616', 'AMOUNT_TOO_LARGE'],
    ['9'.repeat(500), 'AMOUNT_TOO_LARGE'],
  ])('a price of "%s" is %s', (text, code) => {
    expect(() => bidOf(text, market)).toThrow(expect.objectContaining({ code, exitCode: 2 }))
  })

  test('temperatures are exact thousandths; without a seed the choice differs each time', () => {
    expect(['0', '0.7', '1', '1.005', '65.535'].map(temperatureFlag)).toEqual([0, 700, 1000, 1005, 65_535])
    for (const text of ['-1', '66', '0.0005', 'warm', '']) expect(() => temperatureFlag(text)).toThrow(/--temperature/)
    const [a, b] = [decodingOf({ temperature: '1' }), decodingOf({ temperature: '1' })]
    expect(a.seed).not.toEqual(b.seed)
    expect(decodingOf({}).seed).toEqual(new Uint8Array(32))
  })
})

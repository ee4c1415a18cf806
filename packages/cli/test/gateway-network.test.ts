/** The gateway on a real network of processes: registered miners answer jobs that a stock client's requests became. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createFastHash, type WorkerPort } from '@nacre/engine'
import {
  createApiKey,
  DEFAULT_KEY_SETTINGS,
  formatKeys,
  type Gateway,
  SpendingLedger,
  startGateway,
  verifyAnswer,
} from '@nacre/gateway'
import { silentLogger } from '@nacre/node'
import { type JobView, readHistory, readJob } from '@nacre/node/rpc-client'
import { GRAINS_PER_NCR, hexToBytes, keyPairFromSeed } from '@nacre/protocol'
import { OpenAI } from 'openai'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { addressOfKey, type PaidNetwork, startPaidNetwork } from '../src/devnet/paid-network.ts'
import { createWorkers, loadContext, loadTextModel } from '../src/network-model.ts'
import { encryptSeed, writeKeyFile } from '../src/wallet/key-file.ts'
import { networkOf } from '../src/wallet/network.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']

const dir = mkdtempSync(join(tmpdir(), 'nacre-gateway-network-'))
const abort = new AbortController()
const keysPath = join(dir, 'keys.json')
const LIMIT_GRAINS = 100_000n
const ASKS = [1_000_000n, 2_000_000n, 3_000_000n]
const { key, entry } = createApiKey(
  { ...DEFAULT_KEY_SETTINGS, name: 'test', limitGrains: LIMIT_GRAINS, verify: 'full' },
  Date.now(),
)

let network: PaidNetwork
let workers: WorkerPort
let gateway: Gateway
let openai: OpenAI

beforeAll(async () => {
  network = await startPaidNetwork({
    ...{
      preset: 'unit',
      overrides: [],
      miners: ASKS.map((askGrains) => ({ askGrains })),
      verifiers: 1,
      dutyCycle: 0.2,
      dir,
      signal: abort.signal,
    },
  })
  const { params, rpc } = network
  const keys = keyPairFromSeed(hexToBytes('42'.repeat(32)))
  await network.fund(addressOfKey(params, keys.publicKey), GRAINS_PER_NCR)
  const hash = await createFastHash()
  const context = await loadContext(params, hash)
  workers = await createWorkers(context, { threads: 1 }, hash)
  writeFileSync(keysPath, formatKeys([entry], keysPath), { mode: 0o600 })
  gateway = await startGateway({
    ...{ rpcUrl: rpc, keys, market: context.market, workers, keysPath, ledgerPath: `${keysPath}.sqlite` },
    models: [await loadTextModel(params, 'unit-model', hash)],
    ...{ policyPath: undefined, verify: 'off', host: '127.0.0.1', port: 0, log: silentLogger },
  })
  // As stock clients do: where everybody is busy nobody may deliver in the few seconds of this preset's windows.
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 4 })
}, 240_000)

afterAll(async () => {
  abort.abort()
  await gateway?.stop()
  await workers?.stop()
  await network?.stop()
  rmSync(dir, { recursive: true, force: true })
}, 30_000)

interface JobEntry {
  readonly job_id: string
  readonly miner_key: string
  readonly trace_root: string
  readonly fee_grains: string
  readonly verification: string
  readonly seed: string
}
/** All jobs of this file, for the bill at the end. */
const paid: JobEntry[] = []
function jobsOf(response: unknown): readonly JobEntry[] {
  const { jobs } = (response as { nacre: { jobs: JobEntry[] } }).nacre
  for (const job of jobs) if (!paid.some(({ job_id }) => job_id === job.job_id)) paid.push(job)
  return jobs
}

/** Once the answer is in a block, where its fee is settled on; undefined where none took it in time, as after a reorganisation. */
async function delivered(id: string): Promise<JobView | undefined> {
  for (;;) {
    const view = await readJob(network.rpc, id)
    if (view.fee !== undefined && view.receipt?.height !== undefined) return view
    if (view.status === 'returned') return undefined
    await delay(300)
  }
}

it('a chat request becomes a job that a registered miner answers, verified and on the chain as the receipt says', async () => {
  const ask = async () => {
    const { data, response } = await openai.chat.completions
      .create({
        ...{ model: 'small', messages: [{ role: 'user', content: '1+2=' }] },
        ...{ max_completion_tokens: 5, temperature: 0 },
      })
      .withResponse()
    const [job] = jobsOf(data) as [JobEntry]
    return { data, response, job, view: await delivered(job.job_id) }
  }
  let asked = await ask()
  for (let tries = 1; asked.view === undefined && tries < 5; tries++) asked = await ask()
  const { data, response, job } = asked
  expect(job.verification).toBe('verified')
  expect(JSON.parse(response.headers.get('x-nacre-receipt')!)).toMatchObject([{ job_id: job.job_id, audited: false }])
  const miners = network.members.map(({ minerKey }) => minerKey)
  expect(miners).toContain(job.miner_key)
  const view = asked.view!
  expect(view.receipt).toMatchObject({ minerKey: job.miner_key, traceRoot: job.trace_root, isAudited: false })
  expect(view.client).toBe(gateway.address)
  expect(BigInt(view.fee!.inputGrains) + BigInt(view.fee!.outputGrains)).toBe(BigInt(job.fee_grains))
  expect(data.usage!.completion_tokens).toBe(view.receipt!.tokens.length)
  // Anybody can check the same answer.
  const { promptTokens, maxNewTokens, decoding } = view
  const task = {
    ...{ promptTokens: promptTokens!, maxNewTokens: maxNewTokens! },
    decoding: { ...decoding!, seed: hexToBytes(decoding!.seed) },
  }
  const claim = { modelId: view.modelId!, task, tokens: view.receipt!.tokens, traceRoot: job.trace_root }
  expect(await verifyAnswer(workers, claim, abort.signal)).toEqual({ isTrue: true })
  // Where faults are planted a right answer may have a wrong trace, and a wrong one is as false as ever (AUD-8).
  const other = { ...claim, traceRoot: '00'.repeat(32) }
  expect(await verifyAnswer(workers, other, abort.signal)).toMatchObject({ isTrue: false })
  const planted = { ...other, mayBePlanted: true }
  expect(await verifyAnswer(workers, planted, abort.signal)).toEqual({ isTrue: true, isTraceOther: true })
  const [first = 0, ...rest] = claim.tokens
  const wrong = { ...planted, tokens: [first === 5 ? 6 : 5, ...rest] }
  expect(await verifyAnswer(workers, wrong, abort.signal)).toMatchObject({ isTrue: false })
}, 120_000)

it('five samples are five jobs with five seeds; the same seed gives the same texts, whoever the miners are', async () => {
  const ask = () =>
    openai.completions.create({ model: 'unit-model', prompt: 'ab', max_tokens: 4, n: 5, temperature: 1, seed: 7 })
  const [first, second] = await Promise.all([ask(), ask()])
  expect(new Set(jobsOf(first).map(({ seed }) => seed)).size).toBe(5)
  expect(new Set([...jobsOf(first), ...jobsOf(second)].map(({ job_id }) => job_id)).size).toBe(10)
  expect(second.choices.map(({ text }) => text)).toEqual(first.choices.map(({ text }) => text))
}, 120_000)

it('streams', async () => {
  const stream = await openai.completions.create({ model: 'small', prompt: 'x', max_tokens: 3, stream: true })
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('length')
  expect(jobsOf(chunks.at(-1))).toHaveLength(1)
}, 120_000)

it('has charged the key exactly what the chain took, and refuses what would exceed its limit', async () => {
  const codes: (string | undefined)[] = []
  for (let tries = 0; tries < 100 && codes.length === 0; tries++) {
    await openai.completions
      .create({ model: 'small', prompt: 'x', max_tokens: 16, n: 16, temperature: 1 })
      .then(jobsOf, (error: { code?: string }) => codes.push(error.code))
  }
  expect(codes).toEqual(['insufficient_quota'])
  // A job costs what deep blocks say: a reorganisation can give it another price.
  for (;;) {
    const response = await fetch(`${gateway.url}/status`, { headers: { authorization: `Bearer ${key}` } })
    const { openCharges, jobs } = (await response.json()) as { openCharges: number; jobs: { underWay: number } }
    if (openCharges === 0 && jobs.underWay === 0) break
    await delay(300)
  }
  await gateway.stop()
  const ledger = new SpendingLedger(`${keysPath}.sqlite`)
  expect(ledger.open(100)).toEqual([])
  const { grains } = ledger.spending(entry)
  ledger.close()
  // All that the wallet posted, also for requests that the client made again because nobody delivered in time.
  const address = addressOfKey(network.params, keyPairFromSeed(hexToBytes('42'.repeat(32))).publicKey)
  const { entries } = await readHistory(network.rpc, address, undefined, 200)
  const posted = entries.flatMap(({ kind, id }) => (kind === 'job' && id !== undefined ? [id] : []))
  expect(paid.filter(({ job_id }) => !posted.includes(job_id))).toEqual([])
  const costOf = ({ fee, receipt, promptBurnGrains }: JobView): bigint =>
    receipt?.height === undefined ? BigInt(promptBurnGrains ?? 0) : BigInt(fee!.inputGrains) + BigInt(fee!.outputGrains)
  const bill = (await Promise.all(posted.map((id) => readJob(network.rpc, id)))).reduce(
    (sum, view) => sum + costOf(view) + network.params.fees.minTransactionGrains,
    0n,
  )
  expect(paid.length).toBeGreaterThan(16)
  expect(grains).toBe(bill)
  expect(grains).toBeLessThanOrEqual(LIMIT_GRAINS)
}, 240_000)

it('the command: a ready line, no key on this machine, a clean end on SIGTERM', async () => {
  const { params, rpc } = network
  const seed = hexToBytes('43'.repeat(32))
  const { publicKey } = keyPairFromSeed(seed)
  await network.fund(addressOfKey(params, publicKey), GRAINS_PER_NCR)
  const wallet = join(dir, 'wallet.json')
  await writeKeyFile(wallet, await encryptSeed(seed, 'a passphrase', networkOf(params), { n: 2, r: 8, p: 1 }))
  writeFileSync(join(dir, 'pass'), 'a passphrase\n')
  const args = ['gateway', '--rpc', rpc, '--wallet', wallet, '--passphrase-file', join(dir, 'pass'), '--port', '0']
  const child = spawn(process.execPath, [...nodeArgs, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  const said = { out: '', err: '' }
  child.stderr.on('data', (chunk) => {
    said.err += chunk
  })
  const ready = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said.out += chunk
      if (said.out.includes('\n')) resolve(said.out)
    })
    void exited.then((how) => reject(new Error(`it ended with ${how}: ${said.err}`)))
  })
  const { baseUrl, ...line } = JSON.parse(ready) as { baseUrl: string }
  expect(line).toMatchObject({
    ...{ ready: true, address: addressOfKey(params, publicKey), models: ['small', 'large', 'unit-model'] },
    needsKey: false,
  })
  expect(said.err).toContain('whoever is on this machine can spend the wallet')
  const client = new OpenAI({ baseURL: baseUrl, apiKey: 'none', maxRetries: 0 })
  const { choices } = await client.completions.create({ model: 'large', prompt: 'x', max_tokens: 2 })
  expect(choices).toHaveLength(1)
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
}, 120_000)

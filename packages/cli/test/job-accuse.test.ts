/** AUD-6, AUD-7: `nacre job verify --accuse`: a client with a wallet condemns a garbling miner that no verifier audits; and what it refuses. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isBarred, ROLE_MINER, readAuditedUnit, readRegistration } from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { heightOf, NCR } from '../../miner/test/market-net.ts'
import { jobCommand } from '../src/commands/job.ts'
import { AccuseNet, hexOf, ROOMY, type Wallet } from './accuse-net.ts'

const FEE = 1000n
const DEPOSIT = NCR / 2n
/** A tenth of a miner's bond. */
const BOUNTY = NCR / 10n
const SAMPLE = ['--sample', '32']
let nodes: AccuseNet
let accuser: Wallet

beforeAll(async () => {
  nodes = await AccuseNet.start({ miners: 4, overrides: [...ROOMY, 'audits.plantPpm=0'] })
  accuser = await nodes.wallet(2n * NCR)
}, 120_000)
afterAll(() => nodes.stop())

const unitOf = (jobId: Uint8Array) => readAuditedUnit(nodes.net.plain.node.chain.reader, jobId)
/** What the failure says of the accusation. */
const accusationIn = (stdout: string) => JSON.parse(stdout).error.accusation

describe('a garbling miner', () => {
  let jobId: Uint8Array
  let hex: string

  test('is condemned by the client that found it, which gets deposit and bounty', async () => {
    jobId = await nodes.forged('can I trust it?')
    hex = hexOf(jobId)
    const { minerKey } = unitOf(jobId)!
    const before = nodes.balanceOf(accuser.keys)
    const { error, stdout, stderr } = await nodes.verify(hex, ...SAMPLE, ...nodes.flags(accuser), '--json')
    expect(error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
    expect(error!.message).toMatch(
      /is FALSE in the step .*\. Accused by this wallet: block \d+ condemns the unit and bars its miner; the bounty of 0\.1 NCR and the deposit can be spent at once$/,
    )
    expect(unitOf(jobId)!.isCondemned).toBe(true)
    const { reader } = nodes.net.plain.node.chain
    expect(isBarred(reader, minerKey)).toBe(true)
    expect(readRegistration(reader, ROLE_MINER, minerKey)).toBeUndefined()
    expect(nodes.sentBy(accuser.keys)).toEqual(['accusation', 'fraudProof'])
    expect(nodes.sentBy(nodes.net.verifier.keys)).not.toContain('accusation')
    expect(nodes.balanceOf(accuser.keys)).toBe(before + BOUNTY - nodes.feesOf(accuser.keys))
    expect(stderr).toMatch(
      /\naccusing miner [0-9a-f]{12}…: deposit 0\.5 NCR, which returns, fees 0\.00002 NCR, bounty 0\.1 NCR\n/,
    )
    // Of a block that was left it says so, and then the next one.
    const lastOf = (line: RegExp): RegExpExecArray => [...stderr.matchAll(line)].at(-1)!
    const [, committed, first] = lastOf(/\ncommitted in block (\d+); the proof may be in blocks (\d+) to \d+: /g)
    const [, proven] = lastOf(/\nproof in block (\d+), \d of 3 deep(?=\n)/g)
    expect(Number(first)).toBe(Number(committed) + 4)
    expect(Number(proven)).toBeGreaterThanOrEqual(Number(first))
    expect(accusationIn(stdout)).toEqual({
      ...{ outcome: 'condemned', proofHeight: Number(proven), bountyGrains: `${BOUNTY}` },
    })
  })

  test('accused again by the same wallet it is the same accusation, and nothing is sent', async () => {
    const { error } = await nodes.verify(hex, ...SAMPLE, ...nodes.flags(accuser))
    expect(error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
    expect(error!.message).toMatch(/Accused by this wallet: block \d+ condemns/)
    expect(nodes.sentBy(accuser.keys)).toHaveLength(2)
  })

  test('is not accused by somebody who comes second', async () => {
    const second = await nodes.wallet(2n * NCR)
    const { error, stdout } = await nodes.verify(hex, ...SAMPLE, ...nodes.flags(second), '--json')
    expect(error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
    expect(error!.message).toMatch(
      /Not accused: somebody else was first, and the unit is condemned already\. Nothing is out$/,
    )
    expect(accusationIn(stdout)).toEqual({ outcome: 'forestalled', as: 'condemned' })
    expect(nodes.sentBy(second.keys)).toEqual([])
    expect(existsSync(`${second.path}.proof-${hex}`)).toBe(false)
  })
})

test('without funds for deposit and fees nothing is sent', async () => {
  const hex = hexOf(await nodes.forged('who pays?'))
  // One grain too few.
  const poor = await nodes.wallet(DEPOSIT + 2n * FEE - 1n)
  const { error, stdout } = await nodes.verify(hex, ...SAMPLE, ...nodes.flags(poor), '--json')
  expect(error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
  expect(accusationIn(stdout)).toMatchObject({ outcome: 'failed', code: 'INSUFFICIENT_FUNDS' })
  expect(error!.message).toMatch(/Not accused: insufficient funds: 0\.50002 NCR are needed/)
  expect(nodes.sentBy(poor.keys)).toEqual([])
  expect(nodes.net.plain.node.mempool.size).toBe(0)
})

test('too late, it says which window is over', async () => {
  const jobId = await nodes.forged('how late is it?')
  await nodes.net.run(() => unitOf(jobId)!.endHeight > 0)
  const { endHeight } = unitOf(jobId)!
  await nodes.net.run(() => heightOf(nodes.net.plain) >= endHeight - 4)
  const late = await nodes.wallet(0n)
  const { error, stdout } = await nodes.verify(hexOf(jobId), ...SAMPLE, ...nodes.flags(late), '--json')
  expect(error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
  expect(accusationIn(stdout)).toMatchObject({ outcome: 'late', endHeight })
  expect(error!.message).toContain(`the audits of this one end with block ${endHeight}, and a proof could be in block`)
})

test('killed between commitment and proof, it goes on from the file: one deposit, one commitment', async () => {
  const jobId = await nodes.forged('will you be back?')
  const hex = hexOf(jobId)
  const proof = `${nodes.home}/proof.json`
  const wallet = await nodes.wallet(DEPOSIT + 2n * FEE)
  const flags = [...nodes.flags(wallet), '--proof', proof]
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']
  const args = [...nodeArgs, 'job', 'verify', hex, ...SAMPLE, ...flags]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
  child.stderr.on('data', (chunk) => {
    text += chunk
    if (text.includes('committed in block')) child.kill('SIGKILL')
  })
  expect(await nodes.during(ended)).toBe('SIGKILL')
  expect(nodes.sentBy(wallet.keys)).toEqual(['accusation'])
  expect(nodes.balanceOf(wallet.keys)).toBe(FEE)

  const { error } = await nodes.verify(hex, ...flags)
  expect(error!.message).toMatch(/Accused by this wallet: block \d+ condemns/)
  expect(nodes.sentBy(wallet.keys)).toEqual(['accusation', 'fraudProof'])
  expect(nodes.balanceOf(wallet.keys)).toBe(DEPOSIT + BOUNTY)
  expect(unitOf(jobId)!.isCondemned).toBe(true)

  // Of another job, of another wallet, and none at all.
  const other = hexOf(await nodes.forged('and another one'))
  expect((await nodes.verify(other, ...flags)).error).toMatchObject({ code: 'PROOF_OTHER', exitCode: 1 })
  const stranger = await nodes.wallet(0n)
  const foreign = [...nodes.flags(stranger), '--proof', proof]
  expect((await nodes.verify(hex, ...foreign)).error).toMatchObject({ code: 'PROOF_OTHER', exitCode: 1 })
  writeFileSync(`${nodes.home}/broken`, readFileSync(proof, 'utf8').replace('"opening":"', '"opening":"zz'))
  for (const broken of ['broken', 'pass'])
    expect((await nodes.verify(hex, ...nodes.flags(wallet), '--proof', `${nodes.home}/${broken}`)).error).toMatchObject(
      { code: 'PROOF_MALFORMED', exitCode: 1 },
    )
})

describe('wrong usage', () => {
  const id = '0'.repeat(64)
  test.each<[string[], RegExp]>([
    [['--accuse', '--sample', '4'], /^--accuse needs --wallet FILE: /],
    [['--accuse', '--wallet', 'w'], /^--accuse needs --sample N, which finds a wrong step, or --proof FILE/],
    [['--wallet', 'w'], /^--wallet goes with --accuse$/],
    [['--sample', '4', '--proof', 'p'], /^--proof goes with --accuse$/],
  ])('%j', async (args, message) => {
    const error: unknown = await jobCommand(['verify', id, ...args]).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ name: 'CliError', exitCode: 2, message: expect.stringMatching(message) })
  })
})

/**
 * Audits across a reorganisation (P5, P7): what was said on the branch that lost is said again on the one that won, so the cheater is
 * condemned all the same, and whoever answered in time is not.
 */
import type { UnitRunner } from '@nacre/miner'
import { sleep } from '@nacre/node'
import {
  auditedSteps,
  auditedTask,
  bytesToHex,
  checkReceiptStep,
  commitTrace,
  decodeTransaction,
  epochOf,
  equalBytes,
  executeUnit,
  FIXED_STEPS,
  isBarred,
  openStep,
  readAuditedUnit,
  readAuditor,
  readAuditors,
  readChallenges,
  readVerdicts,
  type TransactionKind,
  type VerdictRecord,
  verdictDigests,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import type { LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import { heightOf, isAssigned, type MarketNet, marketNet, receiptsOf } from '../../miner/test/market-net.ts'

let network: LocalNetwork
afterEach(() => network.stop())

/** Room for a few blocks apart in every window. */
const OVERRIDES = [
  'audits.mode=on',
  'audits.steps=8',
  'audits.responseBlocks=16',
  'audits.challengeWindowBlocks=60',
  'audits.accusationBlocks=20',
  'block.maturityBlocks=100',
  'bonds.unbondingBlocks=140',
  'jobs.auditWindowBlocks=6',
  'jobs.paidDrawPpm=0',
]

/** Changes all residual rows and commits to them: whatever is sampled is wrong, so that no seed of the network decides. */
const garbling = (runner: UnitRunner): UnitRunner => ({
  ...runner,
  executeUnit: async (...unit) => {
    const { tokens, trace: honest } = await runner.executeUnit(...unit)
    const trace = structuredClone(honest)
    for (const rows of trace.h) for (let i = 0; i < rows.length; i++) rows[i] = Math.fround(rows[i]! + 1)
    return { tokens, trace, traceRoot: commitTrace(trace).traceRoot }
  },
})
const withholding = (runner: UnitRunner): UnitRunner => ({
  ...garbling(runner),
  openSteps: () => Promise.reject(new Error('no openings')),
})
/** Peers ask for many steps at once, a challenge for one. */
const silent = (runner: UnitRunner): UnitRunner => ({
  ...runner,
  openSteps: (trace, steps) =>
    steps.length > 1 ? Promise.reject(new Error('no openings')) : runner.openSteps(trace, steps),
})

/** Kinds of a key's transactions in a member's best chain. */
function sent({ node: { chain } }: LocalMember, publicKey: Uint8Array): TransactionKind[] {
  const found: TransactionKind[] = []
  for (let height = 1; height <= chain.tip.header.height; height++)
    for (const bytes of chain.block(chain.atHeight(height)!)!.body.transactions) {
      const { sender, body } = decodeTransaction(bytes)
      if (equalBytes(sender, publicKey)) found.push(body.kind)
    }
  return found
}

/**
 * Three miners, of which only the first asks for jobs, in an epoch with the verifier's secret.
 *
 *     - delivered - apart: the few                        |
 *                 \ the many, longer ------------------- heal: one chain
 */
async function setUp(engine: (runner: UnitRunner) => UnitRunner): Promise<MarketNet & { readonly first: LocalMember }> {
  const net = await marketNet({
    miners: 1,
    engine: (runner) => engine(runner),
    overrides: OVERRIDES,
  })
  network = net.network
  // They could open an honest unit too, by executing it.
  for (const name of ['other-1', 'other-2', 'other-3', 'other-4'])
    await network.startMember(network.add(name, 'miner', { runner: silent }))
  const { params } = network.context
  await net.run(() => readAuditors(net.plain.node.chain.reader, epochOf(params, heightOf(net.plain))).length === 1)
  return { ...net, first: net.miners[0]! }
}

const names = (members: readonly LocalMember[]): string[] => members.map(({ name }) => name)

/** Cuts a few off from all others until `said` holds among them and the others are ahead; then all follow the others. */
async function loseBranch(
  { run }: MarketNet,
  few: readonly LocalMember[],
  many: LocalMember,
  said: () => boolean,
): Promise<void> {
  const others = network.members.filter((member) => !few.includes(member))
  const [one] = few as [LocalMember]
  network.hub.partition(names(few), names(others))
  await run(said)
  // Units take as long as blocks here, so that more miners are hardly faster: whoever has the first block may stay ahead.
  for (const { miner } of few) void miner?.stop()
  await run(() => many.node.chain.tip.totalWork > one.node.chain.tip.totalWork)
  const lost = one.node.chain.tip
  network.hub.heal()
  await run(() => network.members.every(({ node }) => node.chain.tip.hex === many.node.chain.tip.hex))
  expect(one.node.chain.isOnBestChain(lost)).toBe(false)
}

const agree = (): void => {
  const roots = network.members.map(({ node }) => bytesToHex(node.chain.tip.header.stateRoot))
  expect(new Set(roots).size).toBe(1)
}

test.each([
  ['accusation', garbling],
  ['challenge', withholding],
] as const)('%s: what is on the branch that lost is made again, and the cheater is condemned', async (kind, engine) => {
  const net = await setUp(engine)
  const { plain, verifier, first, post, job, run } = net
  const jobId = await post(job())
  await run(() => readAuditedUnit(verifier.node.chain.reader, jobId) !== undefined)
  // One miner of five: the others are far ahead by the time it has made the few blocks that this takes.
  const few = [verifier, first]
  const said = (member: LocalMember): boolean => sent(member, verifier.keys.publicKey).includes(kind)
  expect(said(verifier)).toBe(false)
  await loseBranch(net, few, plain, () => said(verifier))
  const isSettled = (): boolean =>
    network.members.every(({ node }) => node.chain.tip.hex === plain.node.chain.tip.hex) &&
    isBarred(plain.node.chain.reader, first.keys.publicKey)
  await run(isSettled)
  expect(said(plain)).toBe(true)
  expect(readAuditedUnit(plain.node.chain.reader, jobId)!.isCondemned).toBe(true)
  agree()
  for (const { keys } of network.members)
    expect(isBarred(plain.node.chain.reader, keys.publicKey)).toBe(equalBytes(keys.publicKey, first.keys.publicKey))
})

test('a response on the branch that lost is given again: the honest miner keeps everything', async () => {
  const net = await setUp(silent)
  const { plain, verifier, first, post, job, run } = net
  const jobId = await post(job())
  const challenges = (member: LocalMember) => readChallenges(member.node.chain.reader, jobId)
  await run(() => challenges(first).length > 0)
  expect(challenges(plain).some(({ dueHeight }) => dueHeight === 0)).toBe(false)
  // Two of five, which make a block within the time for a response but for one case in thousands.
  const few = [first, network.members.find(({ name }) => name === 'other-1')!]
  await loseBranch(net, few, plain, () => challenges(first).some(({ dueHeight }) => dueHeight === 0))
  await run(() => challenges(plain).some(({ dueHeight }) => dueHeight === 0))
  expect(sent(plain, first.keys.publicKey)).toContain('response')
  const { height } = challenges(plain)[0]!
  await run(() => heightOf(plain) > height + 2 * 16)
  expect(isBarred(plain.node.chain.reader, first.keys.publicKey)).toBe(false)
  expect(isBarred(plain.node.chain.reader, verifier.keys.publicKey)).toBe(false)
  await run(() => network.members.every(({ node }) => node.chain.tip.hex === plain.node.chain.tip.hex))
  agree()
})

test('a verifier that was cut off asks again before it challenges: its bond is not for an honest miner', async () => {
  let isAway = true
  const away = (runner: UnitRunner): UnitRunner => ({
    ...runner,
    openSteps: async (...request) => {
      if (isAway) throw new Error('not now')
      // Of an audit: longer than it takes until the next tip.
      if (request[1].length > 4) await sleep(network.clock, 3_000)
      return runner.openSteps(...request)
    },
  })
  const net = await marketNet({ miners: 1, engine: away, overrides: [...OVERRIDES, 'audits.verdictBlocks=20'] })
  network = net.network
  const { plain, verifier, post, job, run } = net
  const { chain } = plain.node
  const { params } = network.context
  await run(() => readAuditors(chain.reader, epochOf(params, heightOf(plain))).length === 1)
  const jobId = await post(job())
  await run(() => readAuditedUnit(verifier.node.chain.reader, jobId) !== undefined)
  await network.clock.runUntil(network.clock.nowMs() + 100)
  network.hub.partition(['verifier'], names(net.miners.concat(plain)))
  const height = heightOf(plain)
  await run(() => heightOf(plain) >= height + 6)
  isAway = false
  network.hub.heal()
  await run(() => heightOf(plain) >= height + 12)
  expect(readVerdicts(chain.reader, jobId)).toHaveLength(1)
  expect(sent(plain, verifier.keys.publicKey)).not.toContain('challenge')
})

test('the same unit in a block of another epoch is audited anew: the digests are those of that epoch', async () => {
  const held = { unit: true, openings: true }
  const wait = async (what: keyof typeof held): Promise<void> => {
    while (held[what]) await sleep(network.clock, 50)
  }
  const slow = (runner: UnitRunner): UnitRunner => ({
    ...runner,
    executeUnit: async (...unit) => {
      await wait('unit')
      return runner.executeUnit(...unit)
    },
    openSteps: async (...request) => {
      if (request[1].length > 4) await wait('openings')
      return runner.openSteps(...request)
    },
  })
  const windows = [
    'audits.epochBlocks=14',
    'audits.verdictBlocks=20',
    'jobs.assignmentWindowBlocks=20',
    'jobs.maxLifetimeBlocks=60',
  ]
  const overrides = [...OVERRIDES, ...windows]
  const net = await marketNet({ miners: 1, engine: slow, overrides })
  network = net.network
  for (const name of ['other-1', 'other-2', 'other-3', 'other-4'])
    await network.startMember(network.add(name, 'miner', { runner: silent }))
  const { plain, verifier, post, job, run } = net
  const { chain } = plain.node
  const { params } = network.context
  const epochAt = (member: LocalMember): number => epochOf(params, heightOf(member))
  await run(() => heightOf(plain) % 14 < 2 && readAuditors(chain.reader, epochAt(plain)).length === 1)
  const epoch = epochAt(plain)
  const jobId = await post(job({ expiryHeight: heightOf(plain) + 58 }))
  await run(() => network.members.every((member) => isAssigned(member, jobId)))
  await run(() => readAuditors(chain.reader, epoch + 1).length === 1)

  //     - assigned - delivered in the first epoch          |
  //               \ the second epoch: delivered again ---- heal
  const few = [verifier, ...net.miners]
  network.hub.partition(names(few), names(network.members.filter((member) => !few.includes(member))))
  await run(() => epochAt(plain) === epoch + 1)
  held.unit = false
  const unitAt = ({ node }: LocalMember) => readAuditedUnit(node.chain.reader, jobId)
  await run(() => unitAt(verifier) !== undefined)
  const [first] = receiptsOf(verifier, jobId)
  expect(epochOf(params, first!.height)).toBe(epoch)
  await plain.node.publishTransaction(transactionAt(verifier, first!.height, 'receipt'))
  await run(() => unitAt(plain) !== undefined)
  network.hub.heal()
  await run(() => verifier.node.chain.tip.hex === chain.tip.hex)
  const unit = unitAt(plain)!
  expect(epochOf(params, unit.receiptHeight)).toBe(epoch + 1)
  const task = auditedTask(chain.reader, jobId, unit)
  held.openings = false

  const { publicKey } = verifier.keys
  const secret = (): Uint8Array | undefined => readAuditor(chain.reader, epoch + 1, publicKey)?.secret
  await run(() => readVerdicts(chain.reader, jobId).length === 1)
  const [{ digests }] = readVerdicts(chain.reader, jobId) as [VerdictRecord]
  await run(() => secret() !== undefined)
  const { model } = network.context.bootstrap
  const trace = executeUnit(model, task)
  const views = auditedSteps(params, model.config, secret()!, unit)
    .slice(FIXED_STEPS.length)
    .map((step) => checkReceiptStep(model, unit, task, openStep(trace, commitTrace(trace), step)))
  expect(digests).toEqual(verdictDigests(publicKey, secret()!, unit, views))
})

/** The first transaction of a kind in the block of a height. */
function transactionAt({ node: { chain } }: LocalMember, height: number, kind: TransactionKind): Uint8Array {
  const { transactions } = chain.block(chain.atHeight(height)!)!.body
  return transactions.find((bytes) => decodeTransaction(bytes).body.kind === kind)!
}

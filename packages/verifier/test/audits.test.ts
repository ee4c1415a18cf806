/** Audits of delivered units on a network of real nodes (AUD-1 to AUD-5): real jobs, real traces, real transactions. */
import type { UnitRunner } from '@nacre/miner'
import {
  accountKey,
  accountOf,
  bytesToHex,
  commitTrace,
  decodeTransaction,
  deliveryId,
  epochOf,
  epochWindows,
  equalBytes,
  isBarred,
  partOf,
  ROLE_MINER,
  ROLE_VERIFIER,
  readAccount,
  readAuditedUnit,
  readAuditor,
  readAuditors,
  readChallenges,
  readRegistration,
  readVerdicts,
  type TransactionKind,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import { receiptLines } from '../../cli/src/jobs/describe.ts'
import type { LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import {
  faucet,
  heightOf,
  isDelivered,
  jobAt,
  type MarketNet,
  type MarketOptions,
  marketNet,
} from '../../miner/test/market-net.ts'
import { auditEvents } from '../../node/src/rpc/audit.ts'
import { JobViews } from '../../node/src/rpc/job.ts'

let network: LocalNetwork
afterEach(() => network.stop())

/** Windows of a few blocks within a maturity of 24; no paid unit draws, since a garbled one that wins is no valid block. */
const AUDITS = [
  'audits.mode=on',
  'block.maturityBlocks=24',
  'bonds.unbondingBlocks=40',
  'jobs.auditWindowBlocks=6',
  'jobs.paidDrawPpm=0',
]

/** A market whose verifier has a secret of the epoch that has begun. */
async function audited(options: Omit<MarketOptions, 'miners'>, overrides: readonly string[] = []): Promise<MarketNet> {
  const net = await marketNet({ miners: 2, ...options, overrides: [...AUDITS, ...overrides] })
  network = net.network
  const { params } = network.context
  await net.run(() => readAuditors(net.plain.node.chain.reader, epochOf(params, heightOf(net.plain))).length === 1)
  return net
}

/** Posts jobs until `until` holds, a few at a time. Returns their ids. */
async function postUntil({ post, job, run, plain }: MarketNet, until: () => boolean): Promise<Uint8Array[]> {
  const jobIds: Uint8Array[] = []
  for (let round = 0; round < 12 && !until(); round++) {
    for (let i = 0; i < 2; i++)
      jobIds.push(
        await post(
          job({ decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(jobIds.length), stopAtEos: true } }),
        ),
      )
    const height = heightOf(plain)
    await run(() => until() || heightOf(plain) >= height + 4)
  }
  const height = heightOf(plain)
  await run(() => until() || heightOf(plain) >= height + 30)
  expect(until()).toBe(true)
  return jobIds
}

/** Kinds of a key's transactions in the best chain, by height. */
function sentBy({ node: { chain } }: LocalMember, publicKey: Uint8Array): [TransactionKind, number][] {
  const found: [TransactionKind, number][] = []
  for (let height = 1; height <= chain.tip.header.height; height++)
    for (const bytes of chain.block(chain.atHeight(height)!)!.body.transactions) {
      const { sender, body } = decodeTransaction(bytes)
      if (equalBytes(sender, publicKey)) found.push([body.kind, height])
    }
  return found
}
const kindsOf = (sent: readonly [TransactionKind, number][]): TransactionKind[] => sent.map(([kind]) => kind)

/** Changes one bit of what the last layer's last step gave, commits to that, and delivers the right answer. */
const garbling = (runner: UnitRunner): UnitRunner => ({
  ...runner,
  executeUnit: async (...unit) => {
    const { tokens, trace: honest } = await runner.executeUnit(...unit)
    const trace = structuredClone(honest)
    const last = trace.h.at(-1)!
    new Uint32Array(last.buffer, last.byteOffset, last.length)[last.length - 1]! ^= 1
    return { tokens, trace, traceRoot: commitTrace(trace).traceRoot }
  },
})
const onlyFirst =
  (change: (runner: UnitRunner) => UnitRunner) =>
  (runner: UnitRunner, index: number): UnitRunner =>
    index === 0 ? change(runner) : runner

test('an honest unit gets a right verdict, its miner is paid, and so is the verifier once the secret is shown', async () => {
  const net = await audited({})
  const { plain, verifier, job, post, run } = net
  const { params } = network.context
  const { chain } = plain.node
  const { publicKey } = verifier.keys
  const jobId = await post(job())
  await run(() => readVerdicts(chain.reader, jobId).length === 1)
  const [verdict] = readVerdicts(chain.reader, jobId)
  expect(verdict!.verifier).toEqual(publicKey)
  expect(verdict!.digests).toHaveLength(params.audits.steps)

  const view = () => new JobViews(plain.node).view(bytesToHex(jobId))
  const changes = chain.changes(chain.tip)
  expect(auditEvents(plain.node, changes, 8)).toContainEqual({ jobId: bytesToHex(jobId), ...view().receipt!.audit })
  expect(view()).toMatchObject({
    receipt: { isAudited: true, audit: { verdicts: 1, openChallenges: 0, isCondemned: false } },
  })
  expect(receiptLines(view())[0]).toMatch(/, in block \d+, audited, 1 right verdict$/)
  const { promptTokens } = view()

  // What can no longer apply never waits, so it holds up nothing of its sender.
  const delivery = deliveryId(readAuditedUnit(chain.reader, jobId)!)
  const again = { kind: 'verdict', jobId, delivery, digests: verdict!.digests } as const
  await expect(net.send(verifier.keys, again)).rejects.toMatchObject({ code: 'VERDICT_DOUBLE' })
  await expect(net.send(faucet, again)).rejects.toMatchObject({ code: 'VERDICT_VERIFIER' })

  await run(() => jobAt(plain, jobId) === undefined)
  const unit = readAuditedUnit(chain.reader, jobId)!
  const epoch = epochOf(params, unit.receiptHeight)
  expect(unit.paidGrains).toBeGreaterThan(0n)
  await run(() => heightOf(plain) >= epochWindows(params, epoch).revealEnd)
  expect(readAuditor(chain.reader, epoch, publicKey)!.secret).toBeDefined()
  expect(view()).toMatchObject({ status: 'settled', promptTokens, receipt: { audit: { endHeight: unit.endHeight } } })
  await run(() => heightOf(plain) >= unit.endHeight)
  expect(readAuditedUnit(chain.reader, jobId)).toBeUndefined()
  expect(view()).toMatchObject({
    status: 'settled',
    promptTokens,
    receipt: { isAudited: true, audit: { verdicts: 1 } },
  })

  const account = accountOf(publicKey)
  const changed = chain.changes(chain.atHeight(unit.endHeight)!).find(({ key }) => key === accountKey(account))!
  const balance = (bytes: Uint8Array | undefined): bigint => readAccount({ get: () => bytes }, account).balance
  const fees = sentBy(plain, publicKey).filter(([, height]) => height === unit.endHeight).length
  const pay = partOf(unit.burnedGrains, params.audits.payPpm)
  expect(pay).toBeGreaterThan(0n)
  expect(balance(changed.after) - balance(changed.before)).toBe(pay - BigInt(fees) * params.fees.minTransactionGrains)
  expect(isBarred(chain.reader, unit.minerKey)).toBe(false)
  expect(readRegistration(chain.reader, ROLE_VERIFIER, publicKey)!.bond).toBe(params.bonds.verifierGrains)
})

test('a miner that garbles one step is accused, proven wrong, barred, and loses its bond', async () => {
  const net = await audited({ engine: onlyFirst(garbling) }, ['audits.steps=64'])
  const { plain, verifier, miners } = net
  const { chain } = plain.node
  const [garbler, honest] = miners.map(({ keys }) => keys.publicKey) as [Uint8Array, Uint8Array]
  const jobIds = await postUntil(net, () => isBarred(chain.reader, garbler))
  expect(readRegistration(chain.reader, ROLE_MINER, garbler)).toBeUndefined()
  const sent = sentBy(plain, verifier.keys.publicKey)
  const proof = sent.find(([kind]) => kind === 'fraudProof')!
  const accusation = sent.find(([kind]) => kind === 'accusation')!
  expect(proof[1] - accusation[1]).toBeGreaterThanOrEqual(network.context.params.audits.accusationDelayBlocks)
  const condemned = jobIds.map((id) => readAuditedUnit(chain.reader, id)).filter((unit) => unit?.isCondemned)
  expect(new Set(condemned.map((unit) => bytesToHex(unit!.minerKey)))).toEqual(new Set([bytesToHex(garbler)]))
  expect(isBarred(chain.reader, honest)).toBe(false)

  // Proven before it settled: the money went back, and `GET /jobs/:id` says so.
  const views = new JobViews(plain.node)
  const returned = jobIds.map((id) => views.view(bytesToHex(id))).find(({ receipt }) => receipt?.audit?.isCondemned)!
  expect(returned).toMatchObject({ status: 'returned', receipt: { isAudited: false, minerKey: bytesToHex(garbler) } })
  expect(returned.fee).toMatchObject({
    minerGrains: '0',
    verifierGrains: '0',
    burnedGrains: returned.promptBurnGrains,
    returnedGrains: returned.heldGrains,
  })
})

test('a miner that keeps back its openings is challenged and barred', async () => {
  const withholding = (runner: UnitRunner): UnitRunner => ({
    ...garbling(runner),
    openSteps: () => Promise.reject(new Error('no openings')),
  })
  const net = await audited({ engine: onlyFirst(withholding) })
  const { plain, verifier, miners } = net
  const { chain } = plain.node
  const [withholder, honest] = miners.map(({ keys }) => keys.publicKey) as [Uint8Array, Uint8Array]
  const jobIds = await postUntil(net, () => isBarred(chain.reader, withholder))
  const kinds = kindsOf(sentBy(plain, verifier.keys.publicKey))
  expect(kinds).toContain('challenge')
  expect(kinds).not.toContain('fraudProof')
  expect(isBarred(chain.reader, honest)).toBe(false)

  const views = new JobViews(plain.node)
  const condemned = jobIds.map((id) => views.view(bytesToHex(id))).find(({ receipt }) => receipt?.audit?.isCondemned)!
  expect(condemned).toMatchObject({ receipt: { isAudited: false, minerKey: bytesToHex(withholder) } })
})

test('a miner that answers nobody but the chain responds to its challenges and keeps its bond', async () => {
  // Peers ask for many steps at once, a challenge for one.
  const silent = (runner: UnitRunner): UnitRunner => ({
    ...runner,
    openSteps: (trace, steps) =>
      steps.length > 1 ? Promise.reject(new Error('no openings')) : runner.openSteps(trace, steps),
  })
  const net = await audited({ engine: silent })
  const { plain, job, post, run } = net
  const { chain } = plain.node
  const jobId = await post(job())
  await run(() => isDelivered(plain, jobId))
  await run(() => readChallenges(chain.reader, jobId).some(({ dueHeight }) => dueHeight === 0))
  const { minerKey, receiptHeight } = readAuditedUnit(chain.reader, jobId)!
  const { auditWindowBlocks } = network.context.params.jobs
  await run(() => heightOf(plain) >= receiptHeight + auditWindowBlocks + 12)
  expect(kindsOf(sentBy(plain, minerKey))).toContain('response')
  expect(isBarred(chain.reader, minerKey)).toBe(false)
  expect(readChallenges(chain.reader, jobId).every(({ dueHeight }) => dueHeight === 0)).toBe(true)
})

test('a verifier that restarts between commitment and reveal shows the secret it committed to', async () => {
  const net = await audited({})
  const { plain, verifier, job, post, run } = net
  const { params } = network.context
  const { chain } = plain.node
  const { store, keys } = verifier
  const jobId = await post(job())
  await run(() => readVerdicts(chain.reader, jobId).length === 1)
  const epoch = epochOf(params, readAuditedUnit(chain.reader, jobId)!.receiptHeight)
  expect(readAuditor(chain.reader, epoch, keys.publicKey)!.secret).toBeUndefined()
  const close = store.close
  store.close = () => undefined
  await network.stopMember(verifier)
  store.close = close
  const again = network.add('verifier', 'verifier', { store, keys, register: true })
  await network.startMember(again)
  await run(() => readAuditor(chain.reader, epoch, keys.publicKey)?.secret !== undefined)
  await run(() => heightOf(plain) >= epochWindows(params, epoch).revealEnd)
  expect(readRegistration(chain.reader, ROLE_VERIFIER, keys.publicKey)!.bond).toBe(params.bonds.verifierGrains)
  expect(kindsOf(sentBy(plain, keys.publicKey)).filter((kind) => kind === 'verdict')).toHaveLength(1)
})

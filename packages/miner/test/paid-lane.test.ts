/** Paid jobs on a network of real nodes: posted, assigned, executed by the real engine, delivered and paid. */
import type { TreeNode } from '@nacre/node'
import {
  accountOf,
  bytesToHex,
  commitTrace,
  decodeFee,
  decodeTransaction,
  divideFee,
  executeUnit,
  LANE_PAID,
  overrideParams,
  paramLines,
  presets,
  promptFee,
  type Receipt,
  readAccount,
  readImmature,
  syntheticModel,
  UNIT_MODEL_DIMS,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import type { LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import {
  client,
  type Delivered,
  heightOf,
  isAssigned,
  isDelivered,
  isSame,
  jobAt,
  type MarketNet,
  type MarketOptions,
  marketNet,
  PRICE,
  Runs,
  receiptsOf,
} from './market-net.ts'

let network: LocalNetwork
afterEach(() => network.stop())

async function market(miners: number, options: Omit<MarketOptions, 'miners'> = {}): Promise<MarketNet> {
  const net = await marketNet({ miners, ...options })
  network = net.network
  return net
}

test('a job is assigned, executed, delivered and paid, exact to the grain', async () => {
  const { plain, miners, runs, job, post, run } = await market(2)
  const before = readAccount(plain.node.chain.reader, accountOf(client.publicKey)).balance
  const body = job()
  const jobId = await post(body)
  await run(() => isDelivered(plain, jobId))
  const record = jobAt(plain, jobId)!
  const { rank, height, newTokens, traceRoot } = record.delivery!
  expect(rank).toBe(0)
  expect(runs.map((each) => each.of(body)).sort()).toEqual([0, 1])

  // The answer is what the model says, and the trace root is its trace's.
  const { model } = network.context.bootstrap
  const { promptTokens, maxNewTokens, decoding } = body
  const trace = executeUnit(model, { promptTokens, maxNewTokens, decoding })
  const [{ receipt }] = receiptsOf(plain, jobId) as [Delivered]
  expect(receipt.tokens).toEqual([...trace.tokens].slice(promptTokens.length))
  expect(traceRoot).toEqual(commitTrace(trace).traceRoot)

  await run(() => jobAt(plain, jobId) === undefined)
  const { params, market: rules } = network.context
  const { price, promptBurn } = record
  const { burned, verifiers, miner } = divideFee(rules, record, newTokens)
  const fee = promptFee(params, model.config, promptTokens.length, price) + decodeFee(model.config, newTokens, price)
  expect(promptBurn + burned + verifiers + miner).toBe(fee)
  const { reader } = plain.node.chain
  expect(readAccount(reader, accountOf(client.publicKey)).balance).toBe(before - fee - 1000n)
  const winner = miners.find(({ keys }) => isSame(keys.publicKey, record.ranks[0]!))!
  const paid = readImmature(reader, height + params.block.maturityBlocks).filter(({ account }) =>
    isSame(account, winner.agent.account),
  )
  expect(paid.map(({ grains }) => grains)).toContain(miner)
  await run(() => miners.some((each) => each.miner!.stats.jobsDelivered === 1))
  expect(miners.map((each) => each.miner!.stats.jobsDelivered).sort()).toEqual([0, 1])
  expect(miners.map((each) => each.miner!.stats.jobsMissed)).toEqual([0, 0])
})

test('rank 1 delivers when rank 0 is dead, once and in its own window', async () => {
  const { plain, miners, job, post, run } = await market(2)
  const jobId = await post(job())
  await run(() => isAssigned(plain, jobId))
  const [first, second] = [0, 1].map((rank) =>
    miners.find(({ keys }) => isSame(keys.publicKey, jobAt(plain, jobId)!.ranks[rank]!)),
  ) as [LocalMember, LocalMember]
  await network.stopMember(first)
  await run(() => isDelivered(plain, jobId))
  const { openedHeight, delivery } = jobAt(plain, jobId)!
  expect(delivery!.rank).toBe(1)
  expect(delivery!.height).toBeGreaterThan(openedHeight + network.context.params.jobs.assignmentWindowBlocks)
  await run(() => second.miner!.stats.jobsDelivered === 1)
  expect(second.miner!.stats.jobsMissed).toBe(0)
  expect(receiptsOf(plain, jobId)).toHaveLength(1)
})

test('a miner that is killed between signing and sending delivers after its restart, without another execution or signature', async () => {
  // No paid blocks, which would contain the receipt: this is about the transaction.
  const { plain, miners, runs, job, post, run } = await market(1, { overrides: ['jobs.paidDrawPpm=0'] })
  const [dying] = miners as [LocalMember]
  const signed: Uint8Array[] = []
  const publish = dying.node.publishTransaction.bind(dying.node)
  dying.node.publishTransaction = (bytes) => {
    if (decodeTransaction(bytes).body.kind !== 'receipt') return publish(bytes)
    signed.push(bytes)
    return new Promise(() => undefined)
  }
  const body = job()
  await post(body)
  await run(() => signed.length === 1)
  // The process is gone: it hears nothing, makes nothing, and nobody closes its store.
  network.members.splice(network.members.indexOf(dying), 1)
  network.hub.partition(
    [dying.name],
    network.members.map(({ name }) => name),
  )
  runs[0]!.isPaused = true
  const after = new Runs(() => network)
  const again = network.add('again', 'miner', {
    store: dying.store,
    keys: dying.keys,
    runner: after.runner,
    ask: PRICE,
  })
  await network.startMember(again)
  const { jobId } = decodeTransaction(signed[0]!).body as Receipt
  await run(() => isDelivered(plain, jobId))
  expect(runs[0]!.of(body)).toBe(1)
  expect(after.of(body)).toBe(0)
  const included = plain.node.chain
    .block(plain.node.chain.atHeight(jobAt(plain, jobId)!.delivery!.height)!)!
    .body.transactions.map(bytesToHex)
  expect(included).toContain(bytesToHex(signed[0]!))
})

/**
 *   ... - job - assign - receipt                     this miner's side
 *           \ assign' - x - x - ...                  the other side has more work: the answer goes out again, for assign'
 */
test('a reorganisation across the assignment: the same answer goes out for the other branch, without another execution', async () => {
  const windows = ['jobs.assignmentWindowBlocks=12', 'bonds.unbondingBlocks=40']
  const { plain, miners, runs, job, post, run } = await market(1, { overrides: windows })
  const [member] = miners as [LocalMember]
  const other = network.add('other', 'miner', { unitsInFlight: 2 })
  await network.startMember(other)
  await run(() => heightOf(other) === heightOf(plain))
  const body = job({ expiryHeight: heightOf(plain) + 39 })
  const jobId = await post(body)
  await run(() => [plain, other].every((each) => (jobAt(each, jobId)?.price ?? 0n) > 0n))
  network.hub.partition(['miner-0', 'plain', 'verifier'], ['other'])
  await run(() => isDelivered(member, jobId))
  const first = receiptsOf(member, jobId)[0]!.receipt
  runs[0]!.isPaused = true
  await run(() => isAssigned(other, jobId) && other.node.chain.tip.totalWork > member.node.chain.tip.totalWork)
  const assigned = jobAt(other, jobId)!
  network.hub.heal()
  await run(() => isDelivered(other, jobId))
  const [{ receipt }, ...more] = receiptsOf(other, jobId) as [Delivered]
  expect(more).toEqual([])
  expect(receipt.unitParentId).toEqual(other.node.chain.atHeight(assigned.openedHeight)!.id)
  expect(receipt.unitParentId).not.toEqual(first.unitParentId)
  expect({ ...receipt, unitParentId: first.unitParentId }).toEqual(first)
  expect(runs[0]!.of(body)).toBe(1)
})

test('rank 0 makes blocks of the units that it is paid for, with their receipts in them (UNT-2)', async () => {
  // As easy as the rules allow: at first every unit wins.
  const easy = `difficulty.genesisBits=${presets.unit.difficulty.maxTargetBits}`
  const { plain, miners, job, post, run } = await market(1, { overrides: [easy] })
  const paidBlocks = (): TreeNode[] => {
    const { chain } = plain.node
    return Array.from({ length: heightOf(plain) }, (_, i) => chain.atHeight(i + 1)!).filter(
      ({ header }) => header.unit.lane === LANE_PAID,
    )
  }
  for (let i = 0; i < 60 && paidBlocks().length === 0; i++) {
    await post(job({ decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(i), stopAtEos: true } }))
    const height = heightOf(plain)
    await run(() => heightOf(plain) > height)
  }
  const [block] = paidBlocks() as [TreeNode]
  const { jobId, parentId } = block.header.unit
  expect(parentId).toEqual(block.header.parentId)
  expect(receiptsOf(plain, jobId)).toEqual([
    { height: block.header.height, receipt: expect.objectContaining({ traceRoot: block.header.traceRoot }) },
  ])
  await run(() => miners[0]!.miner!.stats.jobsDelivered > 0)
  expect(miners[0]!.miner!.stats.jobsMissed).toBe(0)
})

test('many jobs at once are each executed once and delivered, by several units in flight', async () => {
  const options = { overrides: ['jobs.paidDrawPpm=0', 'jobs.assignmentWindowBlocks=4', 'bonds.unbondingBlocks=20'] }
  const { plain, miners, runs, job, post, run } = await market(1, { ...options, member: { unitsInFlight: 4 } })
  const bodies = Array.from({ length: 6 }, (_, i) => job({ promptTokens: [i + 1, 2, 3, 4] }))
  const jobIds: Uint8Array[] = []
  for (const body of bodies) jobIds.push(await post(body))
  const delivered = new Set<string>()
  await run(() => {
    for (const jobId of jobIds) if (isDelivered(plain, jobId)) delivered.add(bytesToHex(jobId))
    return delivered.size === jobIds.length
  })
  expect(bodies.map((body) => runs[0]!.of(body))).toEqual(bodies.map(() => 1))
  await run(() => miners[0]!.miner!.stats.jobsDelivered === 6)
  expect(miners[0]!.miner!.stats.jobsMissed).toBe(0)
})

test('an execution that fails is tried three times, then the window passes and the job counts as missed', async () => {
  const options = ['jobs.paidDrawPpm=0', 'jobs.assignmentWindowBlocks=6', 'bonds.unbondingBlocks=20']
  const { plain, miners, runs, job, post, run } = await market(1, { overrides: options })
  runs[0]!.isBroken = true
  const body = job()
  const jobId = await post(body)
  await run(() => isAssigned(plain, jobId))
  await run(() => jobAt(plain, jobId) === undefined)
  expect(receiptsOf(plain, jobId)).toEqual([])
  expect(runs[0]!.of(body)).toBe(3)
  await run(() => miners[0]!.miner!.stats.jobsMissed === 1)
  expect(miners[0]!.miner!.stats.jobsDelivered).toBe(0)
})

test('jobs of every registered model are executed, each by its own', async () => {
  const dims = { ...UNIT_MODEL_DIMS, ffnDim: 96 }
  const second = syntheticModel({ name: 'second', dims, seed: 'second', tiedHead: false })
  const lines = paramLines(presets.unit)
    .filter((line) => line.startsWith('models.0.'))
    .map((line) => line.replace('models.0.', 'models.1.'))
    .map((line) => line.replace(/(modelId=).*/, `$1${bytesToHex(second.modelId)}`))
  const params = overrideParams(presets.unit, lines)
  const { plain, job, post, run } = await market(1, { params, further: [second] })
  const body = job({ modelId: second.modelId })
  const jobId = await post(body)
  await run(() => isDelivered(plain, jobId))
  const { promptTokens, maxNewTokens, decoding } = body
  const trace = executeUnit(second, { promptTokens, maxNewTokens, decoding })
  expect(jobAt(plain, jobId)!.delivery!.traceRoot).toEqual(commitTrace(trace).traceRoot)
})

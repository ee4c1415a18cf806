import { sleep, type TreeNode } from '@nacre/node'
import {
  accountOf,
  bytesToHex,
  commitTrace,
  decodeFee,
  decodeTransaction,
  divideFee,
  encodeTransaction,
  executeUnit,
  FAUCET_SEED_HEX,
  hexToBytes,
  type Job,
  type JobRecord,
  type KeyPair,
  keyPairFromSeed,
  LANE_PAID,
  overrideParams,
  presets,
  promptFee,
  type Receipt,
  readAccount,
  readAsks,
  readImmature,
  readJob,
  readVerifiers,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import { type LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import type { UnitRunner } from '../src/unit-runner.ts'

const NCR = 100_000_000n
const faucet = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))
const client = keyPairFromSeed(new Uint8Array(32).fill(77))
const PRICE = 5n * NCR

let network: LocalNetwork
afterEach(() => network.stop())

async function send(via: LocalMember, keys: KeyPair, body: TransactionBody): Promise<Uint8Array> {
  const { node } = via
  const account = accountOf(keys.publicKey)
  let { nonce } = readAccount(node.chain.reader, account)
  for (const entry of node.mempool.waitingOf(account)) if (entry.nonce === nonce) nonce++
  const { chainId } = network.context.genesis
  return node.publishTransaction(encodeTransaction(signTransaction({ chainId, nonce, fee: 1000n, body }, keys)))
}

const run = async (until: () => boolean): Promise<void> => expect(await network.clock.runUntil(until)).toBe(true)
const heightOf = ({ node }: LocalMember): number => node.chain.tip.header.height
const jobAt = ({ node }: LocalMember, jobId: Uint8Array): JobRecord | undefined => readJob(node.chain.reader, jobId)
const isAssigned = (member: LocalMember, jobId: Uint8Array): boolean => (jobAt(member, jobId)?.openedHeight ?? 0) > 0
const isDelivered = (member: LocalMember, jobId: Uint8Array): boolean => jobAt(member, jobId)?.delivery !== undefined
const isSame = (a: Uint8Array, b: Uint8Array): boolean => bytesToHex(a) === bytesToHex(b)

/** What miners run, by the prompts: how often each job's, and a switch for all bootstrap units of one. */
class Runs {
  readonly #prompts: string[] = []
  isPaused = false

  readonly runner = (runner: UnitRunner): UnitRunner => ({
    ...runner,
    runUnit: async (job, signal) => {
      this.#prompts.push(job.task.promptTokens.join())
      while (this.isPaused && !signal.aborted) await sleep(network.clock, 100, signal)
      return runner.runUnit(job, signal)
    },
    executeUnit: (modelId, task, signal) => {
      this.#prompts.push(task.promptTokens.join())
      return runner.executeUnit(modelId, task, signal)
    },
  })

  of(job: Job): number {
    return this.#prompts.filter((prompt) => prompt === job.promptTokens.join()).length
  }
}

interface Market {
  /** Neither mines nor verifies. */
  readonly plain: LocalMember
  readonly miners: LocalMember[]
  /** Of each miner. */
  readonly runs: Runs[]
}

/** A network whose miners ask and whose verifier is registered, all from the faucet's grains. */
async function market(miners: number, ...overrides: string[]): Promise<Market> {
  network = new LocalNetwork({ seed: 'paid', miners: 0, params: overrideParams(presets.unit, overrides) })
  const plain = network.add('plain', 'plain')
  const verifier = network.add('verifier', 'verifier', { register: true })
  const runs = Array.from({ length: miners }, () => new Runs())
  const members = runs.map(({ runner }, i) =>
    network.add(`miner-${i}`, 'miner', { register: true, ask: PRICE, runner }),
  )
  await network.start()
  await run(() => heightOf(plain) >= 1)
  for (const keys of [client, verifier.keys, ...members.map((each) => each.keys)])
    await send(plain, faucet, { kind: 'transfer', to: accountOf(keys.publicKey), grains: 100n * NCR })
  const { modelId } = network.context.params.models[0]!
  await run(() => {
    const { reader } = plain.node.chain
    return readAsks(reader, modelId).length === miners && readVerifiers(reader) === 1
  })
  return { plain, miners: members, runs }
}

interface Delivered {
  readonly height: number
  readonly receipt: Receipt
}

/** The receipts of a job in the best chain. */
function receiptsOf({ node: { chain } }: LocalMember, jobId: Uint8Array): Delivered[] {
  const found: Delivered[] = []
  for (let height = 1; height <= chain.tip.header.height; height++)
    for (const bytes of chain.block(chain.atHeight(height)!)!.body.transactions) {
      const { body } = decodeTransaction(bytes)
      if (body.kind === 'receipt' && isSame(body.jobId, jobId)) found.push({ height, receipt: body })
    }
  return found
}

function job(plain: LocalMember, change: Partial<Job> = {}): Job {
  return {
    kind: 'job',
    modelId: network.context.bootstrap.model.modelId,
    promptTokens: [...'what is paid for?'].map((letter) => letter.charCodeAt(0)),
    maxNewTokens: 6,
    decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(3), stopAtEos: true },
    maxPrice: 10n * NCR,
    expiryHeight: heightOf(plain) + 30,
    ...change,
  }
}

test('a job is assigned, executed, delivered and paid, exact to the grain', async () => {
  const { plain, miners, runs } = await market(2)
  const before = readAccount(plain.node.chain.reader, accountOf(client.publicKey)).balance
  const body = job(plain)
  const jobId = await send(plain, client, body)
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
  expect(miners.map((each) => each.miner!.stats.jobsDelivered).sort()).toEqual([0, 1])
  expect(miners.map((each) => each.miner!.stats.jobsMissed)).toEqual([0, 0])
})

test('rank 1 delivers when rank 0 is dead, once and in its own window', async () => {
  const { plain, miners } = await market(2)
  const jobId = await send(plain, client, job(plain))
  await run(() => isAssigned(plain, jobId))
  const [first, second] = [0, 1].map((rank) =>
    miners.find(({ keys }) => isSame(keys.publicKey, jobAt(plain, jobId)!.ranks[rank]!)),
  ) as [LocalMember, LocalMember]
  await network.stopMember(first)
  await run(() => isDelivered(plain, jobId))
  const { openedHeight, delivery } = jobAt(plain, jobId)!
  expect(delivery!.rank).toBe(1)
  expect(delivery!.height).toBeGreaterThan(openedHeight + network.context.params.jobs.assignmentWindowBlocks)
  expect(second.miner!.stats).toMatchObject({ jobsDelivered: 1, jobsMissed: 0 })
  expect(receiptsOf(plain, jobId)).toHaveLength(1)
})

test('a miner that is killed between signing and sending delivers after its restart, without another execution or signature', async () => {
  // No paid blocks, which would contain the receipt: this is about the transaction.
  const { plain, miners, runs } = await market(1, 'jobs.paidDrawPpm=0')
  const [dying] = miners as [LocalMember]
  const signed: Uint8Array[] = []
  const publish = dying.node.publishTransaction.bind(dying.node)
  dying.node.publishTransaction = (bytes) => {
    if (decodeTransaction(bytes).body.kind !== 'receipt') return publish(bytes)
    signed.push(bytes)
    return new Promise(() => undefined)
  }
  const body = job(plain)
  await send(plain, client, body)
  await run(() => signed.length === 1)
  // The process is gone: it hears nothing, makes nothing, and nobody closes its store.
  network.members.splice(network.members.indexOf(dying), 1)
  network.hub.partition(
    [dying.name],
    network.members.map(({ name }) => name),
  )
  runs[0]!.isPaused = true
  const after = new Runs()
  const again = network.add('again', 'miner', {
    store: dying.store,
    keys: dying.keys,
    runner: after.runner,
    ask: PRICE,
  })
  await network.startMember(again)
  const jobId = (decodeTransaction(signed[0]!).body as Receipt).jobId
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
  const { plain, miners, runs } = await market(1, 'jobs.assignmentWindowBlocks=12', 'bonds.unbondingBlocks=40')
  const [member] = miners as [LocalMember]
  const other = network.add('other', 'miner', { unitsInFlight: 2 })
  await network.startMember(other)
  await run(() => heightOf(other) === heightOf(plain))
  const body = job(plain, { expiryHeight: heightOf(plain) + 39 })
  const jobId = await send(plain, client, body)
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
  const { plain, miners } = await market(1, `difficulty.genesisBits=${presets.unit.difficulty.maxTargetBits}`)
  const paidBlocks = (): TreeNode[] => {
    const { chain } = plain.node
    return Array.from({ length: heightOf(plain) }, (_, i) => chain.atHeight(i + 1)!).filter(
      ({ header }) => header.unit.lane === LANE_PAID,
    )
  }
  for (let i = 0; i < 60 && paidBlocks().length === 0; i++) {
    const seed = new Uint8Array(32).fill(i)
    await send(plain, client, job(plain, { decoding: { temperatureMilli: 700, seed, stopAtEos: true } }))
    const height = heightOf(plain)
    await run(() => heightOf(plain) > height)
  }
  const [block] = paidBlocks() as [TreeNode]
  const { jobId, parentId } = block.header.unit
  expect(parentId).toEqual(block.header.parentId)
  expect(receiptsOf(plain, jobId)).toEqual([
    { height: block.header.height, receipt: expect.objectContaining({ traceRoot: block.header.traceRoot }) },
  ])
  await run(() => miners[0]!.miner!.stats.jobsMissed + miners[0]!.miner!.stats.jobsDelivered > 0)
  expect(miners[0]!.miner!.stats.jobsMissed).toBe(0)
})

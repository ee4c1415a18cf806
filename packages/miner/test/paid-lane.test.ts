import {
  accountOf,
  bytesToHex,
  decodeFee,
  divideFee,
  encodeTransaction,
  executeUnit,
  FAUCET_SEED_HEX,
  hexToBytes,
  type Job,
  type JobRecord,
  type KeyPair,
  keyPairFromSeed,
  type Params,
  presets,
  promptFee,
  readAccount,
  readAsks,
  readImmature,
  readJob,
  readVerifiers,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import { type LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'

const NCR = 100_000_000n
const faucet = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))
const client = keyPairFromSeed(new Uint8Array(32).fill(77))
const PRICE = 5n * NCR

let network: LocalNetwork
afterEach(() => network.stop())

async function send(via: LocalMember, keys: KeyPair, body: TransactionBody): Promise<Uint8Array> {
  const { node } = via
  const account = accountOf(keys.publicKey)
  let { nonce } = readAccount(node.chain.tipState().reader, account)
  for (const entry of node.mempool.waitingOf(account)) if (entry.nonce === nonce) nonce++
  const { chainId } = network.context.genesis
  return node.publishTransaction(encodeTransaction(signTransaction({ chainId, nonce, fee: 1000n, body }, keys)))
}

const run = (until: () => boolean): Promise<boolean> => network.clock.runUntil(until)
const heightOf = ({ node }: LocalMember): number => node.chain.tip.header.height
const jobAt = ({ node }: LocalMember, jobId: Uint8Array): JobRecord | undefined =>
  readJob(node.chain.tipState().reader, jobId)

/** A network whose miners ask and whose verifier is registered, all from the faucet's grains. */
async function market(
  options: { readonly miners: number; readonly params?: Params; readonly seed?: string } = { miners: 2 },
): Promise<{ plain: LocalMember; miners: LocalMember[] }> {
  network = new LocalNetwork({ seed: options.seed ?? 'paid', miners: 0, params: options.params ?? presets.unit })
  const plain = network.add('plain', 'plain')
  const verifier = network.add('verifier', 'verifier', { register: true })
  const miners = Array.from({ length: options.miners }, (_, i) =>
    network.add(`miner-${i}`, 'miner', { register: true, ask: PRICE }),
  )
  await network.start()
  await run(() => heightOf(plain) >= 1)
  for (const keys of [client, verifier.keys, ...miners.map((each) => each.keys)])
    await send(plain, faucet, { kind: 'transfer', to: accountOf(keys.publicKey), grains: 100n * NCR })
  const modelId = network.context.params.models[0]!.modelId
  await run(() => {
    const { reader } = plain.node.chain.tipState()
    return readAsks(reader, modelId).length === miners.length && readVerifiers(reader) === 1
  })
  return { plain, miners }
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

describe('a job', () => {
  test('is assigned, executed, delivered and paid, exact to the grain', async () => {
    const { plain, miners } = await market()
    const before = readAccount(plain.node.chain.tipState().reader, accountOf(client.publicKey)).balance
    const body = job(plain)
    const jobId = await send(plain, client, body)
    await run(() => (jobAt(plain, jobId)?.delivery ?? undefined) !== undefined)
    const record = jobAt(plain, jobId)!
    expect(record.delivery!.rank).toBe(0)

    // The answer is what the model says.
    const { model } = network.context.bootstrap
    const answer = executeUnit(model, { promptTokens: body.promptTokens, maxNewTokens: 6, decoding: body.decoding })
    expect(record.delivery!.newTokens).toBe(answer.tokens.length - body.promptTokens.length)

    await run(() => jobAt(plain, jobId) === undefined)
    const { params, market: rules } = network.context
    const { price, maxNewTokens, promptBurn } = record
    const newTokens = record.delivery!.newTokens
    const parts = divideFee(rules, record, newTokens)
    const fee =
      promptFee(params, model.config, body.promptTokens.length, price) + decodeFee(model.config, newTokens, price)
    expect(promptBurn + parts.burned + parts.verifiers + parts.miner).toBe(fee)
    expect(maxNewTokens).toBe(6)
    const { reader } = plain.node.chain.tipState()
    expect(readAccount(reader, accountOf(client.publicKey)).balance).toBe(before - fee - 1000n)
    const winner = miners.find(({ keys }) => bytesToHex(keys.publicKey) === bytesToHex(record.ranks[0]!))!
    const settled = record.delivery!.height + params.jobs.auditWindowBlocks
    const pays = readImmature(reader, settled + params.block.maturityBlocks - params.jobs.auditWindowBlocks)
    expect(
      pays.filter(({ account }) => bytesToHex(account) === bytesToHex(winner.agent.account)).map((each) => each.grains),
    ).toContain(parts.miner)
    await run(() => miners.some(({ miner }) => miner!.stats.jobsDelivered === 1))
    expect(miners.map(({ miner }) => miner!.stats.jobsDelivered + miner!.stats.jobsMissed).sort()).toEqual([0, 1])
  })
})

/** UNT-2 in a node: paid blocks are validated like any other, on the best branch and beside it, and survive a reorganisation. */
import {
  accountOf,
  assembleBlock,
  bestTicket,
  blockId,
  buildTicketProof,
  commitTrace,
  drawUnit,
  encodeTransaction,
  executeUnit,
  type Job,
  type KeyPair,
  paidTask,
  readAccount,
  readCleared,
  readJob,
  signTransaction,
  type TransactionBody,
  unitId,
} from '@nacre/protocol'
import { expect, test } from 'vitest'
import { ChainBench } from './support/chain-bench.ts'
import { ancestryOf, Forge, type Forged, faucetKeys, keysOf, transferTo } from './support/forge.ts'

const miner = keysOf('rank 0')

function transactionOn(forge: Forge, parent: Forged, keys: KeyPair, body: TransactionBody): Uint8Array {
  const { nonce } = readAccount({ get: (key) => parent.entries.get(key) }, accountOf(keys.publicKey))
  const { chainId } = forge.context.genesis
  return encodeTransaction(signTransaction({ chainId, nonce, fee: 1000n, body }, keys))
}

/** The block of the job that `parent` assigned, kept under its label. */
function minePaid(forge: Forge, label: string, parent: Forged, jobId: Uint8Array): void {
  const { context } = forge
  const { model, params: modelParams } = context.bootstrap
  const reader = { get: (key: string) => parent.entries.get(key) }
  const task = paidTask(reader, jobId, readJob(reader, jobId)!)
  const unit = { lane: 1, modelId: model.modelId, parentId: parent.id, jobId, counter: 0 } as const
  const id = unitId(unit, miner.publicKey)
  const trace = executeUnit(model, task)
  const { traceRoot, subroots, top } = commitTrace(trace)
  const draw = { modelParams, model, parentBeacon: parent.header.beacon, unitId: id, minerKey: miner.publicKey }
  const ticket = bestTicket(drawUnit({ ...draw, trace, traceRoot }))!
  const proof = buildTicketProof(trace, subroots, top, ticket.position, modelParams.tileRows)
  const tokens = [...trace.tokens]
  const generated = tokens.slice(task.promptTokens.length)
  const body: TransactionBody = { kind: 'receipt', jobId, unitParentId: parent.id, traceRoot, tokens: generated }
  const block = assembleBlock({
    context,
    ancestry: ancestryOf(parent),
    timeMs: parent.header.timeMs + context.params.block.timeMs,
    won: { unit, tokens, task, traceRoot, ticket, proof },
    transactions: [transactionOn(forge, parent, miner, body)],
    reader,
    ltHash: parent.ltHash,
    keys: miner,
  })
  forge.add(label, parent, block, trace, miner)
}

/**
 *   genesis - fund - register - ask - job - assign - paid
 *                                         \ other - longer - longest
 */
test('a paid block becomes the tip, gives way to a heavier branch, and is taken in beside one', async () => {
  const forge = new Forge()
  const { modelId } = forge.context.bootstrap.model
  const steps: [label: string, on: string, keys: KeyPair, body: TransactionBody][] = [
    ['fund', 'genesis', faucetKeys, transferTo(miner, 10n ** 10n)],
    ['register', 'fund', miner, { kind: 'minerRegister' }],
    ['ask', 'register', miner, { kind: 'ask', modelId, price: 10n ** 9n, capacityMacs: 10n ** 9n }],
  ]
  const job: Job = {
    kind: 'job',
    modelId,
    promptTokens: [...'what is paid for?'].map((letter) => letter.charCodeAt(0)),
    maxNewTokens: 4,
    decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(3), stopAtEos: true },
    maxPrice: 10n ** 10n,
    expiryHeight: 20,
  }
  for (const [label, on, keys, body] of [...steps, ['job', 'ask', faucetKeys, job] as const])
    forge.mine(label, on, { transactions: [transactionOn(forge, forge.get(on), keys, body)] })
  const [jobId] = readCleared({ get: (key) => forge.get('job').entries.get(key) })
  forge.mine('assign', 'job')
  minePaid(forge, 'paid', forge.get('assign'), jobId!)
  forge.mine('other longer longest', 'job')

  const bench = new ChainBench(forge)
  await bench.best('fund register ask job assign paid')
  expect(bench.replayed.at(-1)).toBe('paid')
  await bench.side('other longer')
  await bench.best('longest')

  const beside = new ChainBench(forge)
  await beside.best('fund register ask job other longer longest')
  await beside.side('assign')
  expect(await beside.chain.offer(forge.block('paid'), 'sync')).toBe('side')
  expect(beside.replayed.at(-1)).toBe('paid')
  expect(blockId(forge.block('paid').header)).toEqual(forge.get('paid').id)
})

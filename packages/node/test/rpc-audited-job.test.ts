/** A job that is over, as `GET /jobs/ID` tells it where audits keep its prompt in the state after the job has left. */
import {
  bytesToHex,
  createContext,
  type Job,
  type KeyPair,
  overrideParams,
  transactionIdOfBytes,
  unitCorpus,
  unitModel,
} from '@nacre/protocol'
import { expect, test } from 'vitest'
import { easyParams } from '../../protocol/test/chain-fixture.ts'
import { JobViews } from '../src/rpc/job.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { NodeNet } from './support/node-net.ts'

const NCR = 100_000_000n

test('a settled job still has its prompt while its answer can be audited', async () => {
  const params = overrideParams(easyParams, [
    'audits.mode=on',
    'block.maturityBlocks=24',
    'bonds.unbondingBlocks=40',
    'jobs.auditWindowBlocks=6',
  ])
  const context = createContext(params, unitModel(), unitCorpus())
  const forge = new Forge(context)
  const net = new NodeNet(forge)
  const { modelId, config } = context.bootstrap.model
  const [miner, client] = ['m', 'c'].map(keysOf) as [KeyPair, KeyPair]
  const job: Job = {
    ...{ kind: 'job', modelId, promptTokens: [60, 61, 62, 63], maxNewTokens: 4, maxPrice: 10n * NCR, expiryHeight: 30 },
    decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
  }
  const jobBytes = transactionOf(context, client, 0n, job)
  const jobId = transactionIdOfBytes(jobBytes)
  forge.mine('fund', 'genesis', {
    transactions: [miner, client].map((to, i) =>
      transactionOf(context, faucetKeys, BigInt(i), transferTo(to, 100n * NCR)),
    ),
  })
  forge.mine('register', 'fund', { transactions: [transactionOf(context, miner, 0n, { kind: 'minerRegister' })] })
  const ask = { kind: 'ask', modelId, price: 4n * NCR, capacityMacs: 7_000_000n } as const
  forge.mine('ask', 'register', { transactions: [transactionOf(context, miner, 1n, ask)] })
  forge.mine('job', 'ask', { transactions: [jobBytes] })
  forge.mine('assign', 'job')
  const receipt = transactionOf(context, miner, 2n, {
    ...{ kind: 'receipt', jobId, traceRoot: new Uint8Array(32).fill(0x7a), tokens: [10, 11, config.eosToken] },
    unitParentId: forge.get('assign').id,
  })
  forge.mine('receipt', 'assign', { transactions: [receipt] })
  const later = ['s1', 's2', 's3', 's4', 's5', 's6', 's7', 's8']
  forge.mine(later.join(' '), 'receipt')
  const { node } = await net.node('node')
  for (const label of ['fund', 'register', 'ask', 'job', 'assign', 'receipt', ...later])
    await node.publishBlock(forge.block(label))
  const view = new JobViews(node).view(bytesToHex(jobId))
  expect(view).toMatchObject({
    status: 'settled',
    promptTokens: job.promptTokens,
    receipt: { tokens: [10, 11, config.eosToken] },
  })
  await net.stop()
})

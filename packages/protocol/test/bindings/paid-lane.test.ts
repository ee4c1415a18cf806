/**
 * B1 and B5 in the paid lane (UNT-2): a block of an assigned job executes that job and draws once. Without B1 it may execute something
 * else, without B5 it draws its trace again; the receipt, the rank and the parent are asked for all the same.
 */
import { expect, test } from 'vitest'
import {
  type Block,
  checkBody,
  checkHeaderForm,
  checkTicketProof,
  checkTransition,
  checkWinner,
  type KeyPair,
  paidTask,
  readJob,
  type TransactionBody,
  type UnitDescriptor,
  type UnitTask,
} from '../../src/index.ts'
import { mineUnit, type TestChain, testKeys, transactionOn } from '../chain-fixture.ts'
import { accepted, rejected } from '../rules/verbs.ts'
import { assignedJob } from './network.ts'

/** The job goes to one of two miners: whichever the beacon of the network draws. */
function drawn(lines: readonly string[]): { chain: TestChain; unit: UnitDescriptor; task: UnitTask; keys: KeyPair } {
  const [client, other] = [testKeys(1), testKeys(2)]
  const { chain, jobId } = assignedJob(client, other, lines)
  const job = readJob(chain.state, jobId)!
  const keys = [client, other].find(({ publicKey }) => publicKey.join() === job.ranks[0]!.join())!
  const unit = { lane: 1, modelId: job.modelId, parentId: chain.base.parentId, jobId, counter: 0 } as const
  return { chain, unit, task: paidTask(chain.state, jobId, job), keys }
}

function blockOf({ chain, unit, task, keys }: ReturnType<typeof drawn>): Block {
  const input = { ...chain.base, keys }
  return mineUnit(input, unit, task, ({ tokens, shape }, traceRoot) => {
    const generated = [...tokens.subarray(shape.promptTokens)]
    const body: TransactionBody = {
      kind: 'receipt',
      jobId: unit.jobId,
      unitParentId: unit.parentId,
      traceRoot,
      tokens: generated,
    }
    return [transactionOn(chain.context, chain.state, keys, body)]
  }).block
}

function validate(chain: TestChain, block: Block): void {
  const { context, state, ancestry } = chain
  checkHeaderForm(context, block.header)
  checkBody(context, block)
  checkTicketProof(context, block, ancestry.recent.at(-1)!.beacon)
  checkTransition(context, block, state, state.ltHash)
  checkWinner(context, block)
}

test.each([
  ['another prompt', (task: UnitTask): UnitTask => ({ ...task, promptTokens: task.promptTokens.map(() => 32) })],
  ['a longer prompt', (task: UnitTask): UnitTask => ({ ...task, promptTokens: [...task.promptTokens, 1, 2, 3, 4] })],
])('B1: %s than the job has', (_, other) => {
  const on = drawn([])
  accepted(() => validate(on.chain, blockOf(on)))
  const isLonger = other(on.task).promptTokens.length > on.task.promptTokens.length
  // The ledger, which assembles the block, knows the length; the prompt itself is compared by validation.
  rejected(isLonger ? 'UNIT_SHAPE' : 'UNIT_PROMPT', () => validate(on.chain, blockOf({ ...on, task: other(on.task) })))
  const off = drawn(['bindings.assignedInputs=off'])
  const block = blockOf({ ...off, task: other(off.task) })
  accepted(() => validate(off.chain, block))
  expect(off.chain.add(block).summary.fees).toBe(1000n)
})

test('B1 off: the receipt is still of the job', () => {
  const off = drawn(['bindings.assignedInputs=off'])
  const { decoding } = off.task
  rejected('RECEIPT_TOKENS', () =>
    blockOf({ ...off, task: { ...off.task, maxNewTokens: 5, decoding: { ...decoding, stopAtEos: false } } }),
  )
})

test('B5: a paid unit with a counter', () => {
  const on = drawn([])
  const { header } = blockOf(on)
  rejected('UNIT_LANE', () => checkHeaderForm(on.chain.context, { ...header, unit: { ...on.unit, counter: 1 } }))
  const off = drawn(['bindings.singleUse=off'])
  const [first, again] = [0, 1].map((counter) => blockOf({ ...off, unit: { ...off.unit, counter } })) as [Block, Block]
  accepted(() => validate(off.chain, first))
  accepted(() => validate(off.chain, again))
  expect(again.header.traceRoot).toEqual(first.header.traceRoot)
  expect(again.header.beacon).not.toEqual(first.header.beacon)
})

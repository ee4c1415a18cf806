/** What may be shown or drawn again: nothing stops it, and each says why. */
import { bytesToHex, executeUnit, LANE_PAID, paidTask, readAuditedUnit, readJob, type Trace } from '@nacre/protocol'
import { audited } from '../../../../packages/protocol/test/audit-fixture.ts'
import { mineUnit, TestChain, testKeys } from '../../../../packages/protocol/test/chain-fixture.ts'
import { MINER } from '../../../../packages/protocol/test/ledger-fixture.ts'
import type { OpenAttack } from '../../attack.ts'
import { assigned } from '../../fixtures/assigned-job.ts'
import { auditUnit } from '../../fixtures/audited-ledger.ts'
import { makePaidChain, type PaidChain, paidBlock, validateNext } from '../../fixtures/paid-chain.ts'

/** The same job on two branches: their last blocks differ, and assign it to the same miner first. */
function twoBranches(): readonly [PaidChain, PaidChain] {
  const one = makePaidChain()
  for (let seed = 3; ; seed++) {
    const chain = new TestChain(one.chain.context)
    for (const block of one.chain.blocks.slice(0, -1)) chain.add(block)
    chain.mine(testKeys(seed))
    const [first] = readJob(chain.state, one.jobId)!.ranks
    if (bytesToHex(first!) === bytesToHex(one.ranks[0].publicKey)) return [one, { ...one, chain }]
  }
}

/** The trace of the chain's job, as its miner keeps it. */
function keptTrace({ chain, jobId }: PaidChain): Trace {
  const job = readJob(chain.state, jobId)!
  return executeUnit(chain.context.bootstrap.model, paidTask(chain.state, jobId, job))
}

/** The receipt of a paid unit on a chain's tip. */
const receiptOf =
  ({ chain, jobId, ranks }: PaidChain) =>
  ({ tokens, shape }: Trace, traceRoot: Uint8Array): readonly Uint8Array[] => {
    const receipt = { kind: 'receipt', jobId, unitParentId: chain.base.parentId, traceRoot } as const
    return [chain.tx(ranks[0], { ...receipt, tokens: [...tokens.subarray(shape.promptTokens)] })]
  }

export const notStopped: readonly OpenAttack[] = [
  {
    id: 'replay/copied-answer',
    actor: 'miner',
    targets: 'P2',
    on: 'protocol',
    story:
      'Those who mine leave the receipt of rank 0 out for its window. Rank 1, which has executed nothing, copies answer and trace root from it and is paid.',
    because:
      'A receipt shows the answer before it is in a block. It takes all blocks of a window, in each of which rank 0 offers its receipt. What is copied is audited like any other answer, so a wrong one condemns who signed it, and a step that is asked for has to be executed after all.',
    run: () => {
      const { ledger, jobId, ranks } = assigned()
      const copied = ledger.receiptBody(jobId)
      ledger.blocks(ledger.params.jobs.assignmentWindowBlocks, MINER)
      ledger.block([ledger.tx(ranks[1], copied)])
      return readJob(ledger, jobId)?.delivery?.rank === 1
    },
  },
  {
    id: 'replay/kept-trace-on-another-branch',
    actor: 'miner',
    targets: 'B5',
    on: 'protocol',
    story:
      'A paid unit has lost on one branch. On another one the same job went to the same miner, which draws its kept trace there and executes nothing.',
    because:
      'The task of a paid unit does not name a branch, so its trace is the same on all. Each draw costs the ticket operations, which is why a paid ticket counts `jobs.paidDrawPpm` of a bootstrap ticket, below what those operations cost on the kernels that were measured; premiums stay within `mintable` however often a unit is drawn.',
    run: () => {
      const [here, there] = twoBranches()
      const { state, base } = there.chain
      const { jobId, ranks } = there
      const kept = keptTrace(here)
      const job = readJob(state, jobId)!
      const unit = { lane: LANE_PAID, modelId: job.modelId, parentId: base.parentId, jobId, counter: 0 } as const
      const task = paidTask(state, jobId, job)
      const { block } = mineUnit({ ...base, keys: ranks[0] }, unit, task, receiptOf(there), { trace: kept })
      validateNext(here.chain, paidBlock(here))
      validateNext(there.chain, block)
      return true
    },
  },
  {
    id: 'replay/one-trace-for-equal-jobs',
    actor: 'miner',
    targets: 'B5',
    on: 'protocol',
    story:
      'A client asks the same thing twice. Whoever has the second job delivers the trace root and the answer of the first receipt, executes nothing, and opens every step that an audit draws.',
    because:
      'Equal tasks have equal traces, and the answer is the right one. The client pays twice for what it asked twice; a temperature with another seed, or one token more, is another task. As a draw it is a kept trace like any other: it costs the ticket operations and counts `jobs.paidDrawPpm`.',
    run: () => {
      const ledger = audited()
      const first = ledger.deliver()
      const jobId = ledger.post({ expiryHeight: ledger.height + 30 })
      ledger.block()
      const { shape, tokens } = first.kept.trace
      const copied = { traceRoot: first.kept.traceRoot, tokens: [...tokens.slice(shape.promptTokens)] }
      ledger.block([ledger.tx(ledger.rank(jobId, 0), ledger.receiptBody(jobId, copied))])
      const unit = readAuditedUnit(ledger, jobId)!
      for (const byte of [1, 2, 3]) auditUnit(ledger, jobId, unit, new Uint8Array(32).fill(byte), first.kept)
      return readJob(ledger, jobId)?.delivery !== undefined
    },
  },
]

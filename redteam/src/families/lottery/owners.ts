/** Draws that belong to somebody else, or to nobody: other keys, other lanes, two headers for one win. */
import {
  applyBlockBody,
  type Block,
  checkBody,
  checkTransition,
  equalBytes,
  headerCodec,
  headerTicketHash,
  type KeyPair,
  LANE_PAID,
  nextBeacon,
  paidTask,
  readJob,
  signHeader,
} from '@nacre/protocol'
import { MemoryState, mineUnit, TestChain, testKeys } from '../../../../packages/protocol/test/chain-fixture.ts'
import { FAUCET, transactionOf } from '../../../../packages/protocol/test/ledger-fixture.ts'
import type { Outcome, StoppedAttack } from '../../attack.ts'
import { firstBlock } from '../../fixtures/first-block.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import { changedNext, makePaidChain, paidBlock, paidChain, validateNext } from '../../fixtures/paid-chain.ts'

/** The paid block of rank 0 is valid; what is made instead meets its code. */
function paidInstead(make: () => Block, validate = validateNext): Promise<Outcome> {
  const { chain } = paidChain()
  return outcomeOf(
    () => validate(chain, paidBlock(paidChain())),
    () => validate(chain, make()),
  )
}

/** A unit of the chain's job with another counter, drawn and delivered by rank 0. */
function withCounter(counter: number): Block {
  const { chain, jobId, ranks } = paidChain()
  const { base, state } = chain
  const job = readJob(state, jobId)!
  const unit = { lane: LANE_PAID, modelId: job.modelId, parentId: base.parentId, jobId, counter } as const
  return mineUnit({ ...base, keys: ranks[0] }, unit, paidTask(state, jobId, job), ({ tokens, shape }, traceRoot) => {
    const receipt = { kind: 'receipt', jobId, unitParentId: base.parentId, traceRoot } as const
    return [chain.tx(ranks[0], { ...receipt, tokens: [...tokens.subarray(shape.promptTokens)] })]
  }).block
}

/** A node that has heard of two headers of one miner refuses the miner's next block. */
async function equivocate(
  second: (one: Awaited<ReturnType<typeof firstBlock>>) => Parameters<typeof headerCodec.encode>[0],
): Promise<Outcome> {
  const one = await firstBlock()
  const { context, block, genesis, miner } = one
  const mineNext = (evidence: readonly Uint8Array[]): void => {
    const state = new MemoryState(context)
    const on = (key: KeyPair, height: number, transactions: readonly Uint8Array[]) =>
      applyBlockBody(context, { ...block.header, height, minerKey: key.publicKey }, transactions, state, state.ltHash)
    state.apply(on(testKeys(2), 1, evidence))
    on(miner, 2, [])
  }
  const [evidenceA, evidenceB] = [block.header, second(one)].map((header) => headerCodec.encode(header))
  const body = { kind: 'equivocation', evidenceA: evidenceA!, evidenceB: evidenceB! } as const
  return outcomeOf(
    () => mineNext([]),
    () => mineNext([transactionOf(FAUCET, 0n, body, 1000n, genesis.chainId)]),
  )
}

export const owners: readonly StoppedAttack[] = [
  onProtocol({
    id: 'lottery/stolen-ticket',
    actor: 'peer',
    targets: 'B1',
    story: 'A block is taken from the network and signed again with the thief’s key as its miner, before it spreads.',
    rule: 'UNT-3',
    code: 'UNIT_PROMPT',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'prompt.every((token, i) => body.tokens[i] === token)',
      to: 'true',
    },
    run: async () => {
      const one = await firstBlock()
      const thief = testKeys(2)
      const header = { ...one.block.header, minerKey: thief.publicKey }
      const beacon = nextBeacon(one.genesis.header.beacon, headerTicketHash(header))
      return outcomeOf(
        () => one.validate(one.block),
        () => one.validate({ ...one.block, header: signHeader({ ...header, beacon }, thief) }),
      )
    },
  }),
  onProtocol({
    id: 'lottery/draw-of-another-rank',
    actor: 'miner',
    targets: 'B1',
    story: 'The fallback of an assigned job executes it as well and draws on it, as if it were rank 0.',
    rule: 'UNT-2',
    code: 'UNIT_RANK',
    check: { file: protocolFile('ledger/apply-block.ts'), from: 'equalBytes(job.ranks[0]!, minerKey)', to: 'true' },
    run: () => paidInstead(() => paidBlock(paidChain(), paidChain().ranks[1])),
  }),
  onProtocol({
    id: 'lottery/draw-before-assignment',
    actor: 'coalition',
    targets: 'B1',
    story: 'A client draws as a miner on its own job in the block after posting it, before any beacon has assigned it.',
    rule: 'UNT-2',
    code: 'UNIT_JOB',
    check: { file: protocolFile('ledger/apply-block.ts'), from: ' || job.openedHeight === 0', to: '' },
    run: () => {
      const { chain, jobId, ranks } = paidChain()
      const early = new TestChain(chain.context)
      for (const block of chain.blocks.slice(0, -1)) early.add(block)
      const { base, state } = early
      const job = readJob(state, jobId)!
      const unit = { lane: LANE_PAID, modelId: job.modelId, parentId: base.parentId, jobId, counter: 0 } as const
      return paidInstead(
        () => mineUnit({ ...base, keys: ranks[0] }, unit, paidTask(state, jobId, job), () => []).block,
        (on, block) => validateNext(equalBytes(block.header.parentId, base.parentId) ? early : on, block),
      )
    },
  }),
  onProtocol({
    id: 'lottery/kept-trace-drawn-later',
    actor: 'miner',
    targets: 'B5',
    story: 'A paid unit lost in its block; its trace is kept and drawn for again in the block after.',
    rule: 'UNT-2',
    code: 'UNIT_PARENT',
    check: { file: protocolFile('ledger/apply-block.ts'), from: 'job.openedHeight === height - 1 && ', to: '' },
    run: () => {
      const late = makePaidChain()
      late.chain.mine(testKeys(3))
      return outcomeOf(
        () => validateNext(paidChain().chain, paidBlock(paidChain())),
        () => validateNext(late.chain, paidBlock(late)),
      )
    },
  }),
  onProtocol({
    id: 'lottery/nonce-in-the-paid-lane',
    actor: 'miner',
    targets: 'B5',
    story: 'A paid unit is drawn under a counter: the same trace, another unit id, and so other noise and tickets.',
    rule: 'UNT-1',
    code: 'UNIT_LANE',
    check: {
      file: protocolFile('unit/unit-id.ts'),
      from: "unit.counter === 0 || singleUse === 'off'",
      to: 'true',
    },
    run: () => paidInstead(() => withCounter(1)),
  }),
  onProtocol({
    id: 'lottery/win-without-delivery',
    actor: 'miner',
    targets: 'P1',
    story:
      'Rank 0 takes the draw of a paid unit and leaves the receipt out, so that client and auditors see no answer.',
    rule: 'UNT-2',
    code: 'BLOCK_RECEIPT',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: "check(isOwn, 'BLOCK_RECEIPT'",
      to: "check(true, 'BLOCK_RECEIPT'",
    },
    run: () => {
      const { chain, ranks } = paidChain()
      return paidInstead(
        () => changedNext(chain, paidBlock(paidChain()), ranks[0], {}, { transactions: [] }),
        ({ context }, block) => checkBody(context, block),
      )
    },
  }),
  onProtocol({
    id: 'lottery/another-job-executed',
    actor: 'miner',
    targets: 'B1',
    story: 'Rank 0 executes a prompt that it knows instead of the job’s, and draws on that.',
    rule: 'UNT-2',
    code: 'UNIT_PROMPT',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'equalNumbers(claimed.promptTokens, assigned.promptTokens)',
      to: 'true',
    },
    run: () => {
      const { chain, jobId, ranks } = paidChain()
      const { base, state } = chain
      const job = readJob(state, jobId)!
      const task = paidTask(state, jobId, job)
      const easy = { ...task, promptTokens: task.promptTokens.map(() => 32) }
      const unit = { lane: LANE_PAID, modelId: job.modelId, parentId: base.parentId, jobId, counter: 0 } as const
      const make = (): Block =>
        mineUnit({ ...base, keys: ranks[0] }, unit, easy, ({ tokens, shape }, traceRoot) => {
          const receipt = { kind: 'receipt', jobId, unitParentId: base.parentId, traceRoot } as const
          return [chain.tx(ranks[0], { ...receipt, tokens: [...tokens.subarray(shape.promptTokens)] })]
        }).block
      return paidInstead(make, ({ context, state: before }, block) =>
        checkTransition(context, block, before, before.ltHash),
      )
    },
  }),
  onProtocol({
    id: 'lottery/two-blocks-for-one-ticket',
    actor: 'miner',
    targets: 'B5',
    story: 'One win is signed as two blocks, so that each half of the network builds on another.',
    rule: 'BLK-3',
    code: 'BLOCK_KEY_BARRED',
    check: {
      file: protocolFile('block/equivocation.ts'),
      from: 'if (equalBytes(headerTicketHash(a, bindings), headerTicketHash(b, bindings))) return true',
      to: '',
    },
    run: () => equivocate((one) => one.signedHeader({ timeMs: one.NOW_MS + 1 })),
  }),
  onProtocol({
    id: 'lottery/two-traces-for-one-unit',
    actor: 'miner',
    targets: 'B5',
    story: 'One unit is signed with two trace roots: a second set of draws, whichever of them is true.',
    rule: 'BLK-3',
    code: 'BLOCK_KEY_BARRED',
    check: {
      file: protocolFile('block/equivocation.ts'),
      from: 'return equalBytes(unitA, unitB) && !equalBytes(a.traceRoot, b.traceRoot)',
      to: 'return false',
    },
    run: () => equivocate((one) => one.signedHeader({ traceRoot: one.block.header.traceRoot.with(0, 1) })),
  }),
]

/**
 * BLK-4: every node executes the unit that won a block again, without noise and in one pass over the committed tokens, and the block is valid
 * only if tokens and trace root come out (B6, P1). A ticket proof alone is no price of a block: it shows one honest tile, and the rest of the
 * trace would be a free nonce.
 *
 *   header, body, ticket proof, state   ->   re-execution: tokens?  BLOCK_REPLAY_TOKENS
 *   (cheap, all before)                                    root?    BLOCK_REPLAY_TRACE
 *
 * Networks without it: packages/protocol/test/bindings/one-rule-each.test.ts.
 * Forwarding and metering are the node's part: packages/node/test/two-class-queue.test.ts, packages/node/test/bad-gossip.test.ts; what becomes
 * of the descendants of a false winner: packages/node/test/chain-fork-choice.test.ts.
 */
import { expect, test } from 'vitest'
import { assignedTask, type Block, checkWinner, executeUnit, overrideParams, presets } from '../../src/index.ts'
import * as one from './one-block.ts'
import { accepted, rejected } from './verbs.ts'

const { context, trace, block } = one

/** The block of a miner that committed to a trace with one changed value. */
function forged(change: { h?: boolean; o?: boolean; token?: boolean }): Block {
  const h = trace.h.map((rows) => rows.slice())
  const o = trace.o.map((rows) => rows.slice())
  const tokens = trace.tokens.slice()
  if (change.h) h.at(-1)![h.at(-1)!.length - 1]! += 1
  if (change.o) o[0]![0] = o[0]![0] === 1 ? 2 : 1
  if (change.token) tokens[tokens.length - 1]! ^= 1
  return one.blockOf({ ...trace, h, o, tokens })
}

test('the honest winner', () => {
  accepted(() => one.checkUpToReplay(block))
  accepted(() => checkWinner(context, block))
  accepted(() => one.validate(one.blockOf(trace)))
})

test.each([
  ['a residual row that no ticket reads', { h: true }],
  ['an attention output', { o: true }],
] as const)('%s is changed: everything but re-execution accepts it', (_, change) => {
  const block = forged(change)
  accepted(() => one.checkUpToReplay(block))
  rejected('BLOCK_REPLAY_TRACE', () => checkWinner(context, block))
})

test('a generated token that the model did not choose', () => {
  const block = forged({ token: true })
  accepted(() => one.checkUpToReplay(block))
  rejected('BLOCK_REPLAY_TOKENS', () => checkWinner(context, block))
})

test('another prompt or length, if the body had not been checked before', () => {
  const replay = (tokens: ArrayLike<number>): void => checkWinner(context, one.withTokens(Array.from(tokens)))
  const { tokens } = block.body
  accepted(() => replay(tokens))
  const task = assignedTask(context, block.header)
  const promptTokens = task.promptTokens.with(0, task.promptTokens[0]! ^ 1)
  const consistent = executeUnit(context.bootstrap.model, { ...task, promptTokens })
  rejected('BLOCK_REPLAY_TOKENS', () => replay(consistent.tokens))
  rejected('BLOCK_REPLAY_TOKENS', () => replay(tokens.slice(0, -1)))
  rejected('BLOCK_TOKENS', () => replay(tokens.with(-1, 70_000)))
})

test('every preset but those of open work has it; a sample needs a rule that there is not, and `none` says that B6 is off', () => {
  for (const { block, bindings } of Object.values(presets))
    expect(block.winnerCheck).toBe(bindings.provenance === 'open' ? 'none' : 'execute')
  rejected('PARAM_NOT_IMPLEMENTED', () => overrideParams(presets.unit, ['block.winnerCheck=sample']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(presets.unit, ['block.winnerCheck=none']))
  const params = overrideParams(presets.unit, ['block.winnerCheck=none', 'bindings.checked=off'])
  accepted(() => checkWinner({ ...context, params }, forged({ token: true })))
})

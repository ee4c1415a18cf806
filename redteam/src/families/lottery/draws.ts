/** More draws than units: noise before the operand, tickets before the trace, one trace drawn again and again. */
import { emptyTrace, executeUnit, forwardPosition, LANE_BOOTSTRAP, type Trace } from '@nacre/protocol'
import { CHEATS } from '../../../../packages/protocol/test/bindings/cheats.ts'
import {
  assignedTo,
  blockOf,
  changed,
  networkOf,
  unitOf,
  validate,
} from '../../../../packages/protocol/test/bindings/network.ts'
import { mineUnit, TestChain, testKeys } from '../../../../packages/protocol/test/chain-fixture.ts'
import type { Mutation, Outcome, StoppedAttack } from '../../attack.ts'
import { hardNetwork, loser, ticketOfHeaderWins, winner, wins } from '../../fixtures/hard-network.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import { validateNext } from '../../fixtures/paid-chain.ts'

const TOKENS_REPLAYED: Mutation = {
  file: protocolFile('inference/claimed-trace.ts'),
  from: "check(chosen === claimed, 'BLOCK_REPLAY_TOKENS'",
  to: "check(true, 'BLOCK_REPLAY_TOKENS'",
}
const HEADER_TICKET = protocolFile('lottery/header-ticket.ts')

/** The honest winner of the hard network is valid; what the cheat makes of it meets its code. */
function cheatOf(binding: string): Promise<Outcome> {
  const { make } = CHEATS.find((cheat) => cheat.binding === binding)!
  return againstWinner(() => make(hardNetwork()))
}
function againstWinner(make: () => Parameters<typeof validate>[1]): Promise<Outcome> {
  const { block } = winner()
  return outcomeOf(
    () => validate(hardNetwork(), block),
    () => validate(hardNetwork(), make()),
  )
}

/** A losing unit drawn again for each change that costs less than a unit, until it wins. */
function regrind(change: (trace: Trace, attempt: number) => Trace): Promise<Outcome> {
  const network = hardNetwork()
  return againstWinner(() => {
    const { unit, trace } = loser()
    for (let attempt = 1; ; attempt++) {
      const block = blockOf(network, unit, undefined, { trace: change(trace, attempt) })
      if (wins(network, block)) return block
    }
  })
}

/** The trace of a miner that runs its prompt through the first `layers` layers and stops; the rest is zeros. */
function partialTrace(layers: number): Trace {
  const { model } = networkOf().context.bootstrap
  const task = assignedTo(networkOf(), unitOf(networkOf()))
  const whole = emptyTrace({ promptTokens: task.promptTokens.length, newTokens: task.maxNewTokens, dims: model.config })
  whole.tokens.set(task.promptTokens)
  const cut = { ...model, config: { ...model.config, nLayers: layers } }
  const shape = { ...whole.shape, dims: cut.config }
  for (let i = 0; i < task.promptTokens.length; i++) forwardPosition(cut, { ...whole, shape }, i)
  return whole
}

export const draws: readonly StoppedAttack[] = [
  onProtocol({
    id: 'lottery/operand-after-noise',
    actor: 'miner',
    targets: 'B3',
    story:
      'The noise is drawn from unit and key alone, so that it is known before any prompt is executed, and tiles can be chosen for it.',
    rule: 'WRK-2',
    code: 'TICKET_STATE_MISMATCH',
    check: {
      file: protocolFile('lottery/seeds.ts'),
      from: "if (bindings.operandBeforeNoise === 'off') return",
      to: 'if (true) return',
    },
    run: () => {
      const network = networkOf()
      const { make } = CHEATS.find(({ binding }) => binding === 'B3')!
      return outcomeOf(
        () => validate(network, blockOf(network, unitOf(network))),
        () => validate(network, make(network)),
      )
    },
  }),
  onProtocol({
    id: 'lottery/draw-before-completion',
    actor: 'miner',
    targets: 'B4',
    story:
      'Only the first operation of the first layer is computed and drawn, unit after unit; the inference is run for the one that wins.',
    rule: 'WRK-4',
    code: 'TICKET_LOSES',
    check: {
      file: protocolFile('lottery/tickets.ts'),
      from: "if (bindings.completionBeforeDraw === 'on') parts.push(traceRoot)",
      to: '',
    },
    run: () => cheatOf('B4'),
  }),
  onProtocol({
    id: 'lottery/free-nonce',
    actor: 'miner',
    targets: 'B5',
    story:
      'One executed trace is drawn under one counter after the other, as if the counter were a nonce of the tickets.',
    rule: 'UNT-1',
    code: 'TICKET_LOSES',
    check: {
      file: HEADER_TICKET,
      from: 'const wins = ticketWins(ticket, target, input.ticketMacs)',
      to: 'const wins = true',
    },
    run: () => cheatOf('B5'),
  }),
  onProtocol({
    id: 'lottery/reground-trace-root',
    actor: 'miner',
    targets: 'B6',
    story:
      'A unit has lost; a value that no ticket reads is changed, which gives another trace root and other tickets, until one wins.',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TRACE',
    check: {
      file: protocolFile('block/validate-winner.ts'),
      from: 'equalBytes(replayedRoot, block.header.traceRoot)',
      to: 'true',
    },
    run: () =>
      regrind((trace, attempt) => {
        const h = trace.h.map((rows) => rows.slice())
        h.at(-1)![0] = attempt
        return { ...trace, h }
      }),
  }),
  onProtocol({
    id: 'lottery/reground-tokens',
    actor: 'miner',
    targets: 'B6',
    story: 'A unit has lost; its last token, which nothing was computed from, is replaced by others until one wins.',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TOKENS',
    check: TOKENS_REPLAYED,
    run: () => regrind((trace, attempt) => ({ ...trace, tokens: trace.tokens.with(-1, attempt) })),
  }),
  onProtocol({
    id: 'lottery/ground-fold-state',
    actor: 'miner',
    targets: 'B3',
    story: 'Nothing is multiplied: the fold state of a header is counted up until its hash wins.',
    rule: 'WRK-7',
    code: 'TICKET_STATE_MISMATCH',
    check: {
      file: protocolFile('lottery/proof.ts'),
      from: 'const equal = state.every((word, i) => word === foldState[i])',
      to: 'const equal = true',
    },
    run: () => {
      const network = hardNetwork()
      return againstWinner(() => {
        const { header } = loser().block
        let foldState = header.foldState
        for (let word = 1; !ticketOfHeaderWins({ ...header, foldState }); word++) foldState = foldState.with(0, word)
        return changed(network, loser().block, { foldState })
      })
    },
  }),
  onProtocol({
    id: 'lottery/first-layer-only',
    actor: 'miner',
    targets: 'B4',
    story:
      'The prompt goes through the first layer, whose tickets are drawn; what follows is zeros under a complete trace root.',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TOKENS',
    check: TOKENS_REPLAYED,
    run: () => {
      const network = networkOf()
      const unit = unitOf(network)
      return outcomeOf(
        () => validate(network, blockOf(network, unit)),
        () => validate(network, blockOf(network, unit, undefined, { trace: partialTrace(1) })),
      )
    },
  }),
  onProtocol({
    id: 'lottery/skipped-decode',
    actor: 'miner',
    targets: 'B4',
    story: 'The prompt is run through all layers, and no token is generated: the tokens after it are made up.',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TOKENS',
    check: TOKENS_REPLAYED,
    run: () => {
      const network = networkOf()
      const unit = unitOf(network)
      return outcomeOf(
        () => validate(network, blockOf(network, unit)),
        () => validate(network, blockOf(network, unit, undefined, { trace: partialTrace(2) })),
      )
    },
  }),
  onProtocol({
    id: 'lottery/one-token-generated',
    actor: 'miner',
    targets: 'B4',
    story: 'A bootstrap unit generates one token where the shape has four, with a true trace for one.',
    rule: 'UNT-3',
    code: 'UNIT_SHAPE',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'prompt.length === header.promptTokens && endsByRule(task, config.eosToken, body.tokens.slice(prompt.length))',
      to: 'true',
    },
    run: () => {
      const network = networkOf()
      const unit = unitOf(network)
      const task = { ...assignedTo(network, unit), maxNewTokens: 1 }
      const trace = executeUnit(network.context.bootstrap.model, task)
      return outcomeOf(
        () => validate(network, blockOf(network, unit)),
        () => validate(network, blockOf(network, unit, task, { trace })),
      )
    },
  }),
  onProtocol({
    id: 'lottery/cached-unit-next-counter',
    actor: 'miner',
    targets: 'B5',
    story: 'The trace of one counter is drawn again as the unit of the next.',
    rule: 'UNT-3',
    code: 'UNIT_PROMPT',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'prompt.every((token, i) => body.tokens[i] === token)',
      to: 'true',
    },
    run: () => {
      const network = networkOf()
      const task = assignedTo(network, unitOf(network))
      const trace = executeUnit(network.context.bootstrap.model, task)
      return outcomeOf(
        () => validate(network, blockOf(network, unitOf(network), task, { trace })),
        () => validate(network, blockOf(network, unitOf(network, { counter: 1 }), task, { trace })),
      )
    },
  }),
  onProtocol({
    id: 'lottery/cached-unit-next-parent',
    actor: 'miner',
    targets: 'B5',
    story:
      'A unit that lost on one block is drawn again on the next, under its old parent: prompt and trace are the same, the noise is new.',
    rule: 'UNT-1',
    code: 'UNIT_PARENT',
    check: {
      file: protocolFile('block/validate-header.ts'),
      from: 'equalBytes(unit.parentId, header.parentId)',
      to: 'true',
    },
    run: () => {
      const chain = new TestChain()
      const keys = testKeys(1)
      chain.mine(testKeys(2))
      const { context, base } = chain
      const mineOn = (parentId: Uint8Array) => {
        const { modelId } = context.bootstrap.model
        const unit = { lane: LANE_BOOTSTRAP, modelId, parentId, jobId: new Uint8Array(32), counter: 0 } as const
        return mineUnit({ ...base, keys }, unit, assignedTo({ context, base: { ...base, keys } }, unit), () => []).block
      }
      return outcomeOf(
        () => validateNext(chain, mineOn(base.parentId)),
        () => validateNext(chain, mineOn(context.genesis.id)),
      )
    },
  }),
]

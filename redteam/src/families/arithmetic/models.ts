/** Other numbers in the weights, and in the tile that wins. */
import {
  assignedTask,
  buildModel,
  buildTicketProof,
  checkWinner,
  createContext,
  drawUnit,
  executeUnit,
  type Model,
  presets,
  unitCorpus,
  unitModel,
  verifyTicketProof,
} from '@nacre/protocol'
import {
  assignedTo,
  blockOf,
  networkOf,
  unitOf,
  validate,
} from '../../../../packages/protocol/test/bindings/network.ts'
import {
  fixtureCommitment,
  fixtureTrace,
  MINER_KEY,
  PARENT_BEACON,
  PROMPT,
  proofInput,
  UNIT_ID,
  UNIT_LOTTERY,
} from '../../../../packages/protocol/test/lottery-fixture.ts'
import type { StoppedAttack } from '../../attack.ts'
import { firstBlock } from '../../fixtures/first-block.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import { BASELINE, overOtherChunks, proofInstead, small } from '../../fixtures/plain-proofs.ts'
import { fewerBits } from './steps.ts'

/** A model whose first weight is another value. */
function withWeight(model: Model, value: number): Model {
  const [first, ...rest] = model.layers
  const qkv = { ...first!.qkv, q: first!.qkv.q.with(0, value) }
  return buildModel(model.config, { ...model, layers: [{ ...first!, qkv }, ...rest] })
}

export const models: readonly StoppedAttack[] = [
  onProtocol({
    id: 'arithmetic/weight-of-minus-128',
    actor: 'outsider',
    targets: 'B2',
    story:
      'A published model has a weight of -128: with noise it leaves int8, and engines that saturate and engines that wrap disagree.',
    rule: 'MOD-1',
    code: 'MODEL_MALFORMED',
    check: {
      file: protocolFile('model/build-model.ts'),
      from: 'data[i]! > QUANT_MAX || data[i]! < -QUANT_MAX',
      to: 'false',
    },
    run: () =>
      outcomeOf(
        () => withWeight(unitModel(), -63),
        () => withWeight(unitModel(), -128),
      ),
  }),
  onProtocol({
    id: 'arithmetic/fewer-bits-node',
    actor: 'miner',
    targets: 'B2',
    story: 'A node is started with weights of three bits under the name of the registered model.',
    rule: 'MOD-1',
    code: 'MODEL_UNREGISTERED',
    check: { file: protocolFile('block/context.ts'), from: 'modelId === modelParams.modelId', to: 'true' },
    run: () => {
      const coarse = fewerBits(unitModel())
      return outcomeOf(
        () => createContext(presets.unit, unitModel(), unitCorpus()),
        () => createContext(presets.unit, buildModel(coarse.config, coarse), unitCorpus()),
      )
    },
  }),
  onProtocol({
    id: 'arithmetic/fewer-bits-tile',
    actor: 'miner',
    targets: 'B2',
    story: 'A block is executed and drawn with weights of three bits under the id of the registered model.',
    rule: 'WRK-7',
    code: 'TICKET_STATE_MISMATCH',
    check: {
      file: protocolFile('lottery/proof.ts'),
      from: 'const equal = state.every((word, i) => word === foldState[i])',
      to: 'const equal = true',
    },
    run: () => {
      const network = networkOf()
      const unit = unitOf(network)
      return outcomeOf(
        () => validate(network, blockOf(network, unit)),
        () => validate(network, blockOf(network, unit, assignedTo(network, unit), { model: fewerBits(unitModel()) })),
      )
    },
  }),
  onProtocol({
    id: 'arithmetic/fewer-bits-block',
    actor: 'miner',
    targets: 'B6',
    story:
      'The last layer of a winning unit is run with weights of three bits; tokens and tickets are as if it had been run in full.',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TRACE',
    check: {
      file: protocolFile('block/validate-winner.ts'),
      from: 'equalBytes(replayedRoot, block.header.traceRoot)',
      to: 'true',
    },
    run: async () => {
      const one = await firstBlock()
      const { model } = one.context.bootstrap
      const coarse = fewerBits(model)
      const layers = model.layers.map((layer, l) => (l === model.layers.length - 1 ? coarse.layers[l]! : layer))
      const { h } = executeUnit({ ...model, layers }, assignedTask(one.context, one.block.header))
      const cheap = one.blockOf({ ...one.trace, h: [...one.trace.h.slice(0, -1), h.at(-1)!] })
      return outcomeOf(
        () => checkWinner(one.context, one.block),
        () => one.validate(cheap),
      )
    },
  }),
  onProtocol({
    id: 'arithmetic/nan-tile',
    actor: 'miner',
    targets: 'P8',
    story:
      'The rows of the winning tile hold NaN, whose payload is a nonce in the pre-root; the tile is folded as the rules say.',
    rule: 'WRK-7',
    code: 'TICKET_PROOF_SHAPE',
    check: { file: protocolFile('lottery/proof.ts'), from: 'row.every(Number.isFinite)', to: 'true' },
    run: () => {
      const model = unitModel()
      const prove = (value: number): void => {
        const trace = fixtureTrace(model.config, PROMPT)
        trace.h[0]![0] = value
        const { subroots, top } = fixtureCommitment(trace)
        const identity = { parentBeacon: PARENT_BEACON, unitId: UNIT_ID, minerKey: MINER_KEY, traceRoot: top.root }
        const tickets = drawUnit({ modelParams: UNIT_LOTTERY, model, trace, ...identity })
        const unit = { trace, subroots, top, tickets }
        const proof = buildTicketProof(trace, subroots, top, tickets[0]!.position, UNIT_LOTTERY.tileRows)
        verifyTicketProof({ ...proofInput(unit, tickets[0]!), proof })
      }
      return outcomeOf(
        () => prove(1),
        () => prove(Number.NaN),
      )
    },
  }),
  onProtocol({
    id: 'arithmetic/pearl-minus-128',
    actor: 'miner',
    targets: 'P8',
    story:
      'An operand that the miner brings holds -128: with noise it leaves int8, and wraps on one machine where it saturates on another.',
    rule: BASELINE,
    code: 'PEARL_ENTRY',
    check: {
      file: protocolFile('pearl/opened-tile.ts'),
      from: 'value > MAX_ENTRY || value < -MAX_ENTRY',
      to: 'false',
    },
    run: proofInstead(small, (opened) => {
      const { leafData } = opened.proof.a
      return overOtherChunks(opened, leafData.with(0, leafData[0]!.with(0, 128)))
    }),
  }),
]

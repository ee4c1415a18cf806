/** Blocks over work that nobody asked for, sent to a real node. */
import {
  type Block,
  bootstrapTask,
  bytesToHex,
  type ConsensusContext,
  claimedTrace,
  createContext,
  executeUnit,
  forwardPosition,
  LANE_BOOTSTRAP,
  overrideParams,
  paramLines,
  syntheticModel,
  UNIT_MODEL_DIMS,
  type UnitDescriptor,
  type UnitTask,
  unitCorpus,
  unitId,
  unitModel,
} from '@nacre/protocol'
import type { Manner } from '../../../../packages/protocol/test/chain-fixture.ts'
import type { Attack, Outcome } from '../../attack.ts'
import { unchecked } from '../../fixtures/mutations.ts'
import { Arena } from '../../fixtures/nodes.ts'

/** How a cheat departs from an honest miner. */
interface Cheat {
  readonly modelId?: Uint8Array
  readonly task?: (assigned: UnitTask) => UnitTask
  readonly manner?: (context: ConsensusContext, task: UnitTask) => Partial<Manner>
}

/** A block at height 1 by a key of its own. */
async function winner({ forge }: Arena, key: number, cheat: Cheat = {}): Promise<Block> {
  const { MemoryState, mineUnit, testKeys } = await import('../../../../packages/protocol/test/chain-fixture.ts')
  const { context } = forge
  const { bootstrap, genesis, params } = context
  const modelId = cheat.modelId ?? bootstrap.model.modelId
  const unit: UnitDescriptor = {
    lane: LANE_BOOTSTRAP,
    modelId,
    parentId: genesis.id,
    jobId: new Uint8Array(32),
    counter: 0,
  }
  const keys = testKeys(key)
  const assigned = bootstrapTask(params, unitId(unit, keys.publicKey), bootstrap.corpus)
  const task = cheat.task?.(assigned) ?? assigned
  const input = {
    context,
    keys,
    ancestry: { recent: [genesis.header], first: undefined },
    parentId: genesis.id,
    state: new MemoryState(context),
    timeMs: genesis.header.timeMs + params.block.timeMs,
  }
  return mineUnit(input, unit, task, () => [], cheat.manner?.(context, task)).block
}

/** The cheat's block is refused, then an honest one becomes the tip. */
const meets = (cheat: Cheat, context?: () => Promise<ConsensusContext>) => (): Promise<Outcome> =>
  Arena.run(async (arena) => {
    const attack = await arena.offered(await winner(arena, 1, cheat))
    return { attack, honest: await arena.offered(await winner(arena, 2)) }
  }, context)

/** A registered model that is cheaper to run than the first one. */
const SMALL = syntheticModel({ name: 'small', dims: { ...UNIT_MODEL_DIMS, ffnDim: 64 }, seed: 'small', tiedHead: true })

/** The parameters of the fixtures with {@link SMALL} as the second model. */
async function twoModels(): Promise<ConsensusContext> {
  const { easyParams } = await import('../../../../packages/protocol/test/chain-fixture.ts')
  const first = paramLines(easyParams).filter((line) => line.startsWith('models.0.'))
  const second = first.map((line) =>
    line.replace('models.0.', 'models.1.').replace(/(modelId=).*/, `$1${bytesToHex(SMALL.modelId)}`),
  )
  return createContext(overrideParams(easyParams, second), unitModel(), unitCorpus(), [SMALL])
}

/** Weights of a random model in the shape of the registered one. */
function randomWeights({ bootstrap }: ConsensusContext) {
  const { config } = bootstrap.model
  const { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize, maxSeqLen } = config
  const dims = { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize, maxSeqLen }
  return syntheticModel({ name: 'random', dims, seed: 'random matrices', tiedHead: true })
}

/** Tokens of a cheap model, and the trace of the registered one over them: everything is real but the choice of the tokens. */
function cheapDecode(context: ConsensusContext, task: UnitTask): Partial<Manner> {
  const { model } = context.bootstrap
  const { tokens } = executeUnit(randomWeights(context), task)
  const trace = claimedTrace(model, task, tokens)
  for (let position = 0; position < trace.tokens.length - 1; position++) forwardPosition(model, trace, position)
  return { trace }
}

export const winners: readonly Attack[] = [
  {
    id: 'usefulness/random-matrices',
    actor: 'miner',
    targets: 'B2',
    story: 'Multiplies random matrices in the shape of the registered model and draws its tickets on them.',
    on: 'nodes',
    rule: 'WRK-7',
    code: 'TICKET_STATE_MISMATCH',
    check: unchecked('lottery/proof.ts', 'state.every((word, i) => word === foldState[i])'),
    run: meets({ manner: (context) => ({ model: randomWeights(context) }) }),
  },
  {
    id: 'usefulness/cheaper-model',
    actor: 'miner',
    targets: 'B2',
    story: 'Where two models are registered, runs its bootstrap units on the smaller one.',
    on: 'nodes',
    rule: 'UNT-3',
    code: 'UNIT_MODEL',
    check: unchecked('block/validate-header.ts', 'equalBytes(unit.modelId, bootstrap.model.modelId)'),
    run: meets({ modelId: SMALL.modelId }, twoModels),
  },
  {
    id: 'usefulness/self-chosen-prompt',
    actor: 'miner',
    targets: 'B1, P6',
    story: 'Executes the model on a prompt of equal tokens, so that all operand rows of the first layer are one.',
    on: 'nodes',
    rule: 'UNT-3',
    code: 'UNIT_PROMPT',
    check: unchecked('block/validate-body.ts', 'prompt.every((token, i) => body.tokens[i] === token)'),
    run: meets({ task: (task) => ({ ...task, promptTokens: task.promptTokens.map(() => 32) }) }),
  },
  {
    id: 'usefulness/truncated-unit',
    actor: 'miner',
    targets: 'B1, B4',
    story: 'Stops a bootstrap unit after its first generated token, and draws for the whole of it.',
    on: 'nodes',
    rule: 'UNT-3',
    code: 'UNIT_SHAPE',
    check: unchecked(
      'block/validate-body.ts',
      'prompt.length === header.promptTokens && endsByRule(task, config.eosToken, body.tokens.slice(prompt.length))',
    ),
    run: meets({ task: (task) => ({ ...task, maxNewTokens: 1 }) }),
  },
  {
    id: 'usefulness/cheap-decode',
    actor: 'miner',
    targets: 'B6',
    story:
      'Lets a cheap model choose the tokens and the registered one run over them in one pass, which needs no decoding: tickets and trace are real.',
    on: 'nodes',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TOKENS',
    check: unchecked('inference/claimed-trace.ts', 'chosen === claimed'),
    run: meets({ manner: cheapDecode }),
  },
]

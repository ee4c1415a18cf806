/**
 * What stays where a binding is off (B1 to B6): one rule is gone and nothing else. Each test switches one binding off and names what
 * the network still refuses, and what the missing rule is worth to whoever uses it.
 */
import { describe, expect, test } from 'vitest'
import {
  areEquivocating,
  assignedTask,
  type Block,
  checkBody,
  checkHeaderForm,
  claimedTask,
  commitTrace,
  executeUnit,
  generatedModel,
  generatedModelId,
  isGeneratedModelId,
  MAX_GENERATED_MODELS,
  modelOfUnit,
  noisedProduct,
  OP_QKV,
  overrideParams,
  preRootOf,
  presets,
  ticketKey,
  type UnitTask,
  unitId,
} from '../../src/index.ts'
import { testKeys } from '../chain-fixture.ts'
import { accepted, filled, flipped, rejected } from '../rules/verbs.ts'
import { CHEATS, drawAgain, drawBeforeCompletion, madeUpTrace, STRUCTURED, TOY } from './cheats.ts'
import { assignedTo, blockOf, changed, miner, networkOf, unitOf, validate } from './network.ts'

const offOf = (binding: string): readonly string[] => CHEATS.find((cheat) => cheat.binding === binding)!.off

describe('B1 off: the miner chooses the task', () => {
  const network = networkOf(...offOf('B1'))
  const run = (change: Partial<UnitTask>): Block => blockOf(network, unitOf(network), { ...STRUCTURED, ...change })
  const tokens = (length: number): number[] => Array.from({ length }, (_, i) => i)
  const { decoding } = STRUCTURED

  test.each<[string, Partial<UnitTask>]>([
    ['the shortest prompt with a full tile', { promptTokens: tokens(4) }],
    ['the longest prompt', { promptTokens: tokens(32) }],
    ['one new token', { maxNewTokens: 1 }],
    ['a temperature', { decoding: { ...decoding, temperatureMilli: 800, seed: filled(3) } }],
    ['an end of sequence that stops', { decoding: { ...decoding, stopAtEos: true } }],
  ])('%s', (_, change) => {
    accepted(() => validate(network, run(change)))
  })

  test('lengths, tokens and MACs keep their bounds', () => {
    const block = run({})
    const said = (task: Partial<UnitTask>, body: Partial<Block['body']> = {}) =>
      changed(network, block, {}, { task: { ...block.body.task!, ...task }, ...body })
    rejected('UNIT_SHAPE', () => checkHeaderForm(network.context, changed(network, block, { promptTokens: 33 }).header))
    rejected('UNIT_SHAPE', () => validate(network, said({ maxNewTokens: 17 })), 'JOB-3')
    rejected('UNIT_SHAPE', () => validate(network, said({ maxNewTokens: 60 })), 'positions')
    rejected('UNIT_SHAPE', () => validate(network, said({ maxNewTokens: 5 })), 'do not end by the rule')
    const outside = block.body.tokens.with(0, 260)
    rejected('UNIT_PROMPT', () => validate(network, said({}, { tokens: outside })), 'token 260')
  })

  test('a body says what was executed, and it was', () => {
    const block = run({})
    rejected('UNIT_SHAPE', () => validate(network, changed(network, block, {}, { task: undefined })))
    const { tokens } = block.body
    const other = changed(network, block, {}, { tokens: tokens.with(0, 33) })
    rejected('BLOCK_REPLAY_TOKENS', () =>
      validate(network, changed(network, block, {}, { tokens: tokens.with(-1, 7) })),
    )
    rejected('BLOCK_REPLAY_TOKENS', () => validate(network, other))
    expect(claimedTask(network.context, block)).toEqual(STRUCTURED)
  })

  test('where it holds, a bootstrap body says nothing', () => {
    const bound = networkOf()
    const block = blockOf(bound, unitOf(bound))
    const { maxNewTokens, decoding } = STRUCTURED
    rejected('UNIT_SHAPE', () => validate(bound, changed(bound, block, {}, { task: { maxNewTokens, decoding } })))
  })
})

describe('B2 off: the miner brings the model', () => {
  const network = networkOf(...offOf('B2'))
  const { context } = network
  const base = context.bootstrap.model.config

  test('everybody makes the same weights from the id; another seed is another model', () => {
    const id = generatedModelId(TOY)
    expect(id).toHaveLength(32)
    expect(isGeneratedModelId(id)).toBe(true)
    expect(isGeneratedModelId(context.bootstrap.model.modelId)).toBe(false)
    const model = generatedModel(id, base)
    expect(model.modelId).toEqual(id)
    expect(model.config).toMatchObject({
      dModel: 16,
      nLayers: 1,
      vocabSize: 260,
      maxSeqLen: 64,
      eosToken: base.eosToken,
    })
    expect(generatedModel(id, base).manifest).toEqual(model.manifest)
    const other = generatedModel(generatedModelId({ ...TOY, seed: new Uint8Array(16) }), base)
    expect(other.manifest.tensorRoots).not.toEqual(model.manifest.tensorRoots)
  })

  test('a block drawn with other weights than its id names is refused', () => {
    const unit = unitOf(network, { modelId: generatedModelId(TOY) })
    const model = {
      ...generatedModel(generatedModelId({ ...TOY, seed: new Uint8Array(16) }), base),
      modelId: unit.modelId,
    }
    rejected('TICKET_STATE_MISMATCH', () =>
      validate(network, blockOf(network, unit, assignedTo(network, unit), { model })),
    )
  })

  const { header } = blockOf(network, unitOf(network))
  test.each([
    ['a hash that names nothing', filled(9), 'no model'],
    ['heads that do not split', generatedModelId({ ...TOY, nHeads: 3, nKvHeads: 2 }), 'do not split'],
    ['no layers', generatedModelId({ ...TOY, nLayers: 0 }), 'nLayers 0'],
    ['a width that the noise rank does not divide', generatedModelId({ ...TOY, dModel: 20 }), 'noise rank'],
    ['more MACs than a unit may have', generatedModelId({ ...TOY, dModel: 256, ffnDim: 512 }), 'maxUnitMacs'],
    ['more weights than everybody can make', generatedModelId({ ...TOY, dModel: 4096 }), 'weights'],
    [
      'tiles that hold none of its outputs',
      generatedModelId({ ...TOY, nHeads: 1, headDim: 2, ffnDim: 1 }),
      'no full tile',
    ],
  ])('%s is no model', (_, modelId, because) => {
    const unit = { ...header.unit, modelId }
    rejected('UNIT_MODEL', () => checkHeaderForm(context, { ...header, unit }), because)
  })

  test('its prompt is assigned, by the id that names the model', () => {
    const unit = unitOf(network, { modelId: generatedModelId(TOY) })
    const task = assignedTo(network, unit)
    expect(task).not.toEqual(assignedTo(network, unitOf(network)))
    const model = generatedModel(unit.modelId, base)
    rejected('UNIT_PROMPT', () => validate(network, blockOf(network, unit, STRUCTURED, { model })))
  })

  test('a node keeps the latest few, however many blocks bring one', () => {
    const ids = Array.from({ length: MAX_GENERATED_MODELS + 2 }, (_, i) =>
      generatedModelId({ ...TOY, seed: new Uint8Array(16).fill(i) }),
    )
    const models = ids.map((id) => modelOfUnit(context, id).model)
    expect(context.generated.size).toBe(MAX_GENERATED_MODELS)
    expect(modelOfUnit(context, ids.at(-1)!).model).toBe(models.at(-1))
    expect(modelOfUnit(context, ids[0]!).model).not.toBe(models[0])
  })
})

describe('B3 off: the noise is known before the operand', () => {
  const network = networkOf(...offOf('B3'))
  const { context } = network

  test('it still belongs to one unit of one miner', () => {
    const unit = unitOf(network)
    const task = assignedTo(network, unit)
    const { bindings } = context.params
    const trace = executeUnit(context.bootstrap.model, task)
    const draw = {
      ...context.bootstrap,
      modelParams: context.bootstrap.params,
      parentBeacon: context.genesis.header.beacon,
    }
    const states = (id: Uint8Array, minerKey: Uint8Array, of = trace) =>
      noisedProduct({ ...draw, unitId: id, minerKey, trace: of, traceRoot: filled(0), bindings }, 0, OP_QKV).states
    const id = unitId(unit, miner.publicKey)
    const own = states(id, miner.publicKey)
    expect(states(flipped(id), miner.publicKey)).not.toEqual(own)
    expect(states(id, testKeys(2).publicKey)).not.toEqual(own)
  })

  test('with B1 off too, one noise serves every prompt: an equal row stays equal under it, whatever the others are', () => {
    const both = networkOf(...offOf('B3'), ...offOf('B1'))
    const { bootstrap, genesis, params } = both.context
    const unit = unitOf(both)
    const id = unitId(unit, miner.publicKey)
    const stateOf = (promptTokens: readonly number[], bindings = params.bindings) => {
      const trace = executeUnit(bootstrap.model, { ...STRUCTURED, promptTokens })
      const draw = { model: bootstrap.model, modelParams: bootstrap.params, parentBeacon: genesis.header.beacon }
      const input = { ...draw, unitId: id, minerKey: miner.publicKey, trace, traceRoot: filled(0), bindings }
      return { state: noisedProduct(input, 0, OP_QKV).states[0], pre: preRootOf(trace, 0, OP_QKV) }
    }
    const one = stateOf(STRUCTURED.promptTokens)
    const other = stateOf(STRUCTURED.promptTokens.with(-1, 65))
    expect(other.pre).not.toEqual(one.pre)
    // The first tile has the first four rows: it was computed before, and is drawn again for nothing.
    expect(other.state).toEqual(one.state)
    const bound = { ...params.bindings, operandBeforeNoise: 'on' } as const
    expect(stateOf(STRUCTURED.promptTokens.with(-1, 65), bound).state).not.toEqual(
      stateOf(STRUCTURED.promptTokens, bound).state,
    )
  })
})

describe('B4 off: tickets are drawn before the trace is complete', () => {
  const cheat = CHEATS.find(({ binding }) => binding === 'B4')!
  const network = networkOf(...cheat.both, ...cheat.off)

  test('the inference of units that lose is not run; that of the winner is', () => {
    const { block, skipped } = drawBeforeCompletion(network)
    expect(skipped).toBeGreaterThan(0)
    accepted(() => validate(network, block))
  })

  test('the trace must still be the true one', () => {
    const easy = networkOf(...cheat.off)
    const unit = unitOf(easy)
    const trace = executeUnit(easy.context.bootstrap.model, assignedTo(easy, unit))
    const h = trace.h.map((rows) => rows.slice())
    h.at(-1)![0]! += 1
    accepted(() => validate(easy, blockOf(easy, unit, undefined, { trace })))
    rejected('BLOCK_REPLAY_TRACE', () => validate(easy, blockOf(easy, unit, undefined, { trace: { ...trace, h } })))
  })
})

describe('B5 off: the counter is a free nonce', () => {
  const cheat = CHEATS.find(({ binding }) => binding === 'B5')!
  const network = networkOf(...cheat.both, ...cheat.off)
  const { context } = network

  test('prompt, noise and trace stay, the tickets change: a draw costs a hash', () => {
    const { block, redrawn } = drawAgain(network)
    expect(redrawn).toBeGreaterThan(0)
    expect(block.header.unit.counter).toBe(redrawn)
    const first = { ...block.header, unit: { ...block.header.unit, counter: 0 } }
    expect(assignedTask(context, block.header)).toEqual(assignedTask(context, first))
    const id = unitId(block.header.unit, miner.publicKey, 'off')
    const key = (counter: number) =>
      ticketKey({ unitId: id, traceRoot: block.header.traceRoot, counter, bindings: context.params.bindings })
    expect(key(1)).not.toEqual(key(0))
    accepted(() => validate(network, block))
  })

  test('a counter that draws nothing wins nothing; where B5 holds it is another unit with another prompt', () => {
    const { block } = drawAgain(network)
    const { counter } = block.header.unit
    const unit = { ...block.header.unit, counter: counter + 1 }
    rejected('TICKET_LOSES', () => checkHeaderForm(context, changed(network, block, { unit }).header))
    const bound = networkOf()
    const task = assignedTo(bound, unitOf(bound))
    const trace = executeUnit(bound.context.bootstrap.model, task)
    const again = blockOf(bound, unitOf(bound, { counter: 1 }), task, { trace })
    rejected('UNIT_PROMPT', () => checkBody(bound.context, again))
  })

  test('two counters are no equivocation, two traces of one unit are', () => {
    const { bindings } = context.params
    const easy = networkOf(...cheat.off)
    const task = assignedTo(easy, unitOf(easy))
    const [a, b] = [0, 1].map((counter) => blockOf(easy, unitOf(easy, { counter }), task)) as [Block, Block]
    expect(areEquivocating(a.header, b.header, bindings)).toBe(false)
    const twice = changed(easy, b, { traceRoot: filled(1) })
    expect(areEquivocating(a.header, twice.header, bindings)).toBe(true)
  })
})

describe('B6 off: nobody executes a winner again', () => {
  const network = networkOf(...offOf('B6'))

  test('the trace root is a nonce: a changed value that no proof opens is a new set of tickets', () => {
    const trace = madeUpTrace(network)
    const roots = [0, 1, 2].map((value) => {
      const h = trace.h.map((rows) => rows.slice())
      h.at(-1)!.fill(value)
      const block = blockOf(network, unitOf(network), undefined, { trace: { ...trace, h } })
      accepted(() => validate(network, block))
      expect(block.header.traceRoot).toEqual(commitTrace({ ...trace, h }).traceRoot)
      return block.header.ticketProofHash.join()
    })
    expect(new Set(roots).size).toBe(3)
  })

  test('a ticket still needs its multiplication, and the prompt is still the assigned one', () => {
    const block = blockOf(network, unitOf(network), undefined, { trace: madeUpTrace(network) })
    const foldState = block.header.foldState.map((word) => word ^ 1)
    rejected('TICKET_STATE_MISMATCH', () => validate(network, changed(network, block, { foldState })))
    const tokens = block.body.tokens.with(0, block.body.tokens[0]! ^ 1)
    rejected('UNIT_PROMPT', () => validate(network, changed(network, block, {}, { tokens })))
  })

  test('it is one switch with winnerCheck: one without the other would say what is not so', () => {
    const set = (...lines: string[]) => overrideParams(presets.unit, lines)
    accepted(() => set('bindings.checked=off', 'block.winnerCheck=none'))
    rejected('PARAM_CONTRADICTION', () => set('bindings.checked=off'), 'block.winnerCheck')
    rejected('PARAM_CONTRADICTION', () => set('block.winnerCheck=none'), 'bindings.checked')
    rejected('PARAM_NOT_IMPLEMENTED', () => set('bindings.checked=off', 'block.winnerCheck=sample'), 'fraud proof')
  })
})

/** The engine on networks without some bindings (B2 to B5): it draws, proves and verifies as the reference does. */
import {
  bestTicket,
  buildTicketProof,
  commitTrace,
  type DrawBindings,
  drawUnit,
  executeUnit,
  generatedModel,
  generatedModelId,
  MAX_GENERATED_MODELS,
  type Model,
  unitModel,
} from '@nacre/protocol'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  createFastHash,
  createUnitEngine,
  inlineWorkers,
  type KernelFactory,
  threadWorkers,
  type WorkerPort,
} from '../src/index.ts'
import { createJobRunner } from '../src/workers/jobs.ts'
import { traceDifference } from './support/compare.ts'
import { supportedKernels } from './support/kernels.ts'
import { modelBytes } from './support/model-bytes.ts'

const bytes32 = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const modelParams = { noiseRank: 8, tileRows: 4, tileColumns: 8 }
const keys = { parentBeacon: bytes32(1), unitId: bytes32(2), minerKey: bytes32(3) }
const task = {
  promptTokens: [256, 1, 2, 3, 4, 5, 6, 7, 8],
  maxNewTokens: 3,
  decoding: { temperatureMilli: 0, seed: bytes32(0), stopAtEos: false },
}
const TOGGLES = ['on', 'off'] as const
const EVERY: readonly DrawBindings[] = TOGGLES.flatMap((operandBeforeNoise) =>
  TOGGLES.flatMap((completionBeforeDraw) =>
    TOGGLES.map((singleUse) => ({ operandBeforeNoise, completionBeforeDraw, singleUse })),
  ),
)
const DIMS = { dModel: 24, nLayers: 2, nHeads: 3, nKvHeads: 1, headDim: 8, ffnDim: 40 }
const idOf = (seed: number): Uint8Array => generatedModelId({ ...DIMS, seed: new Uint8Array(16).fill(seed) })

const hash = await createFastHash()
let factories: KernelFactory[]
beforeAll(async () => {
  factories = await supportedKernels()
})

describe.each(EVERY)('%o', (bindings) => {
  test.each([0, 7])('counter %i: best ticket and proof are the reference', (counter) => {
    const model = unitModel()
    const trace = executeUnit(model, task)
    const { traceRoot, subroots, top } = commitTrace(trace, hash)
    const tickets = drawUnit({ modelParams, model, ...keys, counter, bindings, trace, traceRoot, hash })
    const best = bestTicket(tickets)!
    for (const kernels of factories) {
      const engine = createUnitEngine({ model, kernels, hash })
      expect(engine.runUnit({ task, modelParams, ...keys, counter, bindings }).best).toEqual(best)
      const proof = buildTicketProof(trace, subroots, top, best.position, modelParams.tileRows, hash)
      const claim = { promptTokens: task.promptTokens.length, traceRoot, ticket: best, proof, target: 1n << 255n }
      const input = { ...keys, modelParams, ...claim, ticketMacs: 1000 }
      expect(engine.verifyTicketProof({ ...input, counter, bindings })).toEqual(best.hash)
      const isBound = Object.values(bindings).every((value) => value === 'on')
      if (isBound) expect(engine.verifyTicketProof(input)).toEqual(best.hash)
      else if (bindings.operandBeforeNoise === 'off')
        expect(() => engine.verifyTicketProof(input)).toThrow('TICKET_STATE_MISMATCH')
      else expect(engine.verifyTicketProof(input)).not.toEqual(best.hash)
    }
  })
})

describe('a generated model (B2 off)', () => {
  let port: WorkerPort | undefined
  afterEach(async () => port?.stop())

  test.each([
    [
      'inline workers',
      () => {
        const engineFor = (model: Model) => createUnitEngine({ model, kernels: factories.at(-1)!, hash })
        return inlineWorkers([engineFor(unitModel())], hash, engineFor)
      },
    ],
    ['thread workers', () => threadWorkers({ models: [{ bytes: modelBytes(unitModel()) }], threads: 2 })],
  ])('%s make it from its id, run it and execute it again', async (_, create) => {
    port = create()
    const modelId = idOf(1)
    const model = generatedModel(modelId, unitModel().config)
    const trace = executeUnit(model, task)
    const { traceRoot } = commitTrace(trace)
    const best = bestTicket(drawUnit({ modelParams, model, ...keys, trace, traceRoot }))!
    const outcome = await port.run({ kind: 'runUnit', modelId, modelParams, task, ...keys, winBelow: bytes32(0xff) })
    expect(outcome).toMatchObject({ traceRoot, best })
    expect(traceDifference(outcome.win!.trace, trace)).toBeUndefined()
    const replay = { kind: 'replayUnit', modelId, task, tokens: trace.tokens } as const
    expect((await port.run(replay)).traceRoot).toEqual(traceRoot)
    await expect(port.run({ ...replay, modelId: idOf(2) })).rejects.toThrow('BLOCK_REPLAY_TOKENS')
    await expect(port.run({ ...replay, modelId: bytes32(9) })).rejects.toThrow('MODEL_UNREGISTERED')
    const tooLarge = generatedModelId({ ...DIMS, dModel: 8192, seed: new Uint8Array(16) })
    await expect(port.run({ ...replay, modelId: tooLarge })).rejects.toThrow('UNIT_MODEL')
  })

  test('engines of the latest few are kept; without a way to make one, the model is unregistered', () => {
    const made: string[] = []
    const engineFor = (model: Model) => {
      made.push(model.modelId.join())
      return createUnitEngine({ model, kernels: factories.at(-1)!, hash })
    }
    const engines = [engineFor(unitModel())]
    const run = createJobRunner(engines, hash, engineFor)
    const ask = (seed: number) => run({ kind: 'runUnit', modelId: idOf(seed), modelParams, task, ...keys })
    made.length = 0
    for (let seed = 0; seed <= MAX_GENERATED_MODELS; seed++) ask(seed)
    ask(MAX_GENERATED_MODELS)
    ask(1)
    expect(made).toHaveLength(MAX_GENERATED_MODELS + 1)
    ask(0)
    expect(made).toHaveLength(MAX_GENERATED_MODELS + 2)
    const bare = createJobRunner(engines, hash)
    expect(() => bare({ kind: 'runUnit', modelId: idOf(0), modelParams, task, ...keys })).toThrow('MODEL_UNREGISTERED')
  })
})

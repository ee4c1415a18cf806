/** Whole units on random small models and inputs: the engine equals the reference bit for bit (MOD-6). */
import {
  bestTicket,
  buildTicketProof,
  commitTrace,
  drawUnit,
  executeUnit,
  type KeyedHash,
  type Model,
  ProtocolError,
  replayUnit,
  type UnitTask,
  unitModel,
} from '@nacre/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { createFastHash, createUnitEngine, type KernelFactory } from '../src/index.ts'
import { traceDifference } from './support/compare.ts'
import { supportedKernels } from './support/kernels.ts'
import { createRandom, type Random, randomLottery, randomModel, randomTask } from './support/random.ts'

const UNITS = 200
const UNIT_LOTTERY = { noiseRank: 8, tileRows: 4, tileColumns: 8 }

let hash: KeyedHash
let factories: KernelFactory[]
beforeAll(async () => {
  hash = await createFastHash()
  factories = await supportedKernels()
})

function checkUnit(seed: number, random: Random, model: Model, lottery: typeof UNIT_LOTTERY): void {
  const task = randomTask(random, model)
  const keys = { parentBeacon: random.bytes(32), unitId: random.bytes(32), minerKey: random.bytes(32) }
  const expected = executeUnit(model, task)
  const { traceRoot, subroots, top } = commitTrace(expected, hash)
  const tickets = drawUnit({ modelParams: lottery, model, ...keys, trace: expected, traceRoot, hash })
  for (const kernels of factories) {
    const engine = createUnitEngine({ model, kernels, hash })
    const where = `seed ${seed}, ${kernels.name}`
    // Twice: the second time W' comes from memory and all scratch is used.
    for (let round = 0; round < 2; round++) {
      const actual = engine.runUnit({ task, modelParams: lottery, ...keys })
      expect(traceDifference(actual.trace, expected), where).toBeUndefined()
      expect(actual.traceRoot, where).toEqual(traceRoot)
      expect(actual.tickets, where).toBe(tickets.length)
      expect(actual.best, where).toEqual(bestTicket(tickets))
    }
    expect(traceDifference(engine.generate(task), expected), where).toBeUndefined()
    const replayed = engine.replayUnit(task, expected.tokens)
    expect(traceDifference(replayed.trace, expected), where).toBeUndefined()
    expect(replayed.traceRoot, where).toEqual(traceRoot)

    if (tickets.length === 0) continue
    const ticket = random.pick(tickets)
    const { promptTokens } = expected.shape
    const proof = buildTicketProof(expected, subroots, top, ticket.position, lottery.tileRows, hash)
    const input = {
      ...{ ...keys, modelParams: lottery, promptTokens, traceRoot, ticket, proof },
      ...{ target: 2n ** 255n, ticketMacs: 1000 },
    }
    const wrong = { ...ticket, foldState: ticket.foldState.with(3, ticket.foldState[3]! ^ 1) }
    // With W' in memory, without it on a memory for this lottery, and with neither.
    for (const verifier of [
      engine,
      createUnitEngine({ model, kernels, hash, lottery }),
      createUnitEngine({ model, kernels, hash }),
    ]) {
      expect(verifier.verifyTicketProof(input), where).toEqual(ticket.hash)
      expect(() => verifier.verifyTicketProof({ ...input, ticket: wrong }), where).toThrow('TICKET_STATE_MISMATCH')
    }
  }
}

describe('units equal the reference bit for bit', () => {
  test(`${UNITS / 4} units of the unit model`, () => {
    for (let seed = 0; seed < UNITS / 4; seed++) checkUnit(seed, createRandom(seed), unitModel(), UNIT_LOTTERY)
  })

  test.each([
    ['ordinary', false, 1000],
    ['extreme', true, 2000],
  ] as const)(`${(UNITS * 3) / 8} units of random models with %s values`, (_, extreme, firstSeed) => {
    for (let seed = firstSeed; seed < firstSeed + (UNITS * 3) / 8; seed++) {
      const random = createRandom(seed)
      const rank = random.pick([4, 8, 8, 16])
      const model = randomModel(random, { extreme, rank, maxSeqLen: 4 + random.below(24) })
      checkUnit(seed, random, model, randomLottery(random, rank))
    }
  })
})

describe('errors equal the reference', () => {
  const codeOf = (work: () => unknown): string => {
    try {
      work()
    } catch (error) {
      if (error instanceof ProtocolError) return error.message
      throw error
    }
    return 'none'
  }
  const decoding = { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false }
  const task: UnitTask = { promptTokens: [1, 2, 3], maxNewTokens: 4, decoding }

  test('of tasks that the model cannot execute', () => {
    const model = unitModel()
    const engine = createUnitEngine({ model, kernels: factories[0]!, hash })
    const bad: UnitTask[] = [
      { ...task, promptTokens: [] },
      { ...task, promptTokens: [260] },
      { ...task, promptTokens: [-1] },
      { ...task, maxNewTokens: 0 },
      { ...task, maxNewTokens: 63 },
      { ...task, decoding: { ...decoding, temperatureMilli: -1 } },
      { ...task, decoding: { ...decoding, seed: new Uint8Array(31) } },
    ]
    for (const each of bad) {
      const expected = codeOf(() => executeUnit(model, each))
      expect(expected).toMatch(/^UNIT_/)
      expect(codeOf(() => engine.generate(each))).toBe(expected)
      expect(codeOf(() => engine.replayUnit(each, [1, 2, 3, 4]))).toBe(
        codeOf(() => replayUnit(model, each, [1, 2, 3, 4])),
      )
    }
  })

  test('of tokens that the model did not choose', () => {
    const model = unitModel()
    const engine = createUnitEngine({ model, kernels: factories[0]!, hash })
    const tokens = [...executeUnit(model, task).tokens]
    const changed = (index: number, token: number): number[] => tokens.with(index, token)
    const bad = [
      changed(0, 9),
      changed(3, (tokens[3]! + 1) % 260),
      changed(6, (tokens[6]! + 1) % 260),
      changed(5, 260),
      changed(5, 1.5),
      tokens.slice(0, 6),
      [...tokens, 1],
      [],
    ]
    for (const each of bad) {
      const expected = codeOf(() => replayUnit(model, task, each))
      expect(expected).toMatch(/^BLOCK_/)
      expect(codeOf(() => engine.replayUnit(task, each))).toBe(expected)
    }
  })

  test('of models that no engine can hold or draw with', () => {
    const model = unitModel()
    const wide = (config: Partial<Model['config']>): Model => ({ ...model, config: { ...model.config, ...config } })
    for (const kernels of factories) {
      const create = (given: Model) => () => createUnitEngine({ model: given, kernels, hash, lottery: UNIT_LOTTERY })
      expect(create(wide({ dModel: 2 ** 16 + 8 }))).toThrow('PARAM_CONTRADICTION')
      expect(create(wide({ dModel: model.config.dModel + 4 }))).toThrow('PARAM_CONTRADICTION')
      if (kernels.name !== 'scalar') {
        expect(create(wide({ maxSeqLen: 2 ** 16, ffnDim: 2 ** 17, nLayers: 64 }))).toThrow(RangeError)
      }
    }
  })
})

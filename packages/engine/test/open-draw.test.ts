/** Draws of the open lane (chapter 12): the kernels fold what the reference folds, and what wins verifies (MOD-6). */
import {
  bitsFromTarget,
  bootstrapTask,
  DEPLOYED_RULES,
  equalBytes,
  executeUnit,
  type KeyedHash,
  type OpenParams,
  type OpenRules,
  openClaim,
  openPearlHeader,
  openUnit,
  operandRows,
  pearl,
  presets,
  residualRow,
  type UnitTask,
  unitCorpus,
  unitModel,
  verifyOpenProof,
} from '@nacre/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  createFastHash,
  createUnitEngine,
  isFreeWork,
  type KernelFactory,
  OPEN_WORKS,
  type OpenDrawInput,
  openPlan,
  type UnitEngine,
} from '../src/index.ts'
import { pearlNoise } from '../src/open/noise.ts'
import { OpenProduct } from '../src/open/product.ts'
import { supportedKernels } from './support/kernels.ts'
import { createRandom } from './support/random.ts'

const model = unitModel()
const corpus = unitCorpus()
const EASY = 0x20100000
/** A tile of 16 x 16 at k = 2048 counts for 2^19 products, so one in eight wins. */
const ONE_IN_EIGHT = bitsFromTarget(2n ** 234n)

let hash: KeyedHash
let factories: KernelFactory[]
beforeAll(async () => {
  hash = await createFastHash()
  factories = await supportedKernels()
})

const engineOf = (kernels: KernelFactory): UnitEngine => createUnitEngine({ model, kernels, hash })
const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const tasks = (count: number, from = 0): UnitTask[] =>
  Array.from({ length: count }, (_, i) => bootstrapTask(presets.unit, fill(from + i), corpus))

function inputFor(work: OpenDrawInput['work'], change: Partial<OpenDrawInput> = {}): OpenDrawInput {
  const promptTokens = presets.unit.units.bootstrapPromptTokens
  const { prompts } = openPlan(work, model.config, promptTokens)
  const fixed = { parentId: fill(1), minerKey: fill(2), bits: EASY, counter: 3, seed: fill(4), draw: 5 }
  return { work, ...fixed, promptTokens, tasks: tasks(prompts), ...change }
}

/** The parameters `open.*` behind some rules. */
const paramsOf = (rules: OpenRules = DEPLOYED_RULES): OpenParams => ({
  seedRule: rules.rule === 'legacy' ? 'legacy' : 'version-3',
  rankPenalty: rules.rankPenalty ? 'on' : 'off',
})

function verify(input: OpenDrawInput, engine: UnitEngine): pearl.VerifiedProof {
  const { win } = engine.drawOpen(input)
  expect(win).toBeDefined()
  const { unit, seedA, foldState, proof, ticket } = win!
  const { minerKey, bits } = input
  const verified = verifyOpenProof(
    openClaim({ unit, minerKey, bits, traceRoot: seedA, foldState }, paramsOf(input.rules)),
    proof,
  )
  expect(verified.ticket).toEqual(ticket)
  return verified
}

test('the noise is the reference’s', () => {
  for (const [rows, k, r] of [
    [1, 1024, 32],
    [17, 1088, 64],
    [3, 2048, 128],
  ] as const) {
    const { uniform, sparse } = pearlNoise(pearl.LABEL_A, fill(9), rows, k, r, hash)
    expect(uniform).toEqual(pearl.uniformFactor(pearl.LABEL_A, fill(9), rows, r))
    const pairs = Array.from(sparse.plus, (plus, c) => [plus, sparse.minus[c]!])
    expect(pairs).toEqual(pearl.sparseFactor(pearl.LABEL_A, fill(9), k, r))
  }
})

test('every tile of every kernel folds as the reference does, over operands at the edge of what they take', () => {
  const random = createRandom(1)
  const [m, k, rank, h, w, columns] = [48, 1152, 64, 16, 16, [32, 80]] as const
  const shape = { m, k, rank, h, w, columns }
  const configuration = openPlan('inference', { ...model.config, dModel: 192 }, m).configuration
  expect(configuration).toMatchObject({ k, rank })
  const operand = (rows: number): Int8Array =>
    Int8Array.from({ length: rows * k }, () => [-63, 63, random.below(127) - 63][random.below(3)]!)
  const header = openPearlHeader(openUnit(fill(1), configuration, 0), fill(2), EASY)
  const a = operand(m)
  for (const [slot, n] of columns.entries()) {
    const b = operand(n)
    const committed = pearl.commitWork({ header, configuration, m, n, a, b })
    const expected = [...pearl.tileOffsets(configuration.rows, m)].flatMap((row) =>
      [...pearl.tileOffsets(configuration.columns, n)].map((column) => pearl.drawTile(committed, row, column).state),
    )
    for (const factory of factories) {
      const product = new OpenProduct(factory, shape, hash)
      product.noiseB(slot, b, committed.seedB)
      const states = product.states(slot, a, committed.seedA)
      const words = new Uint32Array(states.buffer, states.byteOffset, states.length / 4)
      expect(words.length / 16, factory.name).toBe(expected.length)
      expected.forEach((state, i) => {
        expect(words.slice(16 * i, 16 * (i + 1)), `${factory.name}, tile ${i}`).toEqual(state)
      })
    }
  }
})

describe.each(OPEN_WORKS)('%s', (work) => {
  test('what wins verifies, and is the same on all kernels', () => {
    const [first, ...others] = factories.map((factory) => verify(inputFor(work), engineOf(factory)))
    for (const other of others) expect(other).toEqual(first)
  })

  test('another draw, counter, parent, miner or seed is another lottery', () => {
    const engine = engineOf(factories.at(-1)!)
    const changes = [{}, { draw: 6 }, { counter: 4 }, { parentId: fill(8) }, { minerKey: fill(8) }, { seed: fill(8) }]
    const seeds = changes.map((change) => {
      const input = inputFor(work, change)
      return verify({ ...input, tasks: tasks(input.tasks.length, input.draw) }, engine)
    })
    const different = new Set(seeds.map(({ seedA }) => seedA.join()))
    // Work over a model does not read the seed.
    expect(different.size).toBe(isFreeWork(work) ? changes.length : changes.length - 1)
  })

  test('says how many tickets it drew, and for how many products; none wins at a hard target', () => {
    const { shape } = openPlan(work, model.config, presets.unit.units.bootstrapPromptTokens)
    const tiles = shape.columns.reduce((sum, n) => sum + Math.floor(shape.m / 16) * Math.floor(n / 16), 0)
    const outcome = engineOf(factories.at(-1)!).drawOpen(inputFor(work, { bits: 0x03010000 }))
    expect(outcome.win).toBeUndefined()
    expect(outcome.tickets).toBe(tiles)
    expect(outcome.macs).toBe(tiles * 256 * shape.k)
    expect(outcome.newTokens).toBe(work === 'inference' ? 4 * inputFor(work).tasks.length : 0)
  })
})

test.each(OPEN_WORKS)(
  '%s under the legacy rule and with the rank penalty: other tickets, valid by the same rules only',
  (work) => {
    const engine = engineOf(factories.at(-1)!)
    const { dModel } = model.config
    const base = inputFor(work)
    const deployed = verify(base, engine)
    const legacy = { rule: 'legacy', rankPenalty: false } as const
    const old = verify({ ...base, rules: legacy }, engine)
    expect(old.seedA).not.toEqual(deployed.seedA)
    const penalty = { rule: 'v3', rankPenalty: true } as const
    const { prompts, shape } = openPlan(work, model.config, base.promptTokens, penalty)
    expect(shape.rank).toBe(128)
    expect(isFreeWork(work) || shape.k === prompts * dModel).toBe(true)
    verify({ ...base, tasks: tasks(prompts), rules: penalty }, engine)
    if (isFreeWork(work)) return
    // Rank 64, which inference takes without it, is then refused.
    const { unit, seedA, foldState, proof } = engine.drawOpen(base).win!
    const claim = openClaim(
      { unit, minerKey: base.minerKey, bits: EASY, traceRoot: seedA, foldState },
      paramsOf(penalty),
    )
    expect(() => verifyOpenProof(claim, proof)).toThrow('PEARL_RANK')
  },
)

test('the ticket that wins is the first that the reference finds', () => {
  const engine = engineOf(factories.at(-1)!)
  const input = inputFor('random', { bits: ONE_IN_EIGHT })
  let draw = 0
  let outcome = engine.drawOpen(input)
  while (outcome.win === undefined) outcome = engine.drawOpen({ ...input, draw: ++draw })
  const { proof, unit, seedA, foldState } = outcome.win
  const claim = openClaim(
    { unit, minerKey: input.minerKey, bits: input.bits, traceRoot: seedA, foldState },
    presets.unit.open,
  )
  expect(verifyOpenProof(claim, proof).bound).toBeLessThan(2n ** 256n - 1n)
  const at = outcome.tickets - 1
  const { rowOffset, columnOffset } = verifyOpenProof(claim, proof)
  expect([rowOffset, columnOffset]).toEqual([16 * Math.floor(at / 32), 16 * (at % 32)])
})

test('operands are what the work says: equal rows and zeros, or activations of different prompts side by side', () => {
  const engine = engineOf(factories.at(-1)!)
  const rowsOf = (opening: pearl.MatrixOpening, k: number): string[] => {
    const rows: string[] = []
    const bytes = opening.leafData.flatMap((leaf) => [...leaf])
    for (let at = 0; at + k <= bytes.length; at += k) rows.push(bytes.slice(at, at + k).join())
    return rows
  }
  const structured = pearl.decodePlainProof(engine.drawOpen(inputFor('structured')).win!.proof)
  expect(new Set(rowsOf(structured.a, structured.k)).size).toBe(1)
  expect(structured.bt.leafData.every((leaf) => leaf.every((value) => value === 0))).toBe(true)
  const random = pearl.decodePlainProof(engine.drawOpen(inputFor('random')).win!.proof)
  expect(new Set(rowsOf(random.a, random.k)).size).toBe(16)
  const inference = pearl.decodePlainProof(engine.drawOpen(inputFor('inference')).win!.proof)
  const { dModel } = model.config
  const traces = inputFor('inference').tasks.map((task) => executeUnit(model, task))
  const activations = (row: number): number[] =>
    traces.flatMap((trace) => [...operandRows(model, 0, 0, [residualRow(trace, 0, 0, row)])])
  const opened = rowsOf(inference.a, inference.k)
  opened.forEach((row, i) => {
    expect(row).toBe(Uint8Array.from(activations(inference.a.rowIndices[i]!)).join())
  })
  const [weights] = rowsOf(inference.bt, inference.k)
  expect(weights).toBe(
    new Array(inference.k / dModel)
      .fill([...new Uint8Array(model.layers[0]!.qkv.q.slice(0, dModel).buffer)].join())
      .join(),
  )
  expect(equalBytes(inference.a.root, random.a.root)).toBe(false)
  // The first layer alone draws over the same matrices: no layer need be run to have the first product.
  const first = pearl.decodePlainProof(engine.drawOpen(inputFor('first-layer')).win!.proof)
  expect([first.a.root, first.bt.root]).toEqual([inference.a.root, inference.bt.root])
})

test('wrong numbers of prompts are refused', () => {
  const engine = engineOf(factories.at(-1)!)
  expect(() => engine.drawOpen(inputFor('inference', { tasks: [] }))).toThrow(RangeError)
  expect(() => engine.drawOpen(inputFor('random', { tasks: tasks(1) }))).toThrow(RangeError)
})

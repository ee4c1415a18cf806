/**
 * WRK-2: to the operand and to the weights a random matrix of rank r is added, a product of a uniform and a sparse factor. The noise of
 * the weights is one for all units on a parent; that of the operand commits to the unit, the miner, the operand's rows and all
 * dimensions, so the operand cannot be chosen after the noise is seen (B3).
 *
 *   E = E_L E_R      E_L: m x r, uniform in [-32, 31]      E_R: r x k, one +1 and one -1 in each column
 *
 *   beacon, model, layer, op, k, n, r -> seed of F -> seed of E <- unit, miner, preRoot, m, k
 *
 * Property tests, and how much of full rank a block keeps: lottery-noise.test.ts.
 */
import { expect, test } from 'vitest'
import {
  bytesToHex,
  type KeyedHash,
  noisedOperandRows,
  noiseMatrix,
  OP_QKV,
  operandNoise,
  operandNoiseSeed,
  verifyTicketProof,
  weightNoiseSeed,
} from '../../src/index.ts'
import { fixtureUnit, proofInput } from '../lottery-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

/** A random source that only gives `byte`, so that noise can be worked out by hand. */
const always =
  (byte: number): KeyedHash =>
  () =>
    filled(byte)

test('by hand, r = 4: the lowest random words', () => {
  const { uniform, sparse } = operandNoise(filled(0), 4, 4, 0, 1, always(0))
  expect([...uniform]).toEqual([-32, -32, -32, -32])
  expect([...sparse.plus]).toEqual([1, 2, 3, 0]) // p[j] <-> p[0] for j = 3, 2, 1
  expect([...sparse.minus]).toEqual([0, 3, 2, 1]) // p[j] xor 1
})

test('by hand, r = 4: the highest random words', () => {
  const { uniform, sparse } = operandNoise(filled(0), 4, 4, 0, 1, always(0xff))
  expect([...uniform]).toEqual([31, 31, 31, 31])
  expect([...sparse.plus]).toEqual([0, 1, 2, 3]) // p[j] <-> p[j]
  expect([...sparse.minus]).toEqual([3, 2, 1, 0]) // p[j] xor 3
})

test('by hand: an element is the difference of two uniform values, and noised operands stay inside int8', () => {
  const sparse = { plus: Uint16Array.of(0, 1), minus: Uint16Array.of(1, 0) }
  const noise = { rank: 2, firstRow: 0, uniform: Int8Array.of(31, -32), sparse }
  expect([...noiseMatrix(noise)]).toEqual([63, -63])
  expect([...noisedOperandRows(Int8Array.of(63, -63), noise)]).toEqual([126, -126])
})

test('the seeds: F is shared by all units on a parent, E is bound to unit, miner, rows and dimensions', () => {
  const side = { parentBeacon: filled(1), modelId: filled(2), layer: 0, op: OP_QKV, k: 32, n: 64, r: 8 } as const
  const weightSeed = weightNoiseSeed(side)
  expect(weightNoiseSeed({ ...side, parentBeacon: filled(9) })).not.toEqual(weightSeed)
  const own = { weightSeed, unitId: filled(3), minerKey: filled(4), preRoot: filled(5), m: 24, k: 32 }
  const others = [
    { weightSeed: filled(9) },
    { unitId: filled(9) },
    { minerKey: filled(9) },
    { preRoot: filled(9) },
    { m: 25 },
  ]
  const seeds = [own, ...others.map((change) => ({ ...own, ...change }))].map((seed) =>
    bytesToHex(operandNoiseSeed(seed)),
  )
  expect(new Set(seeds).size).toBe(6)
})

test('a tile multiplied under the noise of another beacon, unit or miner', () => {
  const unit = fixtureUnit()
  const honest = proofInput(unit, unit.tickets[7]!)
  accepted(() => verifyTicketProof(honest))
  for (const change of [{ parentBeacon: filled(9) }, { unitId: filled(9) }, { minerKey: filled(9) }])
    rejected('TICKET_STATE_MISMATCH', () => verifyTicketProof({ ...honest, ...change }))
})

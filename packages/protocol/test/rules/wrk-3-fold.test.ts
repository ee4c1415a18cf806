/**
 * WRK-3: the noised product is computed in tiles of h rows by w columns. After each r steps along k the XOR of all accumulators of a
 * tile enters the next of 16 words, which is first rotated left by 13. Only full tiles draw.
 *
 *        w     w                          step s = 1, 2, ... k / r
 *      +-----+-----+--+                   x           = XOR of the h w accumulators
 *    h |  0  |  1  |  | partial tiles     word s - 1  = rotateLeft(word s - 1, 13) XOR x     (mod 16)
 *      +-----+-----+--+ draw nothing
 *      |     |     |  |
 *
 * The same on random products, and against the engine's kernels: lottery-fold.test.ts, packages/engine/test/kernels.test.ts.
 */
import { expect, test } from 'vitest'
import {
  checkTicketPosition,
  foldProduct,
  foldStep,
  foldTile,
  OP_QKV,
  unitModel,
  unitTickets,
} from '../../src/index.ts'
import { PROMPT, UNIT_LOTTERY } from '../lottery-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const rest = (words: number): number[] => new Array<number>(words).fill(0)

test('by hand: a 2 x 2 tile after one step, negative accumulators as two’s complement', () => {
  //  A' = [1; 2]   W' = [3 -5]   accumulators 3 -5 6 -10
  const state = foldTile(Int8Array.of(1, 2), Int8Array.of(3, -5), { h: 2, w: 2, k: 1, r: 1 })
  expect([...state]).toEqual([(3 ^ -5 ^ 6 ^ -10) >>> 0, ...rest(15)])
})

test('by hand: two steps use two words, and accumulators are not reset in between', () => {
  //  1 * 2, then + 1 * 3
  expect([...foldTile(Int8Array.of(1, 1), Int8Array.of(2, 3), { h: 1, w: 1, k: 2, r: 1 })]).toEqual([2, 5, ...rest(14)])
  // With a fold step of 2 there is one step only: another state for the same product.
  expect([...foldTile(Int8Array.of(1, 1), Int8Array.of(2, 3), { h: 1, w: 1, k: 2, r: 2 })]).toEqual([5, ...rest(15)])
})

test('by hand: step 17 comes back to the first word and rotates it', () => {
  const state = new Uint32Array(16)
  foldStep(state, 1, Int32Array.of(1))
  foldStep(state, 17, Int32Array.of(6))
  expect([...state]).toEqual([2 ** 13 + 6, ...rest(15)])
  const top = new Uint32Array(16).fill(0x80000001, 0, 1)
  foldStep(top, 1, Int32Array.of(0))
  expect(top[0]).toBe(0x00003000)
})

test('a product of 3 x 5 in tiles of 2 x 2 has two full tiles', () => {
  const { states, product } = foldProduct(new Int8Array(3).fill(1), new Int8Array(5).fill(1), {
    m: 3,
    n: 5,
    k: 1,
    h: 2,
    w: 2,
    r: 1,
  })
  expect(states).toHaveLength(2)
  expect([...product]).toEqual(new Array(15).fill(1))
})

test('a ticket on a partial tile: 18 prompt rows in tiles of 4 rows', () => {
  const dims = unitModel().config
  const at = (tileRow: number, tileColumn: number): void =>
    checkTicketPosition(dims, UNIT_LOTTERY, PROMPT, { layer: 0, op: OP_QKV, tileRow, tileColumn })
  accepted(() => at(3, 7))
  rejected('TICKET_POSITION', () => at(4, 7))
  rejected('TICKET_POSITION', () => at(3, 8))
  expect(unitTickets(dims, UNIT_LOTTERY, PROMPT)).toBe(2 * (4 * 8 + 4 * 16))
})

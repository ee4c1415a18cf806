// WRK-2: random factors, noise matrices and their seeds.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bigintFromLe, bytesToHex } from '../src/bytes.ts'
import { type KeyedHash, keyedHash } from '../src/hash.ts'
import {
  NOISED_MAX,
  noisedOperandRows,
  noisedWeightColumns,
  noiseElement,
  noiseMatrix,
  noiseRow,
  type OperandSeedInput,
  operandNoise,
  operandNoiseSeed,
  permutedSparseFactor,
  randomBlock,
  randomStream,
  type SparseFactor,
  uniformFactor,
  uniformFactorRows,
  type WeightSeedInput,
  weightNoise,
  weightNoiseSeed,
} from '../src/lottery/index.ts'
import { OP_GATE_UP, OP_QKV } from '../src/trace/types.ts'
import { bytes } from './lottery-fixture.ts'

const anySeed = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** k and r with k a multiple of r, r a power of two. */
const anyWidth = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 })).map(([log, groups]) => ({
  r: 2 ** log,
  k: groups * 2 ** log,
}))

describe('random blocks', () => {
  test('a stream is the blocks end to end, from any byte', () => {
    const key = bytes(3)
    const blocks = [0, 1, 2].flatMap((index) => [...randomBlock(index, 'B_tensor', key, 1)])
    fc.assert(
      fc.property(fc.nat(96), fc.nat(96), (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)]
        expect([...randomStream('B_tensor', key, 1, start, end - start)]).toEqual(blocks.slice(start, end))
      }),
    )
  })

  test('index, label, key and slot each give another block; a faster hash is used', () => {
    const digests = [
      randomBlock(0, 'A_tensor', bytes(1), 0),
      randomBlock(1, 'A_tensor', bytes(1), 0),
      randomBlock(0, 'B_tensor', bytes(1), 0),
      randomBlock(0, 'A_tensor', bytes(2), 0),
      randomBlock(0, 'A_tensor', bytes(1), 1),
    ]
    expect(new Set(digests.map(bytesToHex)).size).toBe(5)
    let message: Uint8Array | undefined
    const spy: KeyedHash = (key, data) => {
      message = data
      return keyedHash(key, data)
    }
    expect(randomBlock(0x01020303, 'A_tensor', bytes(1), 2, spy)).toHaveLength(32)
    const expected = new Uint8Array(64)
    expected.set([4, 3, 2, 1], 8)
    expected.set(new TextEncoder().encode('A_tensor'), 32)
    expect(message).toEqual(expected)
  })
})

describe('uniform factor', () => {
  test('any rows of it are the rows of the whole, values in [-32, 31]', () => {
    fc.assert(
      fc.property(anySeed, anyWidth, fc.nat(20), fc.nat(5), (seed, { r }, first, count) => {
        const whole = uniformFactor('A_tensor', seed, first + count, r)
        expect(uniformFactorRows('A_tensor', seed, first, count, r)).toEqual(whole.subarray(first * r))
        expect(whole.every((value) => value >= -32 && value <= 31)).toBe(true)
      }),
      { numRuns: 50 },
    )
    expect(new Set(uniformFactor('A_tensor', bytes(1), 64, 32)).size).toBe(64)
  })
})

/** Rank over GF(p) of columns start .. start + r - 1 of the r-row factor; p is far above any minor of a +1/-1 graph matrix. */
function blockRank({ plus, minus }: SparseFactor, start: number, r: number): number {
  const p = 2_147_483_647n
  const rows = Array.from({ length: r }, (_, j) => {
    const row = new Array<bigint>(r).fill(0n)
    row[plus[start + j]!] = 1n
    row[minus[start + j]!] = p - 1n
    return row
  })
  let rank = 0
  for (let column = 0; column < r; column++) {
    const pivot = rows.findIndex((row, i) => i >= rank && row[column] !== 0n)
    if (pivot < 0) continue
    const [top] = rows.splice(pivot, 1)
    rows.splice(rank, 0, top!)
    // Pivots are +1 or -1 (the matrix is totally unimodular), so each is its own inverse.
    for (let i = rank + 1; i < r; i++) {
      const factor = (rows[i]![column]! * top![column]!) % p
      if (factor !== 0n) for (let c = column; c < r; c++) rows[i]![c] = (rows[i]![c]! + (p - factor) * top![c]!) % p
    }
    rank++
  }
  return rank
}

describe('permuted sparse factor', () => {
  test('in each group plus is a permutation and minus another index of the group', () => {
    fc.assert(
      fc.property(anySeed, anyWidth, (seed, { k, r }) => {
        const { plus, minus } = permutedSparseFactor('A_tensor', seed, k, r)
        expect([plus.length, minus.length]).toEqual([k, k])
        for (let start = 0; start < k; start += r) {
          expect([...plus.subarray(start, start + r)].sort((a, b) => a - b)).toEqual([...Array(r).keys()])
        }
        expect(minus.every((value, c) => value < r && value !== plus[c])).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('is the rule of WRK-2 written out with integers of unbounded size', () => {
    const word = (slot: number, seed: Uint8Array, c: number): bigint => {
      const block = randomBlock(Math.floor(c / 8), 'B_tensor', seed, slot)
      return bigintFromLe(block.subarray(4 * (c % 8), 4 * (c % 8) + 4))
    }
    fc.assert(
      fc.property(anySeed, anyWidth, (seed, { k, r }) => {
        const plus: number[] = []
        const minus: number[] = []
        for (let start = 0; start < k; start += r) {
          const p = [...Array(r).keys()]
          for (let j = r - 1; j >= 1; j--) {
            const other = Number((BigInt(j + 1) * word(1, seed, start + j)) >> 32n)
            ;[p[j], p[other]] = [p[other]!, p[j]!]
          }
          plus.push(...p)
          minus.push(...p.map((value, j) => value ^ (1 + Number((BigInt(r - 1) * word(2, seed, start + j)) >> 32n))))
        }
        const factor = permutedSparseFactor('B_tensor', seed, k, r)
        expect([[...factor.plus], [...factor.minus]]).toEqual([plus, minus])
      }),
      { numRuns: 20 },
    )
  })

  test('groups, labels and seeds draw apart', () => {
    const { plus } = permutedSparseFactor('A_tensor', bytes(1), 64, 32)
    expect(plus.subarray(0, 32)).not.toEqual(plus.subarray(32))
    expect(permutedSparseFactor('B_tensor', bytes(1), 64, 32).plus).not.toEqual(plus)
    expect(permutedSparseFactor('A_tensor', bytes(2), 64, 32).plus).not.toEqual(plus)
  })

  test('extreme words stay inside the group', () => {
    for (const word of [0, 0xff]) {
      const { plus, minus } = permutedSparseFactor('A_tensor', bytes(0), 2048, 1024, () => bytes(word))
      expect([...plus.subarray(0, 1024)].sort((a, b) => a - b)).toEqual([...Array(1024).keys()])
      expect(minus.every((value, c) => value < 1024 && value !== plus[c])).toBe(true)
    }
  })

  test('each block of r columns keeps about 0.95 of full rank', () => {
    const r = 32
    const blocks = 200
    const factor = permutedSparseFactor('A_tensor', bytes(9), blocks * r, r)
    let total = 0
    for (let g = 0; g < blocks; g++) total += blockRank(factor, g * r, r)
    const share = total / (blocks * r)
    expect(share).toBeGreaterThan(0.94)
    expect(share).toBeLessThan(0.96)
  })
})

describe('noise matrices', () => {
  test('E is E_L E_R and F is F_L F_R, element, row and whole', () => {
    fc.assert(
      fc.property(anySeed, anyWidth, fc.nat(4), fc.integer({ min: 1, max: 5 }), (seed, { k, r }, first, rows) => {
        for (const make of [operandNoise, weightNoise]) {
          const noise = make(seed, k, r, first, rows)
          const { uniform, sparse } = noise
          const whole = noiseMatrix(noise)
          for (let i = 0; i < rows; i++) {
            for (let c = 0; c < k; c++) {
              let product = 0
              for (let q = 0; q < r; q++) {
                const entry = (sparse.plus[c] === q ? 1 : 0) - (sparse.minus[c] === q ? 1 : 0)
                product += uniform[i * r + q]! * entry
              }
              expect(noiseElement(noise, first + i, c)).toBe(product)
              expect(whole[i * k + c]).toBe(product)
            }
            expect(noiseRow(noise, first + i)).toEqual(whole.subarray(i * k, (i + 1) * k))
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  test('operand and weights plus noise stay in [-126, 126] at both ends', () => {
    const k = 64
    const rows = 64
    const noise = operandNoise(bytes(5), k, 32, 0, rows)
    const extreme = Math.max(...noiseMatrix(noise).map(Math.abs))
    expect(extreme).toBeGreaterThan(58)
    for (const value of [-63, 63]) {
      const q = new Int8Array(rows * k).fill(value)
      const operand = noisedOperandRows(q, noise)
      expect(operand).toEqual(noiseMatrix(noise).map((e) => e + value))
      expect(operand.every((v) => Math.abs(v) <= NOISED_MAX && v !== -128)).toBe(true)
      const matrix = { rows, columns: k, q, scale: new Float32Array(rows) }
      expect(noisedWeightColumns(matrix, weightNoise(bytes(5), k, 32, 60, 4))).toHaveLength(4 * k)
    }
  })

  test('columns of W prime are the same alone and together', () => {
    const q = Int8Array.from({ length: 40 * 32 }, (_, t) => ((t * 37) % 127) - 63)
    const matrix = { rows: 40, columns: 32, q, scale: new Float32Array(40) }
    const whole = noisedWeightColumns(matrix, weightNoise(bytes(6), 32, 8, 0, 40))
    const some = noisedWeightColumns(matrix, weightNoise(bytes(6), 32, 8, 11, 9))
    expect(some).toEqual(whole.subarray(11 * 32, 20 * 32))
  })

  test('a value that no quantised row has, or another shape, is a bug of the caller', () => {
    const noise = operandNoise(bytes(5), 8, 8, 0, 1)
    expect(() => noisedOperandRows(new Int8Array(8).fill(64), noise)).toThrow(RangeError)
    expect(() => noisedOperandRows(new Int8Array(16), noise)).toThrow(RangeError)
  })
})

describe('seeds', () => {
  test('every input of the weight seed changes it', () => {
    const input: WeightSeedInput = {
      parentBeacon: bytes(1),
      modelId: bytes(2),
      layer: 3,
      op: OP_QKV,
      k: 192,
      n: 384,
      r: 32,
    }
    const changes: Partial<WeightSeedInput>[] = [
      { parentBeacon: bytes(9) },
      { modelId: bytes(9) },
      { layer: 4 },
      { op: OP_GATE_UP },
      { k: 224 },
      { n: 416 },
      { r: 64 },
    ]
    const seeds = [{}, ...changes].map((change) => bytesToHex(weightNoiseSeed({ ...input, ...change })))
    expect(new Set(seeds).size).toBe(8)
  })

  test('every input of the operand seed changes it (B3)', () => {
    const input: OperandSeedInput = {
      weightSeed: bytes(1),
      unitId: bytes(2),
      minerKey: bytes(3),
      preRoot: bytes(4),
      m: 64,
      k: 192,
    }
    const changes: Partial<OperandSeedInput>[] = [
      { weightSeed: bytes(9) },
      { unitId: bytes(9) },
      { minerKey: bytes(9) },
      { preRoot: bytes(9) },
      { m: 65 },
      { k: 224 },
    ]
    const seeds = [{}, ...changes].map((change) => bytesToHex(operandNoiseSeed({ ...input, ...change })))
    expect(new Set(seeds).size).toBe(7)
  })
})

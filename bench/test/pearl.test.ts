/** What the timings of the Pearl baseline are made of: proofs that verify, ranks that are right, a table that names every binding. */
import { OPEN_WORKS } from '@nacre/engine'
import { MAX_OPEN_PROOF_BYTES, pearl } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { describeMachine } from '../src/machine.ts'
import { OPERANDS, PRODUCTS_ALONE, RANKS } from '../src/pearl/pieces.ts'
import { PROOF_NAMES, PROOF_SHAPES, proofOf, verification } from '../src/pearl/proofs.ts'
import { weaknessReport } from '../src/pearl/report.ts'
import { zeroStepRank } from '../src/pearl/step-rank.ts'

test.each(PROOF_NAMES.slice(0, -1))('%s verifies, and fits a block', (name) => {
  const { configuration } = verification(name)()
  const { k, rank, rows, columns } = PROOF_SHAPES[name]
  expect([configuration.k, configuration.rank]).toEqual([k, rank])
  expect([pearl.patternSize(configuration.rows), pearl.patternSize(configuration.columns)]).toEqual([
    rows.length,
    columns.length,
  ])
  expect(proofOf(name).length).toBeLessThanOrEqual(MAX_OPEN_PROOF_BYTES)
})

test('the rank of a step over zeros: never above r - 1, and about four fifths of r', () => {
  const seed = new Uint8Array(32).fill(3)
  for (const r of [32, 128]) {
    const part = zeroStepRank(seed, 2048, r)
    expect(part).toBeLessThanOrEqual((r - 1) / r)
    expect(Math.abs(part - 0.8)).toBeLessThan(0.04)
  }
  // Of two differences +-(1, -1) in a step, half cancel: rank 1 in about half of the steps.
  const part = zeroStepRank(seed, 1024, 2)
  expect(part).toBeGreaterThan(0.15)
  expect(part).toBeLessThan(0.35)
})

test('the table has every case with the binding that excludes it', () => {
  const names = [
    ...OPERANDS.map((name) => `operands/${name}`),
    ...RANKS.map((rank) => `rank/${rank}`),
    ...['tile alone', 'refold', 'claim/legacy', PRODUCTS_ALONE],
    ...['fresh/a new A', 'fresh/one entry of A changed', 'fresh/another root with nothing behind it'],
    ...PROOF_NAMES.map((name) => `verify/${name}`),
    ...OPEN_WORKS.map((work) => `draw/${work}`),
  ]
  const samples = new Map(names.map((name, i) => [name, [i + 1, i + 2, i + 3]]))
  const draws = new Map(OPEN_WORKS.map((work) => [work, { macs: 1e6, tickets: 10, newTokens: 5 }]))
  const text = weaknessReport({
    ...{ date: '2026-01-01T00:00:00Z', seconds: 1, rounds: 3, kernels: 'scalar', draws, samples },
    ...{ machine: describeMachine(), othersBusy: undefined, stepRank: new Map([[128, 0.8]]) },
  })
  for (const rule of ['B1', 'B2', 'B3', 'B4', 'B5', 'B6', 'WRK-3', 'WRK-6', 'BLK-4']) expect(text).toContain(rule)
  for (const name of PROOF_NAMES) expect(text).toContain(name)
  expect(text).not.toMatch(/undefined|NaN/)
})

/** `npm run demo:usefulness` on small networks: cheats earn under the baseline's rules, nothing under Nacre's, and again with one rule less. */
import { expect, test } from 'vitest'
import { CASES } from '../scripts/usefulness/cases.ts'
import { readCosts } from '../scripts/usefulness/costs.ts'
import type { Figures } from '../scripts/usefulness/figures.ts'
import { playCase } from '../scripts/usefulness/play.ts'
import { QUICK } from '../scripts/usefulness/size.ts'

const { signal } = new AbortController()
const TIMEOUT_MS = 600_000

const play = (name: string): Promise<Figures> =>
  playCase({
    play: CASES.find((each) => each.name === name)!,
    size: QUICK,
    costs: readCosts(),
    seed: 'nightly',
    signal,
  })
const of = ({ miners }: Figures, name: string) => miners.find((miner) => miner.name === name)!

test('under Pearl’s rules random matrices draw more than inference for the same processor time', {
  timeout: TIMEOUT_MS,
}, async () => {
  const run = await play('pearl')
  expect(of(run, 'random').drawnMacs).toBeGreaterThan(2 * of(run, 'honest').drawnMacs)
  expect(of(run, 'random').blocks).toBeGreaterThan(0)
  expect(of(run, 'random').sent).toBe(0)
  expect(run.clients.settled).toBe(run.clients.posted)
})

test('under Nacre’s they earn nothing, by name; a seed gives the same chain again', {
  timeout: TIMEOUT_MS,
}, async () => {
  const run = await play('nacre')
  for (const [name, code] of [
    ['random', 'BLOCK_REPLAY_TOKENS'],
    ['first-layer', 'BLOCK_REPLAY_TRACE'],
  ] as const) {
    const miner = of(run, name)
    expect([miner.blocks, miner.maturedGrains, miner.immatureGrains]).toEqual([0, '0', '0'])
    expect(miner.sent).toBeGreaterThan(0)
    expect(Object.keys(miner.refusals)).toEqual([code])
  }
  expect(of(run, 'honest').blocks).toBeGreaterThan(0)
  expect(run.clients.settled).toBe(run.clients.posted)
  expect(await play('nacre')).toEqual(run)
})

test.each([
  ['nacre without B6', 'random'],
  ['nacre without B4', 'first-layer'],
])('%s: %s earns', { timeout: TIMEOUT_MS }, async (name, freed) => {
  const run = await play(name)
  expect(of(run, freed).blocks).toBeGreaterThan(0)
  expect(of(run, freed).drawnMacs).toBeGreaterThan(1.5 * of(run, 'honest').drawnMacs)
})

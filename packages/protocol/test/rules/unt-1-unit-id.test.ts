/**
 * UNT-1: a unit is one execution by one miner, named by the hash of lane, parent block, miner key, model, and job or counter.
 * One unit has one id and one trace, so there is nothing to grind and nothing to be paid for twice (B5, P2).
 *
 *   unitId = H(lane | parent | miner | model | job | counter)
 *                                             ^^^   ^^^^^^^
 *                             zero in the bootstrap lane, zero in the paid lane
 *
 * More on ids: units.test.ts.
 */
import { expect, test } from 'vitest'
import { bytesToHex, commitTrace, executeUnit, LANE_BOOTSTRAP, LANE_PAID, unitId } from '../../src/index.ts'
import { mineBlock } from '../chain-fixture.ts'
import * as one from './one-block.ts'
import { accepted, filled, flipped, rejected } from './verbs.ts'

const { unit, minerKey } = one.block.header

test('every field makes another unit', () => {
  const ids = [
    unitId(unit, minerKey),
    unitId(unit, flipped(minerKey)),
    unitId({ ...unit, parentId: flipped(unit.parentId) }, minerKey),
    unitId({ ...unit, modelId: flipped(unit.modelId) }, minerKey),
    unitId({ ...unit, counter: unit.counter + 1 }, minerKey),
    unitId({ ...unit, lane: LANE_PAID, jobId: filled(1) }, minerKey),
    unitId({ ...unit, lane: LANE_PAID, jobId: filled(2) }, minerKey),
  ].map(bytesToHex)
  expect(new Set(ids).size).toBe(ids.length)
})

test('one unit has one spelling: a counter or a job, never both', () => {
  accepted(() => unitId({ ...unit, lane: LANE_BOOTSTRAP, counter: 5 }, minerKey))
  accepted(() => unitId({ ...unit, lane: LANE_PAID, jobId: filled(1), counter: 0 }, minerKey))
  rejected('UNIT_LANE', () => unitId({ ...unit, lane: LANE_BOOTSTRAP, jobId: filled(1) }, minerKey))
  rejected('UNIT_LANE', () => unitId({ ...unit, lane: LANE_PAID, jobId: filled(1), counter: 1 }, minerKey))
  rejected('UNIT_LANE', () => unitId({ ...unit, lane: LANE_PAID, jobId: filled(0) }, minerKey))
})

test('the parent of a bootstrap unit is the parent of its block', () => {
  accepted(() => one.validate(one.block))
  rejected('UNIT_PARENT', () => one.validate(one.withHeader({ unit: { ...unit, parentId: flipped(unit.parentId) } })))
})

test('the trace is a function of the unit and the model: the same again, and another for the next counter', () => {
  const { model } = one.context.bootstrap
  const promptTokens = [...one.trace.tokens].slice(0, one.trace.shape.promptTokens)
  const decoding = { temperatureMilli: 0, seed: filled(0), stopAtEos: false }
  const again = executeUnit(model, { promptTokens, maxNewTokens: one.trace.shape.newTokens, decoding })
  expect(commitTrace(again).traceRoot).toEqual(one.block.header.traceRoot)
  const { context, ancestry, state, NOW_MS: timeMs, miner: keys } = one
  const next = mineBlock({ context, ancestry, parentId: one.genesis.id, state, timeMs, keys, counter: 1 })
  expect(next.block.header.traceRoot).not.toEqual(one.block.header.traceRoot)
})

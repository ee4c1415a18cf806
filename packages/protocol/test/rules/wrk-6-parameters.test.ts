/**
 * WRK-6: noise rank, tile shape and fold step belong to the registered model in the parameters. A header has no field for them, so a
 * miner that uses others has tickets that nobody can reproduce.
 *
 *   models.0.noiseRank = r        models.0.tileRows x models.0.tileColumns = h x w        fold step = r
 */
import { expect, test } from 'vitest'
import {
  buildTicketProof,
  checkModelFits,
  drawUnit,
  type LotteryParams,
  overrideParams,
  paramsHash,
  presets,
  unitModel,
  verifyTicketProof,
} from '../../src/index.ts'
import { fixtureUnit, MINER_KEY, PARENT_BEACON, proofInput, UNIT_ID, UNIT_LOTTERY } from '../lottery-fixture.ts'
import * as one from './one-block.ts'
import { accepted, rejected } from './verbs.ts'

const { unit: params } = presets
const model = unitModel()
const unit = fixtureUnit()

/** Verifies, by the registered shape, the first ticket of a miner that drew with another one. */
function minedWith(own: LotteryParams): void {
  const { trace, subroots, top } = unit
  const identity = { parentBeacon: PARENT_BEACON, unitId: UNIT_ID, minerKey: MINER_KEY, traceRoot: top.root }
  const ticket = drawUnit({ modelParams: own, model, trace, ...identity })[0]!
  const proof = buildTicketProof(trace, subroots, top, ticket.position, own.tileRows)
  verifyTicketProof({ ...proofInput(unit, unit.tickets[0]!), ticket, proof })
}

test('a miner with a cheaper shape of its own', () => {
  accepted(() => minedWith(UNIT_LOTTERY))
  rejected('TICKET_STATE_MISMATCH', () => minedWith({ ...UNIT_LOTTERY, noiseRank: 4 }))
  rejected('TICKET_STATE_MISMATCH', () => minedWith({ ...UNIT_LOTTERY, noiseRank: 32 }))
  rejected('TICKET_STATE_MISMATCH', () => minedWith({ ...UNIT_LOTTERY, tileColumns: 4 }))
  rejected('TICKET_PROOF_SHAPE', () => minedWith({ ...UNIT_LOTTERY, tileRows: 2 }))
})

test('a header names a tile and nothing of its shape', () => {
  expect(Object.keys(one.block.header.ticket).sort()).toEqual(['layer', 'op', 'tileColumn', 'tileRow'])
})

test('another shape is another network', () => {
  expect(paramsHash(overrideParams(params, ['models.0.noiseRank=16']))).not.toEqual(paramsHash(params))
})

test('parameters: the rank is a power of two that divides the width, a tile has at most 4096 accumulators', () => {
  accepted(() => overrideParams(params, ['models.0.tileRows=64', 'models.0.tileColumns=64']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(params, ['models.0.tileRows=64', 'models.0.tileColumns=65']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(params, ['models.0.noiseRank=12']))
  const withRank = (noiseRank: number): void =>
    checkModelFits(params, { ...params.models[0]!, noiseRank }, model.config)
  accepted(() => withRank(32))
  rejected('PARAM_CONTRADICTION', () => withRank(64))
})

test('parameters: a bootstrap unit has at least one full tile', () => {
  const withRows = (tileRows: number): void => checkModelFits(params, { ...params.models[0]!, tileRows }, model.config)
  accepted(() => withRows(24))
  rejected('PARAM_CONTRADICTION', () => withRows(25), 'no full tile')
})

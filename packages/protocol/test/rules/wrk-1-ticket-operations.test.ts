/**
 * WRK-1: two products of each layer draw tickets, over the prompt's positions only: q,k,v of the residual row that enters the layer,
 * and gate,up of the residual row after attention. To check an operand it takes residual rows and nothing else.
 *
 *   op 0   h[l][i] -> attention norm -> int8 -> A (P x d) times qkv     (d x n)
 *   op 1   x[l][i] -> ffn norm       -> int8 -> A (P x d) times gate,up (d x 2 ffn)
 */
import { expect, test } from 'vitest'
import {
  checkTicketPosition,
  drawUnit,
  OP_GATE_UP,
  OP_QKV,
  operandRows,
  quantiseRow,
  residualRow,
  rmsNorm,
  type TicketPosition,
  ticketMatrix,
  ticketShape,
  unitModel,
} from '../../src/index.ts'
import {
  fixtureTrace,
  fixtureUnit,
  MINER_KEY,
  PARENT_BEACON,
  PROMPT,
  UNIT_ID,
  UNIT_LOTTERY,
} from '../lottery-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const model = unitModel()
const dims = model.config
const unit = fixtureUnit()

test('the operand is the residual row through the norm of its operation, quantised', () => {
  const layer = model.layers[1]!
  for (const [op, rows, gain] of [
    [OP_QKV, unit.trace.h[1]!, layer.attnNorm],
    [OP_GATE_UP, unit.trace.x[1]!, layer.ffnNorm],
  ] as const) {
    const row = residualRow(unit.trace, 1, op, 5)
    expect(row).toEqual(rows.slice(5 * 32, 6 * 32))
    expect(operandRows(model, 1, op, [row])).toEqual(quantiseRow(rmsNorm(row, gain, dims.normEps)).q)
  }
})

test('the weights are the fused matrices of the layer', () => {
  expect(ticketMatrix(model, 1, OP_QKV)).toBe(model.layers[1]!.qkv)
  expect(ticketMatrix(model, 1, OP_GATE_UP)).toBe(model.layers[1]!.gateUp)
  expect(ticketShape(dims, UNIT_LOTTERY, OP_QKV, PROMPT)).toMatchObject({ m: PROMPT, k: 32, n: (4 + 2 * 2) * 8 })
  expect(ticketShape(dims, UNIT_LOTTERY, OP_GATE_UP, PROMPT)).toMatchObject({ m: PROMPT, k: 32, n: 2 * dims.ffnDim })
})

test('there is no third operation, and no layer beyond the last', () => {
  const at = (layer: number, op: number): TicketPosition => ({ layer, op: op as 0, tileRow: 0, tileColumn: 0 })
  const check = (position: TicketPosition): void => checkTicketPosition(dims, UNIT_LOTTERY, PROMPT, position)
  accepted(() => check(at(1, OP_GATE_UP)))
  rejected('TICKET_POSITION', () => check(at(1, 2)))
  rejected('TICKET_POSITION', () => check(at(2, OP_GATE_UP)))
})

test('rows after the prompt draw nothing: whatever was generated, the fold states are the same', () => {
  const other = fixtureTrace(dims, PROMPT)
  for (const rows of [...other.h, ...other.x]) rows.fill(7, PROMPT * dims.dModel)
  const tickets = drawUnit({
    modelParams: UNIT_LOTTERY,
    model,
    parentBeacon: PARENT_BEACON,
    unitId: UNIT_ID,
    minerKey: MINER_KEY,
    trace: other,
    traceRoot: unit.top.root,
  })
  expect(tickets).toEqual(unit.tickets)
})

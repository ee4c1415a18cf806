/** Wrong accumulators in the bulk check of a layer (Freivalds over 2^31 - 1), which takes them as hints. */
import {
  checkProducts,
  dotRow,
  downOperand,
  FREIVALDS_PRIME,
  type FreivaldsKey,
  freivaldsKey,
  type QuantMatrix,
  taggedXof,
  u32le,
} from '@nacre/protocol'
import type { Outcome, StoppedAttack } from '../../attack.ts'
import { once, onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import { tracedUnit } from '../../fixtures/traced-unit.ts'

const FREIVALDS = protocolFile('audit/freivalds.ts')
const SECRET = new Uint8Array(32).fill(3)

interface Products {
  readonly matrix: QuantMatrix
  readonly operands: Int8Array
  readonly accumulators: Int32Array
  readonly key: FreivaldsKey
}

function productsOf(matrix: QuantMatrix, operands: Int8Array): Products {
  const { rows, columns } = matrix
  const accumulators = Int32Array.from({ length: (operands.length / columns) * rows }, (_, at) =>
    dotRow(operands, Math.floor(at / rows) * columns, matrix, at % rows, 0, columns),
  )
  return { matrix, operands, accumulators, key: freivaldsKey(matrix, SECRET) }
}

/** The down projection of layer 0 at all positions of the traced unit. */
const layer: () => Products = once(() => {
  const { model, trace } = tracedUnit()
  const { dModel, ffnDim } = model.config
  const positions = trace.x[0]!.length / dModel
  const operands = new Int8Array(positions * ffnDim)
  for (let i = 0; i < positions; i++)
    operands.set(downOperand(model, 0, trace.x[0]!.subarray(i * dModel, (i + 1) * dModel)).q, i * ffnDim)
  return productsOf(model.layers[0]!.down, operands)
})

/** A layer of 8192 columns, whose accumulators pass 2^24: there binary32 no longer holds every integer. */
const wideLayer: () => Products = once(() => {
  const int8s = (label: number, length: number): Int8Array =>
    Int8Array.from(taggedXof('syntheticModel', length, u32le(label)), (byte) => (byte % 127) - 63)
  const [rows, columns] = [4, 8192]
  const matrix = { rows, columns, q: int8s(1, rows * columns), scale: new Float32Array(rows) }
  return productsOf(matrix, int8s(2, columns))
})

/** The true products pass; what the miner hands in meets its code. */
function inBulk(
  { key, operands, accumulators, matrix }: Products,
  forge: (accumulators: Int32Array, operands: Int8Array, matrix: QuantMatrix) => Partial<Products>,
): Promise<Outcome> {
  return outcomeOf(
    () => checkProducts(key, operands, accumulators),
    () => {
      const forged = forge(accumulators, operands, matrix)
      checkProducts(key, forged.operands ?? operands, forged.accumulators ?? accumulators)
    },
  )
}

const EQUATION = {
  file: FREIVALDS,
  from: 'dotLarge(accumulators, i * rows, vector) === dotSmall(operands, i * columns, images[at]!)',
  to: 'true',
}
const ACCUMULATORS_BOUNDED = {
  file: FREIVALDS,
  from: "  checkRange('accumulator', accumulators, columns * QUANT_MAX * QUANT_MAX)\n",
  to: '',
}

export const bulk: readonly StoppedAttack[] = [
  onProtocol({
    id: 'arithmetic/bulk-error-1',
    actor: 'miner',
    targets: 'P1',
    story: 'One accumulator of a whole layer is 1 too large.',
    rule: 'AUD-4',
    code: 'FREIVALDS_MISMATCH',
    check: EQUATION,
    run: () => inBulk(layer(), (right) => ({ accumulators: right.with(17, right[17]! + 1) })),
  }),
  onProtocol({
    id: 'arithmetic/bulk-error-2-24',
    actor: 'miner',
    targets: 'P1',
    story:
      'One accumulator of a wide layer is off by 2^24, which a check in binary32 with random signs may round away.',
    rule: 'AUD-4',
    code: 'FREIVALDS_MISMATCH',
    check: EQUATION,
    run: () =>
      inBulk(wideLayer(), (right) => ({ accumulators: right.with(0, right[0]! - Math.sign(right[0]!) * 2 ** 24) })),
  }),
  onProtocol({
    id: 'arithmetic/bulk-error-2-31',
    actor: 'miner',
    targets: 'P1',
    story:
      'The sign bit of one accumulator is the other one: modulo 2^32 an error of 2^31 passes every vector with an even element there.',
    rule: 'AUD-4',
    code: 'FREIVALDS_RANGE',
    check: ACCUMULATORS_BOUNDED,
    run: () => inBulk(layer(), (right) => ({ accumulators: right.with(3, right[3]! ^ 0x80000000) })),
  }),
  onProtocol({
    id: 'arithmetic/bulk-multiple-of-prime',
    actor: 'miner',
    targets: 'P1',
    story:
      'A negative accumulator is larger by 2^31 - 1, the prime of the check, so that the equation holds for every secret.',
    rule: 'AUD-4',
    code: 'FREIVALDS_RANGE',
    check: ACCUMULATORS_BOUNDED,
    run: () =>
      inBulk(layer(), (right) => {
        const at = right.findIndex((value) => value < 0)
        return { accumulators: right.with(at, right[at]! + FREIVALDS_PRIME) }
      }),
  }),
  onProtocol({
    id: 'arithmetic/bulk-minus-128',
    actor: 'miner',
    targets: 'P1',
    story: 'An operand holds -128, and the accumulators are its true products.',
    rule: 'AUD-4',
    code: 'FREIVALDS_RANGE',
    check: { file: FREIVALDS, from: "  checkRange('operand', operands, QUANT_MAX)\n", to: '' },
    run: () =>
      inBulk(layer(), (_, right, matrix) => {
        const { operands, accumulators } = productsOf(matrix, right.with(0, -128))
        return { operands, accumulators }
      }),
  }),
  onProtocol({
    id: 'arithmetic/bulk-extra-row',
    actor: 'miner',
    targets: 'P1',
    story: 'Accumulators of one position more than there are operands: a row that no equation covers.',
    rule: 'AUD-4',
    code: 'FREIVALDS_SHAPE',
    check: { file: FREIVALDS, from: 'Number.isInteger(m) && accumulators.length === m * rows', to: 'true' },
    run: () =>
      inBulk(layer(), (right, _, { rows }) => ({
        accumulators: Int32Array.from([...right, ...new Array(rows).fill(7)]),
      })),
  }),
]

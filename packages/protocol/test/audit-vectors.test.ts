// Check values of audits (AUD-1 to AUD-6), and accumulators of every step against a computation of their own (AUD-5).
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AUDIT_PAYLOADS } from '../src/audit/payloads.ts'
import { stepAccumulators, stepDigest } from '../src/audit/transcript.ts'
import { ProtocolError } from '../src/errors.ts'
import { attentionOperand, ffnOperand } from '../src/inference/operands.ts'
import { syntheticModel, UNIT_MODEL_DIMS, unitModel } from '../src/model/synthetic.ts'
import type { QuantMatrix } from '../src/model/types.ts'
import { checkStep } from '../src/trace/check-step.ts'
import { openStep } from '../src/trace/open.ts'
import type { StepView } from '../src/trace/steps/view.ts'
import { STEP_KINDS, type StepKind } from '../src/trace/types.ts'
import { filled } from './rules/verbs.ts'
import { execute, oddModel, stepsOf, task } from './trace-fixture.ts'
import { auditVectors } from './vectors/audits.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

test('vectors/audits.json is what its builder produces', () => {
  expect(storedVectors('audits', auditVectors)).toEqual(asJson(auditVectors()))
})

const model = unitModel()
const unit = execute(model, task())
const viewOf = (kind: StepKind, executed = unit): StepView =>
  checkStep({
    model: executed.model,
    task: executed.task,
    traceRoot: executed.commitment.traceRoot,
    opening: openStep(executed.trace, executed.commitment, stepsOf(executed.trace.shape, kind).at(-1)!),
  })
/** Row times column with bigints: nothing shared with the code under test. */
const dot = (a: Int8Array, w: QuantMatrix, row: number, from = 0): number =>
  Number([...a].reduce((sum, q, i) => sum + BigInt(q) * BigInt(w.q[row * w.columns + from + i]!), 0n))
const rows = (a: Int8Array, w: QuantMatrix, first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => dot(a, w, first + i))

describe('accumulators (AUD-5)', () => {
  const { headDim, nHeads, nKvHeads, dModel, ffnDim, nLayers } = model.config

  test('kv, attend, ffn and proj are the integer products of the layer', () => {
    const kv = viewOf('kv')
    const a = attentionOperand(model, kv.ref.layer, kv.h(kv.ref.layer)).q
    const { qkv } = model.layers[kv.ref.layer]!
    expect([...stepAccumulators(kv)]).toEqual([
      ...rows(a, qkv, (nHeads + kv.ref.group) * headDim, headDim),
      ...rows(a, qkv, (nHeads + nKvHeads + kv.ref.group) * headDim, headDim),
    ])

    const attend = viewOf('attend')
    const heads = nHeads / nKvHeads
    const values = [...stepAccumulators(attend)]
    const each = headDim + attend.ref.position + 1
    expect(values).toHaveLength(heads * each)
    for (let i = 0; i < heads; i++)
      expect(values.slice(i * each, i * each + headDim)).toEqual(
        rows(a, qkv, (attend.ref.group * heads + i) * headDim, headDim),
      )

    const ffn = viewOf('ffn')
    const operand = ffnOperand(model, nLayers - 1, ffn.x()).q
    const ups = [...stepAccumulators(ffn)]
    expect(ups).toHaveLength(2 * ffnDim + dModel)
    expect(ups.slice(0, 2 * ffnDim)).toEqual(rows(operand, model.layers[nLayers - 1]!.gateUp, 0, 2 * ffnDim))

    const proj = viewOf('proj')
    const width = heads * headDim
    expect([...stepAccumulators(proj)]).toEqual(
      Array.from({ length: dModel * nKvHeads }, (_, at) =>
        dot(proj.o(at % nKvHeads).q, model.layers[nLayers - 1]!.o, Math.floor(at / nKvHeads), (at % nKvHeads) * width),
      ),
    )
  })

  test('every kind but shape and input has some, in models of other shapes too', () => {
    for (const executed of [unit, execute(oddModel(), task({ promptTokens: [1, 2, 3], maxNewTokens: 3 }))])
      for (const kind of STEP_KINDS)
        expect(stepAccumulators(viewOf(kind, executed)).length > 0, kind).toBe(kind !== 'shape' && kind !== 'input')
  })

  test('a cheaper model has others, and so has another position: the digest shows it', () => {
    const cheap = syntheticModel({ name: 'cheap', dims: UNIT_MODEL_DIMS, seed: 'cheap', tiedHead: true })
    const other = execute(cheap, task())
    for (const kind of ['embed', 'kv', 'attend', 'proj', 'ffn', 'head'] as const)
      expect(stepAccumulators(viewOf(kind, other))).not.toEqual(stepAccumulators(viewOf(kind)))
  })

  test('a digest is of one verifier, secret, unit, draw and value', () => {
    const digest = (key = 1, secret = 2, id = 3, draw = 4, values = [5, -6]): string =>
      String(stepDigest(filled(key), filled(secret), filled(id), draw, Int32Array.from(values)))
    const all = [digest(), digest(9), digest(1, 9), digest(1, 2, 9), digest(1, 2, 3, 9), digest(1, 2, 3, 4, [5, 6])]
    expect(new Set(all).size).toBe(all.length)
    expect(stepDigest(filled(1), filled(2), filled(3), 4, new Int32Array(0))).toHaveLength(8)
  })
})

test('property (P8): any bytes are a payload that re-encodes to them, or a ProtocolError', () => {
  const codecs = Object.values(AUDIT_PAYLOADS)
  fc.assert(
    fc.property(fc.nat(codecs.length - 1), fc.uint8Array({ maxLength: 300 }), (which, bytes) => {
      const codec = codecs[which]!
      try {
        const value = codec.decode(bytes)
        expect((codec as typeof codec & { encode: (value: unknown) => Uint8Array }).encode(value)).toEqual(bytes)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        expect(error.code).toMatch(/^CODEC_/)
      }
    }),
    { numRuns: 2000, seed: 20_270_105 },
  )
  for (const codec of codecs) expect(() => codec.decode(new Uint8Array(codec.maxBytes + 1))).toThrow('CODEC_TOO_LARGE')
})

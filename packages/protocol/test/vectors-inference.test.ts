// vectors/numerics.json, units.json and trace.json are what their builders produce, and every case in them holds by itself.
import { describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../src/bytes.ts'
import { chooseToken } from '../src/inference/next-token.ts'
import { replayUnit } from '../src/inference/replay.ts'
import { decodeManifest, modelIdOf } from '../src/model/manifest.ts'
import { unitModel } from '../src/model/synthetic.ts'
import { expF32, rmsNorm, siluF32, sumF32, sumSquaresF32 } from '../src/numerics/f32.ts'
import { quantiseRow } from '../src/numerics/quantise.ts'
import { checkStep } from '../src/trace/check-step.ts'
import { commitTrace } from '../src/trace/commit.ts'
import { stepOpeningCodec } from '../src/trace/opening.ts'
import { corpusRoot } from '../src/unit/bootstrap.ts'
import { codeOf, task } from './trace-fixture.ts'
import { f32Hex, hexF32, hexInt8 } from './vectors/inference-bits.ts'
import { buildNumericsVectors } from './vectors/numerics.ts'
import { buildTraceVectors, TASKS } from './vectors/trace.ts'
import { buildUnitVectors, unitIdOrCode } from './vectors/units.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

const builders = { numerics: buildNumericsVectors, units: buildUnitVectors, trace: buildTraceVectors }
// biome-ignore lint/suspicious/noExplicitAny: vectors are plain JSON
const read = (name: keyof typeof builders): any => storedVectors(name, builders[name])
const numerics = read('numerics')
const units = read('units')
const trace = read('trace')

test.each(['numerics', 'units', 'trace'] as const)('vectors/%s.json is what its builder produces', (name) => {
  expect(read(name)).toEqual(asJson(builders[name]()))
})

describe('vectors/numerics.json', () => {
  const one = (hex: string): number => f32Hex(hex)[0]!
  test('functions of one number agree bit for bit', () => {
    for (const { x, y } of numerics.exp) expect(hexF32([expF32(one(x))])).toBe(y)
    for (const { x, y } of numerics.silu) expect(hexF32([siluF32(one(x))])).toBe(y)
    expect(numerics.exp.length).toBeGreaterThan(40)
  })

  test('functions of rows agree bit for bit', () => {
    for (const { row, sum, sumSquares } of numerics.reductions) {
      expect(hexF32([sumF32(f32Hex(row))])).toBe(sum)
      expect(hexF32([sumSquaresF32(f32Hex(row))])).toBe(sumSquares)
    }
    for (const { row, gain, eps, out } of numerics.rmsNorm)
      expect(hexF32(rmsNorm(f32Hex(row), f32Hex(gain), one(eps)))).toBe(out)
    for (const { row, q, scale } of numerics.quantise) {
      const quantised = quantiseRow(f32Hex(row))
      expect([hexInt8(quantised.q), hexF32([quantised.scale])]).toEqual([q, scale])
    }
  })

  test('choices agree', () => {
    for (const { logits, temperatureMilli, seed, position, token } of numerics.chooseToken) {
      const decoding = { temperatureMilli, seed: hexToBytes(seed), stopAtEos: false }
      expect(chooseToken(f32Hex(logits), decoding, position)).toBe(token)
    }
  })
})

describe('vectors/units.json', () => {
  test('ids and rejections agree (UNT-1)', () => {
    for (const { expected, result, ...unit } of units.unitId) {
      expect(unitIdOrCode(unit)).toBe(result)
      expect(expected).toBe(/^[0-9a-f]{64}$/.test(result) ? 'valid' : 'reject')
    }
  })

  test('corpus roots agree (UNT-3)', () => {
    for (const { prompts, root } of units.corpusRoot) expect(bytesToHex(corpusRoot(prompts))).toBe(root)
  })
})

describe('vectors/trace.json', () => {
  const model = unitModel()
  const tokensOf = (text: string): number[] => text.split(' ').map(Number)

  test('the manifest decodes to its id (MOD-1)', () => {
    expect(bytesToHex(modelIdOf(decodeManifest(hexToBytes(trace.model.manifest))))).toBe(trace.model.modelId)
    expect(trace.model.modelId).toBe(bytesToHex(model.modelId))
  })

  test('units replay to their trace roots (BLK-4)', () => {
    expect(trace.units).toHaveLength(Object.keys(TASKS).length)
    for (const unit of trace.units) {
      const { temperatureMilli, stopAtEos, maxNewTokens } = unit
      const unitTask = task(
        { promptTokens: tokensOf(unit.promptTokens), maxNewTokens },
        { temperatureMilli, stopAtEos, seed: hexToBytes(unit.seed) },
      )
      const { traceRoot } = commitTrace(replayUnit(model, unitTask, tokensOf(unit.tokens)))
      expect(bytesToHex(traceRoot)).toBe(unit.traceRoot)
    }
  })

  test('openings are accepted or rejected as written (TRC-3)', () => {
    for (const { traceRoot, opening, expected, code } of [...trace.greedy.steps, ...trace.greedy.lies]) {
      const verdict = codeOf(() =>
        checkStep({
          model,
          task: TASKS.greedy!,
          traceRoot: hexToBytes(traceRoot),
          opening: stepOpeningCodec.decode(hexToBytes(opening)),
        }),
      )
      expect(verdict).toBe(expected === 'valid' ? 'accepted' : code)
    }
  })
})

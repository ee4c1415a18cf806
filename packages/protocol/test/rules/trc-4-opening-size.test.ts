/**
 * TRC-4: no proof of a wrong step exceeds 256 KiB. The longest is `attend` at the last position, which opens the keys and values of
 * all positions before it; parameters under which it would not fit are refused together with the model, before any unit exists.
 *
 *   attend at i:   h[l][i] | kv 0, 1, 2, ... i | o[l][g][i]
 *                            ^^^^^^^^^^^^^^^^^ grows with the position
 *
 * The bounds against real openings of every kind: steps.test.ts.
 */
import { expect, test } from 'vitest'
import {
  checkModelFits,
  MAX_STEP_OPENING_BYTES,
  maxAttendOpeningBytes,
  openStep,
  presets,
  stepOpeningCodec,
  unitModel,
} from '../../src/index.ts'
import { execute, stepsOf, task } from '../trace-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const model = unitModel()

test('an opening of attend grows with its position, up to the bound that is known beforehand', () => {
  const { trace, commitment } = execute(model, task())
  const sizes = stepsOf(trace.shape, 'attend')
    .filter(({ layer, group }) => layer === 1 && group === 1)
    .map((ref) => stepOpeningCodec.encode(openStep(trace, commitment, ref)).length)
  expect(sizes.at(-1)).toBeGreaterThan(sizes[0]!)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(maxAttendOpeningBytes(model.config, 11))
})

test('parameters with longer prompts than an opening can hold do not fit the model', () => {
  const dims = { ...model.config, maxSeqLen: 1 << 16 }
  const { unit } = presets
  const fits = (maxPromptTokens: number): void =>
    checkModelFits({ ...unit, units: { ...unit.units, maxPromptTokens, maxNewTokens: 16 } }, unit.models[0]!, dims)
  // The longest prompt of which attend at its last position still fits.
  let longest = 1
  while (maxAttendOpeningBytes(dims, longest + 1 + 16 - 1) <= MAX_STEP_OPENING_BYTES) longest++
  expect(longest).toBeGreaterThan(5000)
  accepted(() => fits(longest))
  rejected('PARAM_CONTRADICTION', () => fits(longest + 1), 'TRC-4')
})

test('bytes above the limit are not even decoded', () => {
  expect(MAX_STEP_OPENING_BYTES).toBe(256 * 1024)
  rejected('CODEC_TOO_LARGE', () => stepOpeningCodec.decode(new Uint8Array(256 * 1024 + 1)))
})

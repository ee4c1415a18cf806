/**
 * Multiply-accumulates of a unit (JOB-2). Only linear layers count: they are what the lottery draws on and what a price
 * per GMAC buys. Attention (at most 2 * position * nHeads * headDim per layer and position) is left out, so that the
 * price of a position does not depend on where it stands; the bound on lengths (JOB-3) bounds it. All results are
 * integers below 2^53; anything larger throws UNIT_SHAPE.
 */
import { check } from '../errors.ts'
import type { ModelDims } from './types.ts'

function safe(value: number): number {
  check(Number.isSafeInteger(value) && value >= 0, 'UNIT_SHAPE', `${value} MACs are not countable`)
  return value
}

/** MACs of all linear layers except the head at one position. */
export function macsPerPosition(dims: ModelDims): number {
  const { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim } = dims
  const attention = (2 * nHeads + 2 * nKvHeads) * headDim * dModel
  return safe(nLayers * (attention + 3 * ffnDim * dModel))
}

/** MACs of the output head for one token. */
export function headMacs(dims: ModelDims): number {
  return safe(dims.vocabSize * dims.dModel)
}

/** Input MACs: all layers at the prompt's positions. */
export function promptMacs(dims: ModelDims, promptTokens: number): number {
  return safe(promptTokens * macsPerPosition(dims))
}

/** Output MACs: all layers at the fed generated positions, the head once per generated token. */
export function decodeMacs(dims: ModelDims, newTokens: number): number {
  return safe((newTokens - 1) * macsPerPosition(dims) + newTokens * headMacs(dims))
}

/** All MACs of a unit with P prompt and G generated tokens: P + G - 1 positions, the head at G of them. */
export function unitMacs(dims: ModelDims, promptTokens: number, newTokens: number): number {
  return safe(promptMacs(dims, promptTokens) + decodeMacs(dims, newTokens))
}

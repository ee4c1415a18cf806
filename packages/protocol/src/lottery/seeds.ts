/** The seeds of the noise (WRK-2) and the key of the tickets (WRK-4). All inputs have fixed lengths. */
import { u32ListToBytes } from '../bytes.ts'
import { taggedHash } from '../hash.ts'
import type { BindingParams } from '../params/types.ts'
import type { TicketOp } from '../trace/types.ts'

/** Which of B3 to B5 the noise and the tickets of a network obey: its parameters `bindings.*`. */
export type DrawBindings = Pick<BindingParams, 'operandBeforeNoise' | 'completionBeforeDraw' | 'singleUse'>
/** What a draw obeys where nothing else is said. */
export const DRAW_BOUND: DrawBindings = { operandBeforeNoise: 'on', completionBeforeDraw: 'on', singleUse: 'on' }

/** Label of the random blocks behind the operand's noise E. */
export const OPERAND_NOISE_LABEL = 'A_tensor'
/** Label of the random blocks behind the weights' noise F. */
export const WEIGHT_NOISE_LABEL = 'B_tensor'

export interface WeightSeedInput {
  /** Beacon of the parent block, 32 bytes. */
  readonly parentBeacon: Uint8Array
  /** 32 bytes. */
  readonly modelId: Uint8Array
  readonly layer: number
  readonly op: TicketOp
  /** Inputs and outputs of the operation, and the noise rank. */
  readonly k: number
  readonly n: number
  readonly r: number
}

/** Seed of F: one for each (parent beacon, model, layer, operation), so W' is shared by all units on that parent. */
export function weightNoiseSeed(input: WeightSeedInput): Uint8Array {
  const { parentBeacon, modelId, layer, op, k, n, r } = input
  return taggedHash('noiseWeights', parentBeacon, modelId, u32ListToBytes([layer, op, k, n, r]))
}

export interface OperandSeedInput {
  /** Seed of F of the same operation; it carries beacon, model, layer, operation, n and r. */
  readonly weightSeed: Uint8Array
  readonly unitId: Uint8Array
  /** Ed25519 public key, 32 bytes. */
  readonly minerKey: Uint8Array
  /** Root of the prompt's residual rows from which the operand comes: preRoot[l] or preRootX[l] (TRC-2). */
  readonly preRoot: Uint8Array
  /** Rows of the operand: prompt tokens. */
  readonly m: number
  readonly k: number
  readonly bindings?: DrawBindings | undefined
}

/**
 * Seed of E: it commits to the operand and all dimensions before the noise is known (B3). Without `operandBeforeNoise` it is
 * known to whoever knows the unit, before any operand.
 */
export function operandNoiseSeed(input: OperandSeedInput): Uint8Array {
  const { weightSeed, unitId, minerKey, preRoot, m, k, bindings = DRAW_BOUND } = input
  if (bindings.operandBeforeNoise === 'off') return taggedHash('noiseOperand', weightSeed, unitId, minerKey)
  return taggedHash('noiseOperand', weightSeed, unitId, minerKey, preRoot, u32ListToBytes([m, k]))
}

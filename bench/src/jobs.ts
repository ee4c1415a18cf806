/** What a subject can be asked to measure. Plain data: it crosses process boundaries. */

import type { ProofName } from './pearl/proofs.ts'

/** C = A W with A m x k and W k x n. */
export interface Shape {
  readonly m: number
  readonly k: number
  readonly n: number
}

/** Types of A and W: int8 by int8, uint8 by int8, float32. */
export type OperandTypes = 's8s8' | 'u8s8' | 'f32'

/** A plain product with weights packed beforehand. */
export interface GemmJob extends Shape {
  readonly kind: 'gemm'
  readonly types: OperandTypes
  readonly threads: number
}

/**
 * A product in the lottery, with W' packed beforehand:
 * - `plain`: A W, the product without a lottery
 * - `unfolded`: A' = A + E, A'W', and A W out of it, without fold states
 * - `fold`: the same with the fold states of all tiles
 * - `whole`: the same, and the noise from its seed before
 * - `tile`: a verifier's check of one tile from its operand rows: noise of its rows and columns, product, fold
 */
export type LotteryPart = 'plain' | 'unfolded' | 'fold' | 'whole' | 'tile'

export interface LotteryJob extends Shape {
  readonly kind: 'lottery'
  readonly part: LotteryPart
  /** Noise rank and fold step. */
  readonly r: number
}

/** Work on one whole unit of the devnet: its model, its prompt and answer lengths, its lottery. */
export type UnitWork =
  | 'unit'
  | 'unit-new-parent'
  | 'trace-only'
  | 'tokens-only'
  | 'replay'
  | 'commit-trace'
  | 'prove-ticket'
  | 'verify-ticket'
  | 'verify-ticket-cached'
  | 'open-steps'
  | 'check-steps'
  | 'redraw-16'
  | 'redraw-64'
  | 'redraw-96'

export interface UnitJob {
  readonly kind: 'unit'
  readonly work: UnitWork
}

/** Tokens of one model, without lottery or commitment. */
export interface TokensJob {
  readonly kind: 'tokens'
  readonly model: TokenModel
  readonly phase: 'prompt' | 'decode'
  readonly threads: number
}

/** Tokens generated one by one from a prompt of one. The devnet's model has room for 128. */
export const DECODED_TOKENS = 120

/** The devnet's model, or a llama2.c checkpoint that all subjects run. */
export type TokenModel = 'devnet' | 'checkpoint'

/** Keyed BLAKE3 of messages of `bytes` bytes. */
export interface HashJob {
  readonly kind: 'hash'
  readonly bytes: number
}

/** Verification of a plain proof of the Pearl baseline from its bytes (chapter 12). */
export interface PearlJob {
  readonly kind: 'pearl'
  readonly proof: ProofName
}

export type Job = GemmJob | LotteryJob | UnitJob | TokensJob | HashJob | PearlJob

/** One answer: the time of one piece of work. */
export interface Measured {
  /** Milliseconds for one piece, a mean over `runs`. */
  readonly ms: number
  readonly runs: number
  /** Of the product, where the subject computes all of it; equal operands give equal sums. */
  readonly checksum?: number
  /** Which implementation the subject chose, if it says so. */
  readonly note?: string
}

/** Thrown by a subject that cannot do a job here, with the reason; anything else that is thrown is a failure. */
export class Unsupported extends Error {}

/** Something that can be measured, inside a process of its own. */
export interface Subject {
  /** Name and version, for the report. */
  readonly version: string
  /** Does the job until `budgetMs` are filled, at least once after one warm-up, and says how long one piece takes. */
  measure(job: Job, budgetMs: number): Measured | Promise<Measured>
}

export function jobKey(job: Job): string {
  return JSON.stringify(job)
}

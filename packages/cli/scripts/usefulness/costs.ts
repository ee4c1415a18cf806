/**
 * What each kind of work costs, in milliseconds of processor time of one thread: measured by `npm run demo:usefulness -- --measure`, kept in
 * costs.json, and charged to every miner on the virtual clock. So all miners have the same machine, and a seed gives the same chains
 * whatever else the machine does.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const PIECES = [
  'unit',
  'unit, 1 token',
  'unit on a new parent',
  'execution',
  'execution, 1 token',
  'draw over kept rows',
  'kept rows, new parent',
  'draw from the first product',
  'first product, new parent',
  'pearl: random',
  'pearl: random, new parent',
  'pearl: inference',
  'pearl: inference, new parent',
  'pearl: first layer',
  'pearl: first layer, new parent',
] as const
/** Pieces of work that are timed. The ones on a new parent have the weights' noise in them. */
export type PieceName = (typeof PIECES)[number]

export interface Costs {
  readonly machine: string
  readonly kernels: string
  /** ISO. */
  readonly date: string
  readonly rounds: number
  /** Medians. */
  readonly ms: Readonly<Record<PieceName, number>>
}

const PATH: string = fileURLToPath(new URL('costs.json', import.meta.url))

export const readCosts = (): Costs => JSON.parse(readFileSync(PATH, 'utf8')) as Costs
export const writeCosts = (costs: Costs): void => writeFileSync(PATH, `${JSON.stringify(costs, undefined, 2)}\n`)

/** Tokens of the units that were timed: those of the bootstrap lane. */
export const TIMED_TOKENS = 24

/** Processor time that one token after the first takes. */
const tokenMs = ({ ms }: Costs): number => (ms.execution - ms['execution, 1 token']) / (TIMED_TOKENS - 1)

/** Execution of a task that generates so many tokens, without a draw. */
export const executionMs = (costs: Costs, newTokens: number): number =>
  costs.ms['execution, 1 token'] + (newTokens - 1) * tokenMs(costs)

/** The same with its draw. */
export const unitMs = (costs: Costs, newTokens: number): number =>
  costs.ms['unit, 1 token'] + (newTokens - 1) * tokenMs(costs)

/** What a new tip adds to the first draw on it: the noise of the weights. */
export const newParentMs = (
  { ms }: Costs,
  work: 'unit' | 'kept rows' | 'first product' | 'pearl: random' | 'pearl: inference' | 'pearl: first layer',
): number => {
  if (work === 'kept rows' || work === 'first product') return ms[`${work}, new parent`]
  if (work === 'unit') return Math.max(0, ms['unit on a new parent'] - ms.unit)
  return Math.max(0, ms[`${work}, new parent`] - ms[work])
}

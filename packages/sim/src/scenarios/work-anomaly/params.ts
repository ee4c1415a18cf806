import type { Params } from '@nacre/protocol'
import { UsageError } from '../../errors.ts'
import type { ParamsOf } from '../types.ts'
import { checkDuration } from '../units.ts'

export type WorkAnomalyValues = {
  readonly miners: number
  readonly speedUp: number
  readonly kernelShare: number
  readonly keys: string
  readonly asks: string
  readonly quietBlocks: number
  readonly watchBlocks: number
  readonly propagationMs: number
}

export const WORK_ANOMALY_PARAMS: ParamsOf<WorkAnomalyValues> = {
  miners: { kind: 'integer', default: 20, unit: 'keys', min: 1, max: 1000, doc: 'miners of equal speed' },
  speedUp: {
    kind: 'number',
    default: 5,
    unit: 'times',
    min: 1,
    max: 1000,
    doc: 'how much faster the kernel makes whoever has it; 1 for an honest chain',
  },
  kernelShare: {
    kind: 'number',
    default: 1,
    unit: 'of the miners',
    min: 0.001,
    max: 1,
    doc: 'part of the miners that has it, one at least',
  },
  keys: {
    kind: 'choice',
    default: 'known',
    choices: ['known', 'new', 'fresh'],
    doc: 'what wins the additional work: the keys of the miners, one new key, or a fresh key for each block',
  },
  asks: {
    kind: 'choice',
    default: 'before',
    choices: ['none', 'before', 'all'],
    doc: 'what the asks declare: nothing, the work before the kernel all the time, or all work as it comes',
  },
  quietBlocks: {
    kind: 'integer',
    default: 700,
    unit: 'block times',
    min: 64,
    max: 100_000,
    doc: 'time before the kernel',
  },
  watchBlocks: {
    kind: 'integer',
    default: 700,
    unit: 'block times',
    min: 1,
    max: 100_000,
    doc: 'time with the kernel',
  },
  propagationMs: {
    kind: 'integer',
    default: 2000,
    unit: 'ms',
    min: 0,
    max: 600_000,
    doc: 'time until a block reaches the other miners',
  },
}

/** Throws UsageError for what no run can hold. */
export function checkWorkAnomaly(params: Params, values: WorkAnomalyValues): void {
  const { quietBlocks, watchBlocks, speedUp, propagationMs } = values
  // Blocks may come speedUp times too fast until difficulty has followed.
  checkDuration(
    params,
    (quietBlocks + watchBlocks * speedUp) * params.block.timeMs,
    `quietBlocks=${quietBlocks}, watchBlocks=${watchBlocks}, speedUp=${speedUp}`,
  )
  if (propagationMs >= params.block.timeMs)
    throw new UsageError(`propagationMs=${propagationMs} is not below block.timeMs=${params.block.timeMs}`)
}

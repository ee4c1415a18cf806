/** JOB-2: what input and output MACs cost. Prices are grains per 10^9 output MACs; fees are rounded down. */
import { PPM } from '../emission/coinbase.ts'
import { decodeMacs, promptMacs } from '../model/macs.ts'
import type { ModelDims } from '../model/types.ts'
import type { Params } from '../params/types.ts'

/** MACs in one GMAC, the unit of account (ECO-7). */
export const GMAC = 1_000_000_000n

/** Grains for a prompt: floor(price * input MACs * inputPricePpm / (10^9 * 10^6)). Throws UNIT_SHAPE for uncountable MACs. */
export function promptFee(params: Params, dims: ModelDims, promptTokens: number, price: bigint): bigint {
  const macs = BigInt(promptMacs(dims, promptTokens))
  return (price * macs * BigInt(params.jobs.inputPricePpm)) / (GMAC * PPM)
}

/** Grains for generated tokens: floor(price * output MACs / 10^9). Throws UNIT_SHAPE for uncountable MACs. */
export function decodeFee(dims: ModelDims, newTokens: number, price: bigint): bigint {
  return (price * BigInt(decodeMacs(dims, newTokens))) / GMAC
}

/** Most grains that a job can cost at a price: its prompt and every token that it may generate. Grows with the price. */
export function jobFee(
  params: Params,
  dims: ModelDims,
  job: { readonly promptTokens: number; readonly maxNewTokens: number },
  price: bigint,
): bigint {
  return promptFee(params, dims, job.promptTokens, price) + decodeFee(dims, job.maxNewTokens, price)
}

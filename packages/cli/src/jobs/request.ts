/** What `nacre job submit` asks for, from its options and the market. */
import { randomBytes } from 'node:crypto'
import type { JobRequest, VerifyMode } from '@nacre/gateway'
import type { ModelMarketView } from '@nacre/node/rpc-client'
import { type Decoding, hexToBytes, MAX_TEMPERATURE_MILLI, type Params } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import type { TextModel } from '../network-model.ts'
import { integerFlag } from '../options.ts'
import { parseGrains } from '../wallet/amount.ts'

const DEFAULT_NEW_TOKENS = 64
/** What a bid offers above the market by default, in percent: prices move while a job is on its way. */
const MARGIN_PERCENT = 25n

export interface RequestFlags {
  readonly 'max-tokens'?: string
  readonly temperature?: string
  readonly seed?: string
  readonly 'max-price'?: string
  readonly verify?: string
}

/** `--verify`; all is verified where nothing is said, since one job costs little. */
export function verifyFlag(text = 'full'): VerifyMode {
  if (text === 'off' || text === 'sampled' || text === 'full') return text
  throw new CliError(`--verify is off, sampled or full, not "${text}"`, 2)
}

/** Thousandths of a temperature such as `0.8`. */
export function temperatureFlag(text: string): number {
  const milli = /^\d{1,2}(\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : Number.NaN
  if (milli <= MAX_TEMPERATURE_MILLI) return milli
  throw new CliError(`--temperature is a number from 0 to 65.535 with at most three decimals, not "${text}"`, 2)
}

export function seedFlag(text: string): Uint8Array {
  if (/^[0-9a-f]{1,64}$/i.test(text)) return hexToBytes(text.toLowerCase().padStart(64, '0'))
  throw new CliError(`--seed is 1 to 64 hex digits, not "${text}"`, 2)
}

/** Greedy without a temperature; with one, another choice each time, or that of a seed. */
export function decodingOf({ temperature = '0', seed }: RequestFlags): Decoding {
  const temperatureMilli = temperatureFlag(temperature)
  const random = temperatureMilli === 0 ? new Uint8Array(32) : new Uint8Array(randomBytes(32))
  return { temperatureMilli, seed: seed === undefined ? random : seedFlag(seed), stopAtEos: true }
}

/** The highest price of a job, and where it comes from. */
export interface Bid {
  readonly maxPriceGrains: bigint
  readonly why: string
}

/** The price that is given, or what the market asks and a margin. Throws CliError NO_PRICE where it asks nothing yet. */
export function bidOf(flag: string | undefined, market: ModelMarketView): Bid {
  const [ask, reference] = [BigInt(market.bestAskGrains ?? '0'), BigInt(market.referenceGrains)]
  const known = [...(ask > 0n ? [`best ask ${ask}`] : []), ...(reference > 0n ? [`reference ${reference}`] : [])]
  const why = known.length === 0 ? 'nobody asks yet' : known.join(', ')
  if (flag !== undefined) return { maxPriceGrains: parseGrains('--max-price', flag), why }
  const most = ask > reference ? ask : reference
  if (most === 0n)
    throw new CliError(
      `no miner asks for ${market.name} yet, and it never had a price: --max-price GRAINS says what you would pay for 10^9 MACs`,
      1,
      'NO_PRICE',
    )
  return { maxPriceGrains: most + (most * MARGIN_PERCENT + 99n) / 100n, why: `${why}, and ${MARGIN_PERCENT} %` }
}

export function requestOf(params: Params, model: TextModel, prompt: string, flags: RequestFlags, bid: Bid): JobRequest {
  const { bosToken, maxSeqLen } = model.model.config
  const promptTokens = [bosToken, ...model.tokenizer.encode(prompt)]
  const room = Math.min(params.units.maxNewTokens, maxSeqLen - promptTokens.length + 1)
  const wanted = flags['max-tokens']
  const maxNewTokens =
    wanted === undefined
      ? Math.max(1, Math.min(DEFAULT_NEW_TOKENS, room))
      : integerFlag('max-tokens', wanted, 1, 2 ** 31)
  const { maxPriceGrains } = bid
  return { modelId: model.modelId, promptTokens, maxNewTokens, decoding: decodingOf(flags), maxPriceGrains }
}

import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  type AskView,
  followEvents,
  isSilence,
  type MarketView,
  type ModelMarketView,
  readAsks,
  readMarket,
} from '@nacre/node/rpc-client'
import { CliError } from '../errors.ts'
import { macsText, shortId } from '../jobs/describe.ts'
import { parsed, rpcOf, withHint } from '../options.ts'
import { interruptible } from '../signals.ts'
import { printers, reportingJson } from '../verbs.ts'

const USAGE = `What inference costs: prices of every model of the network, in grains for 10^9 verified output MACs (one GMAC).

  npm run nacre -- market [options]

  --watch       print it again whenever it changes
  --asks N      asks to list of each model, from the cheapest on (default 5)
  --rpc URL     a node (default http://127.0.0.1:8645)
  --json        print one JSON object (with --watch one for each change)
  --help        this text

Exit codes: 0 done, 1 no answer, 2 wrong usage.
`

const MAX_ASKS = 1024
/** How often to look without an event. */
const WATCH_MS = 3_000

type MarketWithAsks = Omit<MarketView, 'models'> & {
  readonly models: readonly (ModelMarketView & { readonly standing: readonly AskView[] })[]
}

/** `nacre market`. */
export async function marketCommand(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE)
    return
  }
  await reportingJson(args, async () => {
    const { values } = parsed(
      () =>
        parseArgs({
          args: [...args],
          options: {
            watch: { type: 'boolean', default: false },
            asks: { type: 'string', default: '5' },
            rpc: { type: 'string' },
            json: { type: 'boolean', default: false },
          },
        }),
      USAGE,
    )
    const rpc = rpcOf(values.rpc)
    const asks = /^\d+$/.test(values.asks) ? Number(values.asks) : Number.NaN
    if (!(asks <= MAX_ASKS))
      throw new CliError(`--asks is a whole number from 0 to ${MAX_ASKS}, not "${values.asks}"`, 2)
    const { print } = printers(values.json)
    await interruptible((signal) =>
      values.watch
        ? watchMarket(rpc, asks, signal, (market) => print(market, marketLines(market)))
        : readWithAsks(rpc, asks, signal).then((market) => print(market, marketLines(market)), withHint),
    )
  })
}

async function readWithAsks(rpc: string, asks: number, signal: AbortSignal): Promise<MarketWithAsks> {
  const market = await readMarket(rpc, signal)
  const models = await Promise.all(
    market.models.map(async (model) => {
      const standing = asks === 0 || model.asks === 0 ? [] : await readAsks(rpc, model.modelId, signal)
      return { ...model, standing: standing.slice(0, asks) }
    }),
  )
  return { ...market, models }
}

/** Until the signal: a node that is away for a while is waited for. */
async function watchMarket(
  rpc: string,
  asks: number,
  signal: AbortSignal,
  show: (market: MarketWithAsks) => void,
): Promise<void> {
  let shown = ''
  let wasThere = false
  while (!signal.aborted) {
    try {
      const market = await readWithAsks(rpc, asks, signal)
      wasThere = true
      const text = JSON.stringify(market.models)
      if (text !== shown) show(market)
      shown = text
    } catch (error) {
      if (signal.aborted) return
      if (!wasThere) withHint(error)
      if (!isSilence(error)) throw error
    }
    await nextMarket(rpc, signal)
  }
}

/** Until a market was called, or it is time to look anyway. */
async function nextMarket(rpc: string, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const ends = AbortSignal.any([signal, over.signal])
  const onEvent = (name: string): void => {
    if (name === 'market') over.abort()
  }
  const events = followEvents(rpc, ends, { onEvent }).catch(() => undefined)
  await delay(WATCH_MS, undefined, { signal: ends }).catch(() => undefined)
  over.abort()
  await events
}

const grains = (text: string | undefined): string => (text === undefined || text === '0' ? '-' : text)

/** The market as lines. */
export function marketLines({ height, models }: MarketWithAsks): string[] {
  return [`block ${height}; prices are grains per GMAC`, ...models.flatMap(modelLines)]
}

function modelLines(model: MarketWithAsks['models'][number]): string[] {
  const row = (name: string, text: string): string => `  ${name.padEnd(12)} ${text}`
  const cleared =
    model.clearedHeight === 0
      ? 'never cleared'
      : `${model.clearingPriceGrains} in block ${model.clearedHeight}: ${model.jobs} jobs, ${macsText(Number(model.volumeMacs))} MACs`
  const rates = Object.entries(model.crossRatesPpm)
  return [
    model.name,
    row('price', cleared),
    row('reference', grains(model.referenceGrains)),
    row(
      'last call',
      `lowest bid ${grains(model.bidGrains)}, highest ask ${grains(model.askGrains)}, spread ${model.spreadGrains ?? '-'}`,
    ),
    row('book', `${model.openJobs} open jobs`),
    row(
      'asks',
      `${model.asks}, best ${grains(model.bestAskGrains)}, room for ${macsText(Number(model.roomMacs))} MACs per block`,
    ),
    ...model.standing.map(({ minerKey, priceGrains, roomMacs, weightMacs }) =>
      row(
        '',
        `${priceGrains.padStart(8)}  ${shortId(minerKey)}  room ${macsText(Number(roomMacs))}, weight ${macsText(Number(weightMacs))}`,
      ),
    ),
    ...rates.map(([other, ppm]) => row('cross rate', `1 GMAC = ${Number(ppm) / 1e6} GMAC of ${other}`)),
  ]
}

/** Models, prices and asks. */
import { type FieldReader, isCount, isGrains, isHash, isHeight, isName, isWhole, reader } from './fields.ts'
import type { AskView, MarketView, ModelMarketView, ModelView } from './market-view.ts'
import { get } from './request.ts'

export async function readModels(rpc: string, interrupt?: AbortSignal): Promise<readonly ModelView[]> {
  const answer = reader(rpc, '/models', await get(rpc, '/models', interrupt))
  return answer.list('models', 'a model').map((each) => ({
    name: each.read('name', isName),
    modelId: each.read('modelId', isHash),
    vocabSize: each.read('vocabSize', isCount),
    maxSeqLen: each.read('maxSeqLen', isCount),
    maxPromptTokens: each.read('maxPromptTokens', isCount),
    maxNewTokens: each.read('maxNewTokens', isCount),
  }))
}

export async function readMarket(rpc: string, interrupt?: AbortSignal): Promise<MarketView> {
  return marketOf(rpc, await get(rpc, '/market', interrupt))
}

/** Checks the shape of a market, also that of the event `market`. Throws RpcError NOT_A_NODE. */
export function marketOf(rpc: string, value: unknown): MarketView {
  const answer = reader(rpc, '/market', value)
  return {
    height: answer.read('height', isHeight),
    models: answer.list('models', 'a market').map(modelMarketOf),
  }
}

const modelMarketOf = (from: FieldReader): ModelMarketView => ({
  name: from.read('name', isName),
  modelId: from.read('modelId', isHash),
  clearingPriceGrains: from.read('clearingPriceGrains', isGrains),
  clearedHeight: from.read('clearedHeight', isHeight),
  volumeMacs: from.read('volumeMacs', isWhole),
  jobs: from.read('jobs', isCount),
  bidGrains: from.read('bidGrains', isGrains),
  askGrains: from.read('askGrains', isGrains),
  ...from.optional('spreadGrains', isSigned),
  referenceGrains: from.read('referenceGrains', isGrains),
  crossRatesPpm: crossRatesOf(from.object('crossRatesPpm', 'the cross rates')),
  openJobs: from.read('openJobs', isCount),
  asks: from.read('asks', isCount),
  ...from.optional('bestAskGrains', isGrains),
  roomMacs: from.read('roomMacs', isWhole),
})

/** Where nothing was filled the best ask is above the best bid. */
const isSigned = (value: unknown): value is string => typeof value === 'string' && /^-?\d{1,20}$/.test(value)

function crossRatesOf(from: FieldReader): Record<string, string> {
  const names = Object.keys(from.from).filter(isName)
  return Object.fromEntries(names.map((name) => [name, from.read(name, isWhole)]))
}

/** Standing asks of a model, by name or id, from the cheapest on. */
export async function readAsks(rpc: string, model: string, interrupt?: AbortSignal): Promise<readonly AskView[]> {
  const answer = await get(rpc, `/market/${encodeURIComponent(model)}/asks`, interrupt)
  return reader(rpc, 'the asks', answer)
    .list('asks', 'an ask')
    .map((each) => ({
      minerKey: each.read('minerKey', isHash),
      priceGrains: each.read('priceGrains', isGrains),
      capacityMacs: each.read('capacityMacs', isWhole),
      roomMacs: each.read('roomMacs', isWhole),
      weightMacs: each.read('weightMacs', isWhole),
    }))
}

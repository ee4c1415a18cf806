/** Market data: what runs here, what it costs, who asks for how much, who mines (ECO-6, ECO-7). */
import {
  accountOf,
  averageWork,
  bytesToHex,
  crossRatePpm,
  encodeAddress,
  hexToBytes,
  isActiveMiner,
  type ModelParams,
  ROLE_MINER,
  ROLE_VERIFIER,
  readAsks,
  readFoundCounts,
  readMarket,
  readOpenJobs,
  readRegistration,
  readVerifiers,
  type WeighedAsk,
  weighAsks,
  weightAt,
} from '@nacre/protocol'
import { MAX_RPC_MINERS, MAX_RPC_VERIFIERS } from '../limits-chain.ts'
import type { FullNode } from '../node.ts'
import type { AskView, MarketView, MinersView, ModelMarketView, ModelView } from '../rpc-client/market-view.ts'
import type { VerifiersView } from '../rpc-client/verifiers.ts'

const VERIFIER_PREFIX = 'verifier/'

export function modelsView({ context }: FullNode): { readonly models: readonly ModelView[] } {
  const { units } = context.params
  const models = context.params.models.map(({ name, modelId }) => {
    const { vocabSize, maxSeqLen } = context.models.get(modelId)!.model.config
    return {
      name,
      modelId,
      vocabSize,
      maxSeqLen,
      maxPromptTokens: Math.min(units.maxPromptTokens, maxSeqLen),
      maxNewTokens: Math.min(units.maxNewTokens, maxSeqLen),
    }
  })
  return { models }
}

/** The model with a name or an id (hex). */
export function modelNamed({ context }: FullNode, nameOrId: string): ModelParams | undefined {
  return context.params.models.find(({ name, modelId }) => name === nameOrId || modelId === nameOrId)
}

export function marketView(node: FullNode): MarketView {
  return {
    height: node.chain.tip.header.height,
    models: node.context.params.models.map((model) => modelMarketView(node, model)),
  }
}

function modelMarketView(node: FullNode, { name, modelId }: ModelParams): ModelMarketView {
  const { reader } = node.chain
  const { models } = node.context.params
  const market = readMarket(reader, modelId)
  const { bidPrice, askPrice, referencePrice } = market
  const asks = standingAsks(node, modelId)
  const others = models.filter((other) => other.modelId !== modelId)
  return {
    name,
    modelId,
    clearingPriceGrains: market.clearingPrice.toString(),
    clearedHeight: market.clearedHeight,
    volumeMacs: market.volumeMacs.toString(),
    jobs: market.jobs,
    bidGrains: bidPrice.toString(),
    askGrains: askPrice.toString(),
    ...(bidPrice > 0n && askPrice > 0n ? { spreadGrains: (askPrice - bidPrice).toString() } : {}),
    referenceGrains: referencePrice.toString(),
    crossRatesPpm: Object.fromEntries(
      others.map((other) => {
        const { referencePrice: otherPrice } = readMarket(reader, other.modelId)
        return [other.name, crossRatePpm(referencePrice, otherPrice).toString()]
      }),
    ),
    openJobs: readOpenJobs(reader, modelId).length,
    asks: asks.length,
    ...(asks[0] === undefined ? {} : { bestAskGrains: asks[0].price.toString() }),
    roomMacs: asks.reduce((sum, { room }) => sum + room, 0n).toString(),
  }
}

export function askBookView(node: FullNode, modelId: string): { readonly asks: readonly AskView[] } {
  const asks = standingAsks(node, modelId).map(({ minerKey, price, capacityMacs, room, weight }) => ({
    minerKey: bytesToHex(minerKey),
    priceGrains: price.toString(),
    capacityMacs: capacityMacs.toString(),
    roomMacs: room.toString(),
    weightMacs: weight.toString(),
  }))
  return { asks }
}

/** As the next block counts them, the cheapest first. */
function standingAsks({ chain, context }: FullNode, modelId: string): WeighedAsk[] {
  const asks = weighAsks(context.params, chain.reader, readAsks(chain.reader, modelId), chain.tip.header.height + 1)
  return asks.sort((a, b) => (a.price < b.price ? -1 : a.price > b.price ? 1 : 0))
}

/** Every registered miner, and every key with matured work. */
export function minersView({ chain, store, context }: FullNode): MinersView {
  const { params } = context
  const { reader } = chain
  const { height } = chain.tip.header
  const keysOf = (prefix: string): string[] =>
    store.stateEntriesFrom(prefix, MAX_RPC_MINERS).map(([key]) => key.slice(prefix.length))
  const miners = [...new Set([...keysOf('miner/'), ...keysOf('weight/')])].map((minerKey) => {
    const publicKey = hexToBytes(minerKey)
    const weight = weightAt(params, reader, publicKey, height)
    return {
      weight,
      minerKey,
      address: encodeAddress(accountOf(publicKey), params.network.addressPrefix),
      bondGrains: (readRegistration(reader, ROLE_MINER, publicKey)?.bond ?? 0n).toString(),
      averageWorkMacs: averageWork(params, weight).toString(),
      isActive: isActiveMiner(reader, publicKey),
    }
  })
  miners.sort((a, b) => (a.weight > b.weight ? -1 : a.weight < b.weight ? 1 : 0))
  return {
    miners: miners
      .slice(0, MAX_RPC_MINERS)
      .map(({ weight, ...miner }) => ({ ...miner, weightMacs: weight.toString() })),
    verifiers: readVerifiers(reader),
  }
}

/** Every registered verifier, with what it has found of the faults that were planted where its secrets fell (AUD-8). */
export function verifiersView({ chain, store, context }: FullNode): VerifiersView {
  const { reader, tip } = chain
  const keys = store.stateEntriesFrom(VERIFIER_PREFIX, MAX_RPC_VERIFIERS)
  const verifiers = keys.map(([key]) => {
    const verifierKey = key.slice(VERIFIER_PREFIX.length)
    const publicKey = hexToBytes(verifierKey)
    const registration = readRegistration(reader, ROLE_VERIFIER, publicKey)
    return {
      verifierKey,
      address: encodeAddress(accountOf(publicKey), context.params.network.addressPrefix),
      bondGrains: (registration?.bond ?? 0n).toString(),
      isActive: registration?.unbondingHeight === 0,
      ...readFoundCounts(reader, publicKey),
    }
  })
  return { height: tip.header.height, verifiers }
}

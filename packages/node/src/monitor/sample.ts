/** Reading a block's sample from the chain: its header, and the state right after it. */
import {
  averageWork,
  type BlockHeader,
  blockWork,
  bytesToHex,
  type ConsensusContext,
  decodeMacs,
  equalBytes,
  LANE_PAID,
  promptMacs,
  readAsks,
  readImmature,
  readMarket,
  type StateReader,
  type WeighedAsk,
  weighAsks,
} from '@nacre/protocol'
import type { BlockSample, Capacity } from './types.ts'

/** A price older than this many blocks says nothing about the cost of work today. */
const MAX_PRICE_AGE_BLOCKS = 512
const PPM = 1e6

/** @param state after the block. */
export function sampleBlock(
  context: ConsensusContext,
  block: { readonly header: BlockHeader; readonly hex: string },
  state: StateReader,
): BlockSample {
  const { header, hex } = block
  const { params } = context
  const asks = params.models.flatMap(({ modelId }) => weighAsks(params, state, readAsks(state, modelId), header.height))
  const own = asks.filter(({ minerKey }) => equalBytes(minerKey, header.minerKey))
  return {
    height: header.height,
    id: hex,
    timeMs: header.timeMs,
    workMacs: Number(blockWork(header.bits)),
    minerKey: bytesToHex(header.minerKey),
    isPaid: header.unit.lane === LANE_PAID,
    rewardGrains: rewardOf(context, header, state),
    costGrainsPerGmac: costPerGmac(context, header.height, state),
    minerDeclaredMacs: sum(own, ({ capacityMacs }) => capacityMacs),
    capacity: capacityOf(context, asks),
  }
}

/** The coinbase: at this state nothing else of this miner matures at its height. */
function rewardOf({ params }: ConsensusContext, { height, minerKey }: BlockHeader, state: StateReader): number {
  const own = readImmature(state, height + params.block.maturityBlocks).filter((entry) =>
    equalBytes(entry.minerKey, minerKey),
  )
  return sum(own, ({ grains }) => grains)
}

/**
 * JOB-2: what a client pays for a unit of the bootstrap's shape at the reference price, per 10^9 of the prompt MACs that
 * mining it draws on.
 */
function costPerGmac({ params, bootstrap }: ConsensusContext, height: number, state: StateReader): number {
  const { referencePrice, clearedHeight } = readMarket(state, bytesToHex(bootstrap.model.modelId))
  if (clearedHeight === 0 || height - clearedHeight > MAX_PRICE_AGE_BLOCKS) return 0
  const { bootstrapPromptTokens, bootstrapNewTokens } = params.units
  const { config } = bootstrap.model
  const outputPerInput = decodeMacs(config, bootstrapNewTokens) / promptMacs(config, bootstrapPromptTokens)
  return Number(referencePrice) * (params.jobs.inputPricePpm / PPM + outputPerInput)
}

function capacityOf({ params }: ConsensusContext, asks: readonly WeighedAsk[]): Capacity {
  // A key with asks for several models mines once.
  const weights = new Map(asks.map(({ minerKey, weight }) => [bytesToHex(minerKey), weight]))
  return {
    asks: asks.length,
    keys: weights.size,
    declaredMacs: sum(asks, ({ capacityMacs }) => capacityMacs),
    roomMacs: sum(asks, ({ room }) => room),
    averageWorkMacs: sum([...weights.values()], (weight) => averageWork(params, weight)),
  }
}

const sum = <T>(items: readonly T[], of: (item: T) => bigint): number =>
  Number(items.reduce((total, item) => total + of(item), 0n))

import { randomInt } from 'node:crypto'
import { type AskView, readAsks } from '@nacre/node/rpc-client'
import { ask } from './ask.ts'
import { JobError } from './errors.ts'

/** Rooms are shrunk to this many parts before one is drawn. */
const PARTS = 1_000_000n

/**
 * Under provenance `client-signed` the client names who delivers (B1): one of those that ask at most what it bids, drawn by the MACs that
 * each has room for. Hex. Rejects with JobError NO_MINER if nobody does, and NO_NODE if the node is silent for longer than `silenceMs`.
 */
export async function nameMiner(
  rpcUrl: string,
  { modelId, maxPriceGrains }: { readonly modelId: string; readonly maxPriceGrains: bigint },
  signal: AbortSignal,
  silenceMs = 0,
): Promise<string> {
  const asks = await ask(silenceMs, signal, () => readAsks(rpcUrl, modelId, signal))
  const affordable = asks.filter(({ priceGrains }) => BigInt(priceGrains) <= maxPriceGrains)
  if (affordable.length === 0)
    throw new JobError('NO_MINER', `none of ${asks.length} miners asks at most ${maxPriceGrains} grains per GMAC`)
  return drawByRoom(affordable, randomInt(Number(PARTS)))
}

/** The ask whose share of all room holds place `at` of a million; the first where nobody has room. */
export function drawByRoom(asks: readonly Pick<AskView, 'minerKey' | 'roomMacs'>[], at: number): string {
  const rooms = asks.map(({ roomMacs }) => BigInt(roomMacs))
  const place = (BigInt(at) * rooms.reduce((sum, room) => sum + room, 0n)) / PARTS
  let below = 0n
  for (const [i, room] of rooms.entries()) {
    below += room
    if (place < below) return asks[i]!.minerKey
  }
  return asks[0]!.minerKey
}

import type { BlockView } from '@nacre/node'
import { get } from '@nacre/node/rpc-client'

/** Counters of one miner process. */
export interface MinerFigures {
  readonly units: number
  /** Of the units: those of paid jobs. */
  readonly paidUnits: number
  readonly tokens: number
  readonly tickets: number
  readonly blocks: number
}

/** The part of `/status` that the devnet reads. */
export interface NodeStatus {
  readonly role: string
  readonly height: number
  readonly tip: string
  readonly stateRoot: string
  readonly peers: number
  readonly supplyGrains: string
  readonly usefulSharePpm: string
  readonly paidMacsPpm: string
  readonly miner?: MinerFigures
  readonly registration?: { readonly state: string; readonly address: string }
}

const REQUEST_MS = 5_000

/** Of the devnet's own nodes, whose answers need no check. */
const ask = async <T>(rpc: string, path: string): Promise<T> =>
  (await get(rpc, path, AbortSignal.timeout(REQUEST_MS))) as T

export const fetchStatus = (rpc: string): Promise<NodeStatus> => ask(rpc, '/status')

/** The block of a node's best chain at a height; undefined if it is not that high or does not answer. */
export async function fetchBlock(rpc: string, height: number): Promise<BlockView | undefined> {
  try {
    return await ask<BlockView>(rpc, `/blocks/${height}`)
  } catch {
    return undefined
  }
}

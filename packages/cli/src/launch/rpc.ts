/** Reads a running chain over the RPC of one node. */
import type { BlockView } from '@nacre/node'
import {
  field,
  fieldsOf,
  get,
  isGrains,
  isHash,
  isHeight,
  isList,
  isTime,
  type PresetDifference,
  readParams,
} from '@nacre/node/rpc-client'
import type { Params } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { rpcFlag } from '../options.ts'

/** Blocks asked for at once: the most that a node gives. */
const PAGE_BLOCKS = 100

/** The part of a block that the audit reads. */
export interface ChainBlock
  extends Pick<BlockView, 'height' | 'id' | 'parentId' | 'timeMs' | 'bits' | 'minerKey' | 'lane'> {
  /** See `BlockView`. */
  readonly deferredChangeGrains: bigint
}

/** The part of `/status` that the audit reads. */
export interface ChainStatus {
  readonly chainId: string
  readonly height: number
  readonly tip: string
  readonly premineGrains: bigint
  readonly faucetGrains: bigint
  readonly emittedGrains: bigint
  readonly deferredGrains: bigint
  readonly burnedGrains: bigint
  /** E2, in parts per million. */
  readonly usefulSharePpm: bigint
  readonly settledMacs: bigint
  readonly paidMacsPpm: bigint
  readonly burnedOverMintedPpm: bigint
}

export interface ChainData {
  readonly rpc: string
  readonly params: Params
  readonly difference: PresetDifference
  readonly status: ChainStatus
  /** Heights 0, 1, ... in order, each the parent of the next. */
  readonly blocks: readonly ChainBlock[]
}

/** Reads the parameters and at most `maxBlocks` blocks after genesis. Throws CliError. */
export async function readChain(rpc: string, maxBlocks: number): Promise<ChainData> {
  const base = rpcFlag(rpc)
  const { params, difference } = await readParams(base)
  const first = await readOnce(base, maxBlocks)
  // The best chain may have changed between two answers.
  const { status, blocks } = first ?? (await readOnce(base, maxBlocks)) ?? throwReorganised(base)
  return { rpc: base, params, difference, status, blocks }
}

function throwReorganised(base: string): never {
  throw new CliError(`the blocks of ${base} do not follow one another: it reorganises, or does not tell the truth`)
}

async function readOnce(
  base: string,
  maxBlocks: number,
): Promise<{ status: ChainStatus; blocks: ChainBlock[] } | undefined> {
  const status = statusOf(base, await get(base, '/status'))
  const last = Math.min(status.height, maxBlocks)
  const blocks: ChainBlock[] = []
  while (blocks.length <= last) {
    const to = Math.min(last, blocks.length + PAGE_BLOCKS - 1)
    const limit = to - blocks.length + 1
    const page = blocksOf(base, await get(base, `/blocks?from=${to}&limit=${limit}`)).reverse()
    for (const block of page.length === limit ? page : []) {
      const parent = blocks.at(-1)
      if (block.height !== blocks.length || (parent !== undefined && block.parentId !== parent.id)) return undefined
      blocks.push(block)
    }
    if (blocks.length !== to + 1) return undefined
  }
  return last === status.height && blocks.at(-1)!.id !== status.tip ? undefined : { status, blocks }
}

const isBits = (value: unknown): value is string => typeof value === 'string' && /^0x[0-9a-f]{1,8}$/.test(value)
const isLane = (value: unknown): value is ChainBlock['lane'] =>
  value === 'bootstrap' || value === 'paid' || value === 'open'

/** At most 2^128 - 1 MACs. */
const isWork = (value: unknown): value is string => typeof value === 'string' && /^\d{1,39}$/.test(value)
const isChange = (value: unknown): value is string => typeof value === 'string' && /^-?\d{1,20}$/.test(value)

function statusOf(base: string, answer: unknown): ChainStatus {
  const from = fieldsOf(base, '/status', answer)
  const grains = (name: string): bigint => BigInt(field(base, '/status', from, name, isGrains))
  const macs = (name: string): bigint => BigInt(field(base, '/status', from, name, isWork))
  return {
    chainId: field(base, '/status', from, 'chainId', isHash),
    height: field(base, '/status', from, 'height', isHeight),
    tip: field(base, '/status', from, 'tip', isHash),
    premineGrains: grains('premineGrains'),
    faucetGrains: grains('faucetGrains'),
    emittedGrains: grains('emittedGrains'),
    deferredGrains: grains('deferredGrains'),
    burnedGrains: grains('burnedGrains'),
    usefulSharePpm: grains('usefulSharePpm'),
    settledMacs: macs('settledMacs'),
    paidMacsPpm: grains('paidMacsPpm'),
    burnedOverMintedPpm: grains('burnedOverMintedPpm'),
  }
}

function blocksOf(base: string, answer: unknown): ChainBlock[] {
  const list = field(base, '/blocks', fieldsOf(base, '/blocks', answer), 'blocks', isList)
  return list.map((entry) => {
    const from = fieldsOf(base, 'a block', entry)
    return {
      height: field(base, 'a block', from, 'height', isHeight),
      id: field(base, 'a block', from, 'id', isHash),
      parentId: field(base, 'a block', from, 'parentId', isHash),
      timeMs: field(base, 'a block', from, 'timeMs', isTime),
      bits: field(base, 'a block', from, 'bits', isBits),
      minerKey: field(base, 'a block', from, 'minerKey', isHash),
      lane: field(base, 'a block', from, 'lane', isLane),
      deferredChangeGrains: BigInt(field(base, 'a block', from, 'deferredChangeGrains', isChange)),
    }
  })
}

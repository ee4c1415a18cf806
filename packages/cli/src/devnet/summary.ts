/** What a local network did until a height that all its nodes have reached. */
import type { BlockView } from '@nacre/node'
import { readMarket } from '@nacre/node/rpc-client'
import type { LaneName } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import type { Economy } from './economy.ts'
import type { Member } from './members.ts'
import { fetchBlock, type MinerFigures } from './rpc-client.ts'

/** Blocks of one miner; `open` only under provenance `open`. */
export type LaneCounts = Partial<Record<LaneName, number>> & { readonly paid: number; readonly bootstrap: number }

/** What `--json` prints. Grains are decimal strings. */
export interface DevnetSummary {
  readonly height: number
  readonly tip: string
  readonly stateRoots: Readonly<Record<string, string>>
  readonly blocks: Readonly<Record<string, LaneCounts>>
  readonly units: number
  /** Of the units: those that somebody paid for. */
  readonly paidUnits: number
  readonly tokens: number
  readonly tickets: number
  /** Part of all MACs that somebody paid for, as the chain publishes it (E2): of jobs that have settled. */
  readonly paidMacsShare: number
  /** The same of the blocks' work, in which a paid ticket counts less. */
  readonly usefulShare: number
  readonly supply: string
  /** Grains for 10^9 output MACs of each model's last clearing, by its name; "0" before the first. */
  readonly clearingPriceGrains: Readonly<Record<string, string>>
  /** Requests to the gateway, where there is one. */
  readonly requests?: {
    readonly answered: number
    readonly failed: number
    /** Answers that are exactly right. */
    readonly right: number
    /** Answers that the gateway executed again. */
    readonly verified: number
    readonly feeGrains: string
    readonly meanWaitMs: number
  }
  readonly wallSeconds: number
}

export type Counters = Pick<MinerFigures, 'units' | 'paidUnits' | 'tokens' | 'tickets'>
export const NO_COUNTERS: Counters = { units: 0, paidUnits: 0, tokens: 0, tickets: 0 }

export const addCounters = (a: Counters, b: Counters): Counters => ({
  units: a.units + b.units,
  paidUnits: a.paidUnits + b.paidUnits,
  tokens: a.tokens + b.tokens,
  tickets: a.tickets + b.tickets,
})

/** Of all processes that the members have had. */
export const countersOf = (members: readonly Pick<Member, 'before' | 'status'>[]): Counters =>
  members.reduce(
    (sum, { before, status }) => addCounters(sum, addCounters(before, status?.miner ?? NO_COUNTERS)),
    NO_COUNTERS,
  )

export interface SummaryInput {
  readonly height: number
  /** The block at that height as each member has it. */
  readonly views: readonly BlockView[]
  /** Boot first. */
  readonly members: readonly Member[]
  readonly economy: Economy | undefined
  readonly nameOf: (minerKey: string) => string
  readonly wallSeconds: number
}

/** Throws CliError if boot lacks a block, and RpcError if it does not answer. */
export async function summaryOf(input: SummaryInput): Promise<DevnetSummary> {
  const { height, views, members, economy, nameOf, wallSeconds } = input
  const boot = members[0]!
  const chain = await Promise.all(Array.from({ length: height }, (_, i) => fetchBlock(boot.ready.rpc, i + 1)))
  const miners = members.filter(({ role }) => role === 'miner')
  const blocks: Record<string, LaneCounts> = Object.fromEntries(
    miners.map(({ name }) => [name, { paid: 0, bootstrap: 0 }]),
  )
  for (const block of chain) {
    if (block === undefined) throw new CliError('a block is missing from the chain of boot')
    const name = nameOf(block.minerKey)
    const entry = blocks[name] ?? { paid: 0, bootstrap: 0 }
    blocks[name] = { ...entry, [block.lane]: (entry[block.lane] ?? 0) + 1 }
  }
  const { models } = await readMarket(boot.ready.rpc)
  return {
    height,
    tip: views[0]!.id,
    stateRoots: Object.fromEntries(members.map(({ name }, i) => [name, views[i]!.stateRoot])),
    blocks,
    ...countersOf(members),
    paidMacsShare: Number(boot.status?.paidMacsPpm ?? '0') / 1_000_000,
    usefulShare: Number(boot.status?.usefulSharePpm ?? '0') / 1_000_000,
    supply: boot.status?.supplyGrains ?? '0',
    clearingPriceGrains: Object.fromEntries(models.map((model) => [model.name, model.clearingPriceGrains])),
    ...(economy === undefined ? {} : { requests: requestsOf(economy) }),
    wallSeconds,
  }
}

function requestsOf({ demand }: Economy): NonNullable<DevnetSummary['requests']> {
  const { answered, failed, right, verified, feeGrains, waitMs } = demand
  const meanWaitMs = answered === 0 ? 0 : Math.round(waitMs / answered)
  return { answered, failed, right, verified, feeGrains: feeGrains.toString(), meanWaitMs }
}

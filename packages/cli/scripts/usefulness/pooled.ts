/** Runs of one network with several seeds, taken together. */
import { shareInterval } from '@nacre/node'
import { CASES } from './cases.ts'
import type { Figures, MinerFigures } from './figures.ts'
import { MINERS, type MinerName } from './miners.ts'

export interface PooledMiner {
  readonly name: MinerName
  readonly blocks: number
  readonly paidBlocks: number
  readonly share: number
  readonly lowShare: number
  readonly highShare: number
  readonly rewardShare: number
  readonly drawnShare: number
  readonly maturedCoins: number
  readonly immatureCoins: number
  readonly forfeitedCoins: number
  readonly premiumCoins: number
  readonly clientFeeCoins: number
  readonly ownFeeCoins: number
  readonly spentMs: number
  readonly clientMs: number
  readonly drawnMacs: number
  readonly sent: number
  readonly refusals: readonly (readonly [code: string, count: number])[]
  /** Of the runs: those in which the chain barred it. */
  readonly barred: number
}

export interface Pooled {
  readonly name: string
  readonly title: string
  readonly seeds: readonly string[]
  readonly off: readonly string[]
  readonly blocks: number
  readonly miners: readonly PooledMiner[]
  readonly chainUsefulShare: number
  readonly usefulBlocks: number
  readonly inferenceBlocks: number
  readonly usefulTime: number
  readonly inferenceTime: number
  readonly jobs: {
    readonly posted: number
    readonly settled: number
    readonly right: number
    readonly tokens: number
    readonly chargedCoins: number
  }
  readonly ownJobs: { readonly posted: number; readonly settled: number; readonly chargedCoins: number }
  /** Per token of an answer that a client paid for, in coins. */
  readonly feePerToken: number
  readonly mintedPerToken: number
  /** Reward that its miner gives up for a token: its processor time at what the best kind of draws earns on average. */
  readonly forgonePerToken: number
}

const coins = (grains: string): number => Number(grains) / 1e8
const sum = (values: readonly number[]): number => values.reduce((all, each) => all + each, 0)

/** In the order of the cases. */
export function pooled(runs: readonly Figures[]): Pooled[] {
  return CASES.flatMap(({ name, title }) => {
    const of = runs.filter((run) => run.name === name)
    return of.length === 0 ? [] : [poolOf(title, of)]
  })
}

export function poolOf(title: string, runs: readonly Figures[]): Pooled {
  const [first] = runs as readonly [Figures, ...Figures[]]
  const mean = (of: (run: Figures) => number): number => sum(runs.map(of)) / runs.length
  const total = (of: (run: Figures) => number): number => sum(runs.map(of))
  const blocks = total(({ miners }) => sum(miners.map((miner) => miner.blocks)))
  const reward = total(({ miners }) => sum(miners.map(rewardOf)))
  const drawn = total(({ miners }) => sum(miners.map(({ drawnMacs }) => drawnMacs)))
  const miners = MINERS.map((name): PooledMiner => {
    const mine = runs.map((run) => run.miners.find((miner) => miner.name === name)!)
    const of = (value: (miner: MinerFigures) => number): number => sum(mine.map(value))
    const refusals = new Map<string, number>()
    for (const { refusals: each } of mine)
      for (const [code, count] of Object.entries(each)) refusals.set(code, (refusals.get(code) ?? 0) + count)
    return {
      ...{ name, blocks: of((miner) => miner.blocks), paidBlocks: of(({ paidBlocks }) => paidBlocks) },
      ...shareInterval(
        of((miner) => miner.blocks),
        blocks,
      ),
      rewardShare: of(rewardOf) / reward,
      drawnShare: of(({ drawnMacs }) => drawnMacs) / drawn,
      maturedCoins: of(({ maturedGrains }) => coins(maturedGrains)),
      immatureCoins: of(({ immatureGrains }) => coins(immatureGrains)),
      forfeitedCoins: of(({ forfeitedGrains }) => coins(forfeitedGrains)),
      premiumCoins: of(({ premiumGrains }) => coins(premiumGrains)),
      clientFeeCoins: of(({ clientFeesGrains }) => coins(clientFeesGrains)),
      ownFeeCoins: of(({ ownFeesGrains }) => coins(ownFeesGrains)),
      spentMs: of(({ spentMs }) => sum(Object.values(spentMs))),
      clientMs: of(({ spentMs }) => spentMs.clients),
      drawnMacs: of(({ drawnMacs }) => drawnMacs),
      sent: of(({ sent }) => sent),
      refusals: [...refusals],
      barred: mine.filter(({ barredHeight }) => barredHeight !== undefined).length,
    }
  })
  const tokens = total(({ clients }) => clients.tokens)
  const charged = total(({ clients }) => coins(clients.chargedGrains))
  const minted = total(({ emittedGrains }) => coins(emittedGrains))
  // What all blocks were made with: a draw that no block can come of is worth nothing.
  const earning = miners.filter((miner) => miner.blocks > 0)
  const perMac = ((reward / 1e8) * jobsWindow(first)) / sum(earning.map(({ drawnMacs }) => drawnMacs))
  const best = Math.max(...earning.map(({ drawnMacs, spentMs, clientMs }) => drawnMacs / (spentMs - clientMs)))
  const clientMs = sum(miners.map((miner) => miner.clientMs))
  return {
    ...{ name: first.name, title, off: first.off, seeds: runs.map(({ seed }) => seed), blocks, miners },
    chainUsefulShare: mean(({ chainUsefulShare }) => chainUsefulShare),
    usefulBlocks: mean(({ usefulBlocks }) => usefulBlocks),
    inferenceBlocks: mean(({ inferenceBlocks }) => inferenceBlocks),
    usefulTime: mean(({ usefulTime }) => usefulTime),
    inferenceTime: mean(({ inferenceTime }) => inferenceTime),
    jobs: {
      posted: total(({ clients }) => clients.posted),
      settled: total(({ clients }) => clients.settled),
      right: total(({ clients }) => clients.right ?? clients.settled),
      ...{ tokens, chargedCoins: charged },
    },
    ownJobs: {
      posted: total(({ ownJobs }) => ownJobs.posted),
      settled: total(({ ownJobs }) => ownJobs.settled),
      chargedCoins: total(({ ownJobs }) => coins(ownJobs.chargedGrains)),
    },
    feePerToken: charged / tokens,
    mintedPerToken: (minted * jobsWindow(first)) / tokens,
    forgonePerToken: (best * perMac * clientMs) / tokens,
  }
}

/** Of all blocks that count, those in which jobs were posted. */
const jobsWindow = ({ fromHeight, toHeight, height }: Figures): number =>
  (toHeight - fromHeight + 1) / (height - fromHeight + 1)

const rewardOf = ({ maturedGrains, immatureGrains, forfeitedGrains }: MinerFigures): number =>
  Number(maturedGrains) + Number(immatureGrains) + Number(forfeitedGrains)

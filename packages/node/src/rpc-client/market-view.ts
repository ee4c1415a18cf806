/** The market as `GET /market`, `/market/:model/asks`, `/models` and `/miners` show it. Prices are grains for 10^9 verified output MACs. */

/** A registered model, and the bounds of a job for it; both maxima need not fit one job, whose positions and MACs are bounded too (JOB-1). */
export interface ModelView {
  readonly name: string
  readonly modelId: string
  readonly vocabSize: number
  readonly maxSeqLen: number
  readonly maxPromptTokens: number
  readonly maxNewTokens: number
}

/** A price of "0" means: none yet. */
export interface ModelMarketView {
  readonly name: string
  readonly modelId: string
  readonly clearingPriceGrains: string
  /** Of the last clearing. */
  readonly clearedHeight: number
  readonly volumeMacs: string
  readonly jobs: number
  readonly bidGrains: string
  readonly askGrains: string
  /** Ask less bid of the last call, 0 or negative where bids traded; absent without a bid or an ask. */
  readonly spreadGrains?: string
  readonly referenceGrains: string
  /** By the other model's name: how much of it one GMAC of this one is worth, in millionths. */
  readonly crossRatesPpm: Readonly<Record<string, string>>
  readonly openJobs: number
  readonly asks: number
  readonly bestAskGrains?: string
  /** What standing asks can take in one block. */
  readonly roomMacs: string
}

export interface MarketView {
  readonly height: number
  readonly models: readonly ModelMarketView[]
}

export interface AskView {
  readonly minerKey: string
  readonly priceGrains: string
  readonly capacityMacs: string
  readonly roomMacs: string
  readonly weightMacs: string
}

/** The heaviest first. */
export interface MinersView {
  readonly miners: readonly {
    readonly minerKey: string
    readonly address: string
    readonly bondGrains: string
    readonly weightMacs: string
    readonly averageWorkMacs: string
    readonly isActive: boolean
  }[]
  readonly verifiers: number
}

/** A case as one owner of some of its miners sees it. */
import { shareInterval } from '@nacre/node'
import { type JobAccount, sumOf } from './accounts.ts'
import type { SelfDealingCase } from './cases.ts'
import type { Played } from './play.ts'

/** A share with its 95 % interval. */
export interface Share {
  readonly part: number
  readonly whole: number
  readonly share: number
  readonly lowShare: number
  readonly highShare: number
}

/** Amounts are decimal text in grains, of all jobs together: charged = burned + verifiers + own + others. */
export interface Row {
  readonly name: string
  readonly trick?: string
  readonly provenance: string
  readonly burnPpm: number
  readonly mintCapPpm: number
  readonly miners: number
  readonly owned: number
  readonly jobs: number
  readonly settled: number
  readonly lapsed: number
  readonly unassigned: number
  readonly feeGrains: string
  readonly chargedGrains: string
  readonly promptBurnGrains: string
  readonly burnedGrains: string
  readonly verifierGrains: string
  readonly ownGrains: string
  readonly othersGrains: string
  readonly returnedGrains: string
  readonly premiumGrains: string
  readonly netGrains: string
  /** Of the jobs' transactions, which whoever makes the block has; receipts' are as much at least. */
  readonly transactionFeeGrains: string
  /** Paid blocks with a premium that its miners made. */
  readonly premiumBlocks: number
  /** Jobs of which one of its miners was drawn first, and delivered jobs that they delivered. */
  readonly drawn: Share | undefined
  readonly delivered: Share | undefined
  /** Its part of the weight of all who ask, at the first job, on average, and at the last. */
  readonly weight: { readonly first: number; readonly mean: number; readonly last: number } | undefined
  /** The a of the bound. */
  readonly boundShare: number
  /** In parts of the fee; undefined where fees are 0. */
  readonly net: number | undefined
  /** By the interval of `delivered`; undefined where no draw decides who delivers. */
  readonly netLow: number | undefined
  readonly netHigh: number | undefined
  readonly bound: number | undefined
  /** The same for a = 1, whoever delivers. */
  readonly boundAtOne: number | undefined
  readonly blocks: Share
  /** Of the miners' subsidy of the same blocks. */
  readonly rewardShare: number
}

const PPM = 1e6

export function rowOf(play: SelfDealingCase, played: Played, accounts: readonly JobAccount[], owned: number): Row {
  const { params, minerKeys, blocks, client } = played
  const own = new Set(minerKeys.slice(0, owned))
  const settled = accounts.filter(({ end }) => end === 'settled')
  const isOwn = ({ minerKey }: { readonly minerKey: string | undefined }): boolean =>
    minerKey !== undefined && own.has(minerKey)
  const assigned = accounts.filter(({ end }) => end !== 'unassigned')
  const ownBlocks = blocks.filter(isOwn)
  const fee = sumOf(accounts, ({ feeGrains }) => feeGrains)
  const charged = sumOf(accounts, ({ chargedGrains }) => chargedGrains)
  const recovered = sumOf(settled.filter(isOwn), ({ minerGrains }) => minerGrains)
  const miners = sumOf(settled, ({ minerGrains }) => minerGrains)
  const premium = sumOf(ownBlocks, ({ premiumGrains }) => premiumGrains)
  const promptBurn = sumOf(accounts, ({ promptBurnGrains }) => promptBurnGrains)
  const net = recovered + premium - charged
  const weight = weightOf(played, owned)
  const delivered = shareOf(settled.filter(isOwn).length, settled.length)
  // Of what no draw decides there is nothing to estimate.
  const isCertain = isSurelyItsOwn(play) || owned === play.miners || settled.length === 0
  const boundShare = isSurelyItsOwn(play) ? 1 : (weight?.mean ?? owned / play.miners)
  const kappa = params.jobs.paidDrawPpm === 0 ? 0 : params.emission.mintCapPpm / PPM
  const inFees = (grains: number): number | undefined => (fee === 0n ? undefined : grains / Number(fee))
  const at = (share: number, more: number): number | undefined =>
    inFees(share * Number(miners) + more - Number(charged))
  return {
    ...{ name: play.name, ...(play.trick === undefined ? {} : { trick: play.trick }), provenance: play.provenance },
    ...{ burnPpm: play.burnPpm, mintCapPpm: params.emission.mintCapPpm, miners: play.miners, owned },
    ...{ jobs: accounts.length, settled: settled.length },
    lapsed: accounts.filter(({ end }) => end === 'lapsed').length,
    unassigned: accounts.length - assigned.length,
    feeGrains: fee.toString(),
    chargedGrains: charged.toString(),
    promptBurnGrains: promptBurn.toString(),
    burnedGrains: sumOf(accounts, ({ burnedGrains }) => burnedGrains).toString(),
    verifierGrains: sumOf(accounts, ({ verifierGrains }) => verifierGrains).toString(),
    ownGrains: recovered.toString(),
    othersGrains: (miners - recovered).toString(),
    returnedGrains: sumOf(accounts, ({ returnedGrains }) => returnedGrains).toString(),
    premiumGrains: premium.toString(),
    netGrains: net.toString(),
    transactionFeeGrains: (BigInt(client.transactions) * params.fees.minTransactionGrains).toString(),
    premiumBlocks: ownBlocks.filter(({ premiumGrains }) => premiumGrains > 0n).length,
    drawn: shareOf(assigned.filter(({ drawnKey }) => isOwn({ minerKey: drawnKey })).length, assigned.length),
    delivered,
    weight,
    boundShare,
    net: inFees(Number(net)),
    netLow: isCertain ? undefined : at(delivered!.lowShare, Number(premium)),
    netHigh: isCertain ? undefined : at(delivered!.highShare, Number(premium)),
    bound: at(boundShare, kappa * Number(promptBurn)),
    boundAtOne: at(1, kappa * Number(promptBurn)),
    blocks: shareOf(ownBlocks.length, blocks.length)!,
    rewardShare:
      Number(sumOf(ownBlocks, ({ rewardGrains }) => rewardGrains)) /
      Number(sumOf(blocks, ({ rewardGrains }) => rewardGrains)),
  }
}

/** Whether nobody else can be drawn for its jobs. */
const isSurelyItsOwn = ({ provenance, bidGrains, asks }: SelfDealingCase): boolean =>
  provenance === 'client-signed' || bidGrains < asks.others

const shareOf = (part: number, whole: number): Share | undefined =>
  whole === 0 ? undefined : { part, whole, ...shareInterval(part, whole) }

function weightOf({ weights }: Played, owned: number): Row['weight'] {
  const shares = weights.flatMap((each) => {
    const sum = Number(sumOf(each, (weight) => weight))
    return sum === 0 ? [] : [Number(sumOf(each.slice(0, owned), (weight) => weight)) / sum]
  })
  if (shares.length === 0) return undefined
  const mean = shares.reduce((sum, each) => sum + each, 0) / shares.length
  return { first: shares[0]!, mean, last: shares.at(-1)! }
}

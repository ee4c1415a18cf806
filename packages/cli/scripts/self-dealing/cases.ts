/** What is tried: each case is one network of its own, read for one or more shares. */
import type { OpenWork } from '@nacre/engine'
import { GRAINS_PER_NCR, type Provenance } from '@nacre/protocol'

export interface SelfDealingCase {
  readonly name: string
  /** The trick, for people; undefined: it mines and delivers as everybody does. */
  readonly trick: string | undefined
  readonly provenance: Provenance
  readonly burnPpm: number
  /** Equal miners; the operator has the first of them. */
  readonly miners: number
  /** How many of the first miners are the operator's: each number is one row. The chain cannot tell who holds a key, so one run serves all. */
  readonly owned: readonly number[]
  readonly jobs: number
  readonly jobsPerBlock: number
  /** What the operator's fake jobs offer at most, grains for 10^9 output MACs. */
  readonly bidGrains: bigint
  /** Of the operator's miners, and of the others. */
  readonly asks: { readonly own: bigint; readonly others: bigint }
  /** What the operator's miners declare; undefined: more than anybody wants. */
  readonly ownCapacityMacs?: bigint
  /** The operator's miners hand in no receipt unless it makes a block. */
  readonly isWithholding?: boolean
  /** Under provenance `open`. */
  readonly work?: { readonly own: OpenWork; readonly others: OpenWork }
  readonly overrides?: readonly string[]
}

/** What honest miners ask: a unit costs thousands of transaction fees. */
export const ASK: bigint = 1000n * GRAINS_PER_NCR
const TRICK_BURN_PPM = 200_000
const BURNS = [0, 200_000, 500_000] as const
const PROVENANCES: readonly Provenance[] = ['assigned', 'client-signed', 'open']

interface Size {
  readonly miners: number
  readonly owned: readonly number[]
  readonly jobs: number
  readonly jobsPerBlock: number
}
/** Shares 0.1; 0.33 and 1. */
const TEN: Size = { miners: 10, owned: [1], jobs: 120, jobsPerBlock: 6 }
const THREE: Size = { miners: 3, owned: [1, 3], jobs: 90, jobsPerBlock: 2 }
/** Draws of the open lane are large, and its jobs win nothing: fewer of them, and no second size. */
const OPEN: Size = { ...THREE, jobs: 45, jobsPerBlock: 3 }

const plain = (provenance: Provenance, burnPpm: number, size: Size): SelfDealingCase => ({
  ...{
    name: `${provenance}, burn ${burnPpm / 1e6}, ${size.miners} miners`,
    trick: undefined,
    provenance,
    burnPpm,
    ...size,
  },
  ...{ bidGrains: ASK, asks: { own: ASK, others: ASK } },
  ...(provenance === 'open' ? { work: { own: 'random', others: 'random' } } : {}),
})

const GRID: readonly SelfDealingCase[] = PROVENANCES.flatMap((provenance) =>
  BURNS.flatMap((burnPpm) =>
    (provenance === 'open' ? [OPEN] : [TEN, THREE]).map((size) => plain(provenance, burnPpm, size)),
  ),
)

interface Trick extends Partial<Omit<SelfDealingCase, 'name' | 'trick'>> {
  readonly name: string
  readonly trick: string
}

const trick = ({ provenance = 'assigned', ...rest }: Trick): SelfDealingCase => ({
  ...plain(provenance, TRICK_BURN_PPM, { ...THREE, owned: [1] }),
  ...rest,
})

const TRICKS: readonly SelfDealingCase[] = [
  trick({
    name: 'refund abuse, chosen miner',
    trick: 'names its own miner, which hands in no receipt unless it makes a block: the job goes back',
    ...{ provenance: 'client-signed', isWithholding: true },
  }),
  trick({
    name: 'refund abuse, only candidate',
    trick: 'asks half of what others do and bids no more, so that nobody else is drawn, and lets its jobs lapse',
    ...{ bidGrains: ASK / 2n, asks: { own: ASK / 2n, others: ASK }, isWithholding: true },
  }),
  trick({
    name: 'refund abuse among others',
    trick: 'hands in no receipt for its own jobs; the next rank does',
    isWithholding: true,
  }),
  trick({
    name: 'understated capacity',
    trick: 'declares a capacity of one MAC',
    ownCapacityMacs: 1n,
  }),
  trick({
    name: 'own ask cheapest',
    trick: 'asks half of what others do and bids no more: nobody else is drawn, at half the price',
    ...{ bidGrains: ASK / 2n, asks: { own: ASK / 2n, others: ASK } },
  }),
  trick({
    name: 'price of 1 grain',
    trick: 'asks and bids 1 grain with fees.minJobGrains = 0: fees round to nothing',
    ...{ bidGrains: 1n, asks: { own: 1n, others: ASK } },
  }),
  trick({
    name: 'least escrow',
    trick: 'asks and bids the least price that an escrow of 10,000 grains allows',
    ...{ bidGrains: 51_000_000n, asks: { own: 51_000_000n, others: ASK } },
    overrides: ['fees.minJobGrains=10000'],
  }),
]

/** With the mint cap of ECO-3 above 1 or off: these must pay, or the others show nothing. */
const SWITCHED_OFF: readonly SelfDealingCase[] = [
  trick({
    name: 'mint cap 4, chosen miner',
    trick: 'kappa = 4, its own miner named',
    ...{ provenance: 'client-signed', overrides: ['emission.mintCapPpm=4000000'] },
  }),
  trick({
    name: 'mint cap 4, refund abuse',
    trick: 'kappa = 4, its own miner named, which hands in no receipt unless it makes a block',
    ...{ provenance: 'client-signed', isWithholding: true, overrides: ['emission.mintCapPpm=4000000'] },
  }),
  trick({
    name: 'mint cap off',
    trick: 'kappa = 1000: whatever is withheld may be minted',
    ...{ owned: [1, 3], overrides: ['emission.mintCapPpm=1000000000'] },
  }),
]

/** What random matrices earn where nothing binds them. */
const AGAINST_INFERENCE: SelfDealingCase = {
  ...plain('open', TRICK_BURN_PPM, { ...THREE, owned: [1] }),
  name: 'open, random matrices against inference',
  trick: 'multiplies random matrices while the others run a model; no job is needed for it',
  work: { own: 'random', others: 'inference' },
  ...{ jobs: 0, jobsPerBlock: 0 },
}

export const CASES: readonly SelfDealingCase[] = [...GRID, ...TRICKS, ...SWITCHED_OFF, AGAINST_INFERENCE]

/** A smoke test: one network, few jobs. */
export const QUICK: readonly SelfDealingCase[] = [
  { ...plain('assigned', TRICK_BURN_PPM, { ...THREE, jobs: 8 }), name: 'quick' },
]

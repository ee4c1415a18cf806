/**
 * Complete parameter sets (section 4). `devnet` and `unit` say what they change and why; everything else is as in the
 * network that they stand for.
 */
import { ProtocolError } from '../errors.ts'
import { POW_LIMIT_BITS } from '../pearl/difficulty.ts'
import { NACRE_SMALL, UNIT_MODEL } from './registered-models.ts'
import type { BindingParams, ModelParams, OpenParams, Params } from './types.ts'

/** Grains in one NCR (CNV-4). */
export const GRAINS_PER_NCR = 100_000_000n

/**
 * Ed25519 seed of the faucet of `devnet` and `unit`: 32 bytes of 7. Everybody knows this key; whoever wants the
 * faucet's coins takes them.
 */
export const FAUCET_SEED_HEX: string = '07'.repeat(32)
/** Account of {@link FAUCET_SEED_HEX}. */
export const FAUCET_ACCOUNT = '8accfddd326c41ae6cd1f97062f0128907a0183e'

const NO_BEACON = '00'.repeat(32)

const ALL_BINDINGS: BindingParams = {
  assignedInputs: 'on',
  registeredWeights: 'on',
  operandBeforeNoise: 'on',
  completionBeforeDraw: 'on',
  singleUse: 'on',
  checked: 'on',
  provenance: 'assigned',
}

/** Of the open lane, where none of them holds. Matrices commit to their dimensions by rules of their own (chapter 12). */
const NO_BINDINGS: BindingParams = {
  assignedInputs: 'off',
  registeredWeights: 'off',
  operandBeforeNoise: 'off',
  completionBeforeDraw: 'off',
  singleUse: 'off',
  checked: 'off',
  provenance: 'open',
}

/** Pearl's version 3 as deployed. */
const OPEN_RULES: OpenParams = { seedRule: 'version-3', rankPenalty: 'off' }

const nacreSmall: ModelParams = {
  name: 'nacre-small',
  modelId: NACRE_SMALL.modelId,
  corpusRoot: NACRE_SMALL.corpusRoot,
  corpusPrompts: 512,
  noiseRank: 32,
  tileRows: 16,
  tileColumns: 32,
}

const unitModel: ModelParams = {
  name: 'unit-model',
  modelId: UNIT_MODEL.modelId,
  corpusRoot: UNIT_MODEL.corpusRoot,
  corpusPrompts: 512,
  noiseRank: 8,
  tileRows: 4,
  tileColumns: 8,
}

/**
 * The fair network. `network.genesisBeacon` is zero here because the randomness does not exist before the launch is
 * announced: a real launch sets it, and so gets its own chain id.
 */
const nacre: Params = {
  network: {
    name: 'nacre',
    addressPrefix: 'ncr',
    genesisTimeMs: 1_798_761_600_000, // 2027-01-01
    launchDelayMs: 604_800_000, // 7 days
    genesisBeacon: NO_BEACON,
  },
  block: {
    timeMs: 194_000,
    maxFutureMs: 970_000, // 5 block times, the most that BLK-6 allows
    maturityBlocks: 445, // 1 day
    maxTransactions: 256, // checked in under a second, nearly all of it signatures
    winnerCheck: 'execute',
  },
  difficulty: {
    algorithm: 'asert',
    halfLifeMs: 28_800_000, // 8 hours
    genesisBits: 0x195f1618, // 1.94e17 MACs per block: 10^15 MACs/s
    maxTargetBits: 0x20100000, // 2^252: 15 MACs per block
  },
  emission: {
    curve: 'hyperbolic',
    supplyGrains: 2_100_000_000n * GRAINS_PER_NCR,
    curveBlocks: 650_226, // 4 years
    ramp: 'quadratic',
    rampBlocks: 40_640, // about 91 days
    tailGrains: 0n,
    premineGrains: 0n,
    teamAccount: '',
    teamSharePpm: 0,
    bootstrapFactorPpm: 500_000,
    mintCapPpm: 500_000,
    verifierSharePpm: 20_000,
    faucetGrains: 0n,
    faucetAccount: '',
  },
  fees: { burnPpm: 200_000, verifierPpm: 50_000, minTransactionGrains: 1000n, minJobGrains: 10_000n },
  bonds: {
    minerGrains: 100n * GRAINS_PER_NCR,
    verifierGrains: 500n * GRAINS_PER_NCR,
    unbondingBlocks: 1335, // three times maturity: audit, challenge and response windows
  },
  units: {
    bootstrapPromptTokens: 64,
    bootstrapNewTokens: 24,
    // Both maxima need not fit one unit: the model's longest sequence is checked for each job.
    maxPromptTokens: 96,
    maxNewTokens: 64,
    maxUnitMacs: 300_000_000,
    referenceMacsPerSecond: 5_000_000_000,
  },
  jobs: {
    // Below the least cost of drawing a kept trace again, 114,000 ppm of a bootstrap ticket, times bootstrapFactorPpm: not even with the
    // whole premium does that beat mining (rationale).
    paidDrawPpm: 50_000,
    inputPricePpm: 250_000, // batched input costs a machine about a quarter of decoding row by row
    assignmentWindowBlocks: 3, // about 10 minutes for each rank
    fallbacks: 2,
    auditWindowBlocks: 148, // 8 hours, a third of maturity: challenge and response have the rest
    askDelayBlocks: 6,
    maxLifetimeBlocks: 445, // 1 day
    maxOpenPerModel: 1024,
    maxClearedPerModel: 128, // half of the block's transactions: each job needs two
    maxAsksPerModel: 256,
    weightBlocks: 3117, // 7 days
    capacityMultiple: 4,
    newcomerSharePpm: 50_000,
    nonDeliveryPpm: 100_000,
    referenceMovePpm: 50_000,
  },
  audits: {
    mode: 'on',
    rateUnits: 8,
    rateFloorPpm: 20_000,
    newKeyUnits: 8,
    steps: 16,
    epochBlocks: 96, // 5 hours
    verdictBlocks: 24,
    revealBlocks: 48, // a verifier may be away for two hours
    maxVerifiers: 64,
    missedRevealPpm: 20_000,
    falseVerdictPpm: 500_000,
    payPpm: 250_000, // with the mint cap at most three quarters of what a unit burned
    plantPpm: 20_000, // of the miners that plant: what they do without pay
    accusationDelayBlocks: 3,
    accusationBlocks: 24,
    accusationDepositGrains: GRAINS_PER_NCR, // a tenth of the bounty
    bountyPpm: 100_000, // the most that AUD-6 allows
    maxProofsPerBlock: 4,
    challengeWindowBlocks: 148, // 8 hours, another third of maturity
    responseBlocks: 64, // 3.5 hours, 7 if blocks are full
    challengeBondGrains: GRAINS_PER_NCR / 100n, // what a response costs its miner in fees, many times over
    maxChallengesPerUnit: 4,
    maxChallengesPerBlock: 4,
  },
  bindings: ALL_BINDINGS,
  open: OPEN_RULES,
  models: [nacreSmall],
}

/** `nacre` with seconds instead of minutes, and a faucet. */
const devnet: Params = {
  ...nacre,
  network: {
    name: 'devnet',
    addressPrefix: 'tncr',
    genesisTimeMs: 1_767_225_600_000, // 2026-01-01: in the past, so that it starts at once
    launchDelayMs: 0,
    genesisBeacon: NO_BEACON,
  },
  // A block of 64 transfers is checked in about 0.2 s, nearly all of it signatures: a fraction of the block time.
  block: { ...nacre.block, timeMs: 5000, maxFutureMs: 25_000, maturityBlocks: 20, maxTransactions: 64 },
  difficulty: {
    ...nacre.difficulty,
    algorithm: 'wtema', // one machine's speed is not known beforehand; wtema's clamp keeps pauses of the machine harmless
    halfLifeMs: 80_000, // 16 block times, the least that BLK-6 allows
    genesisBits: 0x1c2bfaff, // 2.5e10 MACs per block: 5 * 10^9 MACs/s
  },
  emission: {
    ...nacre.emission,
    curveBlocks: 50_000,
    rampBlocks: 100,
    faucetGrains: 1_000_000n * GRAINS_PER_NCR,
    faucetAccount: FAUCET_ACCOUNT,
  },
  bonds: { minerGrains: 10n * GRAINS_PER_NCR, verifierGrains: 20n * GRAINS_PER_NCR, unbondingBlocks: 40 },
  // JOB-3 within 5 s blocks: a machine of 6.5 * 10^9 MACs/s re-executes the largest unit in 46 ms.
  units: { ...nacre.units, referenceMacsPerSecond: 6_500_000_000 },
  jobs: {
    ...nacre.jobs,
    auditWindowBlocks: 6,
    askDelayBlocks: 2,
    maxLifetimeBlocks: 120, // 10 minutes
    maxOpenPerModel: 256,
    maxClearedPerModel: 32,
    maxAsksPerModel: 64,
    weightBlocks: 240, // 20 minutes
    capacityMultiple: 32, // clients ask for more than the few bootstrap units of a devnet earn
  },
  // All of it within a maturity of 20 blocks.
  audits: {
    ...nacre.audits,
    epochBlocks: 6,
    verdictBlocks: 3,
    revealBlocks: 6,
    accusationDelayBlocks: 2,
    accusationBlocks: 6,
    accusationDepositGrains: GRAINS_PER_NCR / 10n,
    challengeWindowBlocks: 3,
    responseBlocks: 5,
  },
}

/**
 * Halving emission over the rules of `nacre`: no ramp, and every block has the whole subsidy, whoever asked for its work.
 * Supply and block time are nacre's, and an era is its curve constant, so that the two differ in what they are compared in.
 */
const bitcoinLike: Params = {
  ...nacre,
  network: { ...nacre.network, name: 'bitcoin-like' },
  emission: { ...nacre.emission, curve: 'halving', ramp: 'none', bootstrapFactorPpm: 1_000_000 },
}

/**
 * Pearl as deployed, over the same ledger and network (chapter 12): miners bring the matrices, the target follows the unclamped rule
 * with H of one week, every block has the whole subsidy of Pearl's own formula from the first one on, and no fee burns.
 */
const pearl: Params = {
  ...nacre,
  network: { ...nacre.network, name: 'pearl', launchDelayMs: 0 },
  block: { ...nacre.block, winnerCheck: 'none' },
  difficulty: {
    algorithm: 'wtema-unclamped',
    halfLifeMs: 604_800_000, // one week
    genesisBits: POW_LIMIT_BITS,
    maxTargetBits: POW_LIMIT_BITS, // 2^48 products per block
  },
  emission: {
    ...nacre.emission,
    curve: 'pearl',
    ramp: 'none',
    bootstrapFactorPpm: 1_000_000,
    mintCapPpm: 0,
    verifierSharePpm: 0,
  },
  fees: { ...nacre.fees, burnPpm: 0, verifierPpm: 0 },
  audits: { ...nacre.audits, mode: 'off' },
  jobs: { ...nacre.jobs, paidDrawPpm: 0 },
  bindings: NO_BINDINGS,
}

/** `pearl` with the seconds, the faucet and the easy targets of `devnet`. */
const pearlDevnet: Params = {
  ...pearl,
  network: { ...devnet.network, name: 'pearl-devnet' },
  block: { ...devnet.block, winnerCheck: 'none' },
  difficulty: {
    ...pearl.difficulty,
    halfLifeMs: devnet.difficulty.halfLifeMs,
    genesisBits: 0x1c0afebf, // 1e11 products per block: 2 * 10^10 products/s
    maxTargetBits: devnet.difficulty.maxTargetBits,
  },
  emission: {
    ...pearl.emission,
    curveBlocks: devnet.emission.curveBlocks,
    faucetGrains: devnet.emission.faucetGrains,
    faucetAccount: devnet.emission.faucetAccount,
  },
  bonds: devnet.bonds,
  units: devnet.units,
  audits: { ...devnet.audits, mode: 'off' },
  jobs: { ...devnet.jobs, paidDrawPpm: 0 },
}

/** Tiny, for tests: windows of a few blocks, units of milliseconds. */
const unit: Params = {
  ...devnet,
  network: { ...devnet.network, name: 'unit' },
  block: { ...devnet.block, timeMs: 1000, maxFutureMs: 5000, maturityBlocks: 3 },
  difficulty: {
    ...devnet.difficulty,
    halfLifeMs: 16_000,
    genesisBits: 0x1e035afe, // 5 * 10^6 MACs per block: about one unit
  },
  emission: { ...devnet.emission, curveBlocks: 1000, rampBlocks: 10 },
  fees: { ...devnet.fees, minJobGrains: 0n }, // jobs of any size, down to those whose fees round to nothing
  bonds: { minerGrains: GRAINS_PER_NCR, verifierGrains: 2n * GRAINS_PER_NCR, unbondingBlocks: 4 },
  units: {
    bootstrapPromptTokens: 24,
    bootstrapNewTokens: 4,
    maxPromptTokens: 32,
    maxNewTokens: 16,
    maxUnitMacs: 5_000_000,
    referenceMacsPerSecond: 1_000_000_000,
  },
  jobs: {
    ...devnet.jobs,
    assignmentWindowBlocks: 2,
    fallbacks: 1,
    auditWindowBlocks: 2,
    askDelayBlocks: 1,
    maxLifetimeBlocks: 40,
    maxOpenPerModel: 16,
    maxClearedPerModel: 8,
    maxAsksPerModel: 8,
    weightBlocks: 20,
  },
  audits: { ...devnet.audits, mode: 'off' }, // a maturity of 3 blocks has no room for their windows
  models: [unitModel],
}

export type PresetName = 'nacre' | 'bitcoin-like' | 'pearl' | 'devnet' | 'pearl-devnet' | 'unit'

/** Every preset by its name. */
export const presets: Readonly<Record<PresetName, Params>> = {
  nacre,
  'bitcoin-like': bitcoinLike,
  pearl,
  devnet,
  'pearl-devnet': pearlDevnet,
  unit,
}

/** The preset called `name`. Throws PARAM_UNKNOWN with the names there are. */
export function presetByName(name: string): Params {
  if (!Object.hasOwn(presets, name))
    throw new ProtocolError('PARAM_UNKNOWN', `there is no preset ${name}, only ${Object.keys(presets).join(', ')}`)
  return presets[name as PresetName]
}

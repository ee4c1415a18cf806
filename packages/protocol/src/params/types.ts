/**
 * All protocol constants in one typed value (section 4). Passed as an argument, never global: two chains live in one test.
 * Every leaf is an integer (number or bigint) or a string, so that `path=value` lines are the whole truth.
 * Fractions are parts per million (`Ppm`).
 */
export type Toggle = 'on' | 'off'
export type EmissionCurve = 'hyperbolic' | 'pearl' | 'halving' | 'linear' | 'constant'
export type EmissionRamp = 'none' | 'linear' | 'quadratic'
export type DifficultyAlgorithm = 'wtema' | 'wtema-unclamped' | 'asert'
export type WinnerCheck = 'execute' | 'sample' | 'none'
export type Provenance = 'open' | 'client-signed' | 'assigned'
export type OpenSeedRule = 'version-3' | 'legacy'

export interface NetworkParams {
  /** Name of the network, printable. */
  readonly name: string
  /** Prefix of addresses (CNV-5). */
  readonly addressPrefix: string
  /** Time of the genesis block. */
  readonly genesisTimeMs: number
  /** No block may be earlier than genesis plus this: the announced launch (ECO-2). */
  readonly launchDelayMs: number
  /** 32 bytes of public randomness, hex, that did not exist before the announced launch. */
  readonly genesisBeacon: string
}

export interface BlockParams {
  /** Target time between blocks, T. */
  readonly timeMs: number
  /** How far ahead of the local clock a block may be (BLK-6: at most 5 T). */
  readonly maxFutureMs: number
  /** Blocks until coinbases and receipts can be spent (ECO-8). */
  readonly maturityBlocks: number
  readonly maxTransactions: number
  /** BLK-4. */
  readonly winnerCheck: WinnerCheck
}

export interface DifficultyParams {
  readonly algorithm: DifficultyAlgorithm
  /** H of BLK-6: an e-folding time under wtema, a half-life under asert. */
  readonly halfLifeMs: number
  /** Compact target of the first blocks; calibrated for the launch. */
  readonly genesisBits: number
  /** Compact form of the easiest target. */
  readonly maxTargetBits: number
}

export interface EmissionParams {
  readonly curve: EmissionCurve
  /** S of ECO-2, in grains. */
  readonly supplyGrains: bigint
  /** EC of ECO-2 for `hyperbolic` and `pearl`; the halving interval for `halving`; the whole length for `linear` and `constant`. */
  readonly curveBlocks: number
  readonly ramp: EmissionRamp
  readonly rampBlocks: number
  /** Least subsidy per block once the ramp is over; 0 for none. */
  readonly tailGrains: bigint
  /** Created in genesis for nobody in particular: exists in order to be compared (ECO-2). */
  readonly premineGrains: bigint
  /** Account (20 bytes hex) of premine and team share; empty when both are 0. */
  readonly teamAccount: string
  /** Part of each subsidy that goes to the team account. */
  readonly teamSharePpm: number
  /** w of ECO-3. */
  readonly bootstrapFactorPpm: number
  /** kappa of ECO-3. */
  readonly mintCapPpm: number
  /** Verifiers' part of the subsidy. */
  readonly verifierSharePpm: number
  /** Faucet allocation of devnets, in grains; 0 elsewhere (ECO-1). */
  readonly faucetGrains: bigint
  /** Account (20 bytes hex) of the faucet; empty when there is none. */
  readonly faucetAccount: string
}

export interface FeeParams {
  /** beta of E1 and ECO-4. */
  readonly burnPpm: number
  /** nu of ECO-4. */
  readonly verifierPpm: number
  /** Least fee of a transaction. */
  readonly minTransactionGrains: bigint
  /** Least escrow of a job (JOB-1). */
  readonly minJobGrains: bigint
}

/** Paid jobs and their market (JOB, UNT-2, ECO-4, ECO-6, ECO-7). */
export interface JobParams {
  /** What a paid ticket stands for over what a bootstrap ticket does (WRK-4); at 0 paid units make no blocks (UNT-2). */
  readonly paidDrawPpm: number
  /** Price of an input MAC over that of an output MAC (JOB-2). */
  readonly inputPricePpm: number
  /** Blocks that each rank of an assignment has to deliver (ECO-6). */
  readonly assignmentWindowBlocks: number
  /** Ranks after rank 0. */
  readonly fallbacks: number
  /** Blocks from a receipt to its settlement (ECO-4). */
  readonly auditWindowBlocks: number
  /** Blocks until an ask takes effect (ECO-7). */
  readonly askDelayBlocks: number
  /** Most blocks from a job's inclusion to its expiry. */
  readonly maxLifetimeBlocks: number
  /** Jobs of one model that wait for clearing. */
  readonly maxOpenPerModel: number
  /** Jobs of one model that one block clears. */
  readonly maxClearedPerModel: number
  /** Standing asks of one model. */
  readonly maxAsksPerModel: number
  /** Averaging time of the weight: after so many blocks a win counts 1 / e of its work (ECO-6). */
  readonly weightBlocks: number
  /** Declared capacity is bounded by this times the average work per block. */
  readonly capacityMultiple: number
  /** Part of all assignments that newcomers share. */
  readonly newcomerSharePpm: number
  /** Part of its weight that a key loses for each job it does not deliver. */
  readonly nonDeliveryPpm: number
  /** Most that the reference price moves in one block. */
  readonly referenceMovePpm: number
}

/** Audits of paid work (AUD, ECO-8). Every path is `audits.*`. */
export interface AuditParams {
  /** Off: receipts are claims that nothing checks, and no transaction of this chapter exists. */
  readonly mode: Toggle
  /** AUD-2: a miner with so many units at stake or fewer has each of them audited; with more, this over their number. */
  readonly rateUnits: number
  /** AUD-2: least part of its units that is audited. */
  readonly rateFloorPpm: number
  /** AUD-2: units of a new key that are always audited. */
  readonly newKeyUnits: number
  /** AUD-2: steps drawn for one audit. */
  readonly steps: number
  /** AUD-1: blocks for which a verifier's secret holds. */
  readonly epochBlocks: number
  /** AUD-5: blocks after an epoch in which its verdicts are still taken. */
  readonly verdictBlocks: number
  /** AUD-1: blocks after that in which its secrets are revealed. */
  readonly revealBlocks: number
  /** Verifiers of one epoch. */
  readonly maxVerifiers: number
  /** Part of its bond that a verifier loses for a secret it does not reveal. */
  readonly missedRevealPpm: number
  /** Part of its bond that a verifier loses for a false verdict. */
  readonly falseVerdictPpm: number
  /** What the verdicts on a unit earn together, over what the unit burned. */
  readonly payPpm: number
  /** AUD-8: part of the units of a miner that commits to it which are drawn as planted faults; 0: there are none. */
  readonly plantPpm: number
  /** AUD-4: blocks from the commitment to an accusation until its proof. */
  readonly accusationDelayBlocks: number
  /** Blocks after that in which the proof is taken. */
  readonly accusationBlocks: number
  /** Deposit of an accusation, lost if it is false. */
  readonly accusationDepositGrains: bigint
  /** AUD-6: part of the forfeited bonds that the accuser gets. */
  readonly bountyPpm: number
  /** Fraud and verdict proofs in one block. */
  readonly maxProofsPerBlock: number
  /** AUD-3: blocks after the audit window in which a unit can still be challenged. */
  readonly challengeWindowBlocks: number
  /** AUD-3: blocks to answer a challenge; full blocks stretch it up to twice as many. */
  readonly responseBlocks: number
  /** AUD-3: least bond of a challenge, which is never below the receipt's fee. */
  readonly challengeBondGrains: bigint
  /** Challenges of one challenger to one unit. */
  readonly maxChallengesPerUnit: number
  readonly maxChallengesPerBlock: number
}

export interface BondParams {
  readonly minerGrains: bigint
  readonly verifierGrains: bigint
  /** Blocks between asking a bond back and getting it. */
  readonly unbondingBlocks: number
}

export interface UnitParams {
  /** P of the bootstrap lane, the 16 leading byte tokens included (UNT-3). */
  readonly bootstrapPromptTokens: number
  /** G of the bootstrap lane. */
  readonly bootstrapNewTokens: number
  readonly maxPromptTokens: number
  readonly maxNewTokens: number
  /** Bound on the MACs of a unit's linear layers (JOB-3). */
  readonly maxUnitMacs: number
  /** MACs per second of the slowest machine the network is meant for (JOB-3). */
  readonly referenceMacsPerSecond: number
}

/** One registered model (B2, MOD-1) with the lottery shape that suits its size (WRK-3, WRK-6). */
export interface ModelParams {
  readonly name: string
  /** Hash of the manifest, hex. */
  readonly modelId: string
  /** Root over the encoded prompts of the bootstrap corpus, hex (UNT-3). */
  readonly corpusRoot: string
  readonly corpusPrompts: number
  /** r: a power of two that divides the model's width. Also the fold step. */
  readonly noiseRank: number
  /** h: rows of an output tile. */
  readonly tileRows: number
  /** w: columns of an output tile. */
  readonly tileColumns: number
}

/** The six bindings of section 2. */
export interface BindingParams {
  readonly assignedInputs: Toggle
  readonly registeredWeights: Toggle
  readonly operandBeforeNoise: Toggle
  readonly completionBeforeDraw: Toggle
  readonly singleUse: Toggle
  readonly checked: Toggle
  readonly provenance: Provenance
}

/** Rules of the baseline under provenance `open` (chapter 12); elsewhere they have no effect. */
export interface OpenParams {
  /** Whether the noise's seeds commit to the operands' dimensions. */
  readonly seedRule: OpenSeedRule
  /** Whether a fold step counts as 128 products whatever the rank, and ranks below are refused. */
  readonly rankPenalty: Toggle
}

export interface Params {
  readonly network: NetworkParams
  readonly block: BlockParams
  readonly difficulty: DifficultyParams
  readonly emission: EmissionParams
  readonly fees: FeeParams
  readonly bonds: BondParams
  readonly units: UnitParams
  readonly jobs: JobParams
  readonly audits: AuditParams
  readonly bindings: BindingParams
  readonly open: OpenParams
  /** The bootstrap lane runs the first one. */
  readonly models: readonly ModelParams[]
}

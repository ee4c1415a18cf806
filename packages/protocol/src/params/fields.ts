/** What each parameter may be: the one table behind checks, overrides, hashing and documentation. */
import {
  MAX_ASKS,
  MAX_AUDIT_STEPS,
  MAX_BLOCK_PROOFS,
  MAX_CLEARED_JOBS,
  MAX_EPOCH_VERIFIERS,
  MAX_JOB_RANKS,
  MAX_OPEN_JOBS,
} from '../limits.ts'

interface FieldBase {
  readonly doc: string
  /** Values whose code does not exist yet, each with the reason it is refused. */
  readonly refused?: Readonly<Record<string, string>>
}
export interface IntegerField extends FieldBase {
  readonly kind: 'integer'
  readonly unit: string
  readonly min: number
  readonly max: number
}
export interface AmountField extends FieldBase {
  readonly kind: 'amount'
  readonly max: bigint
}
export interface ChoiceField extends FieldBase {
  readonly kind: 'choice'
  readonly choices: readonly string[]
}
export interface TextField extends FieldBase {
  readonly kind: 'text'
  readonly pattern: RegExp
}
export type ParamField = IntegerField | AmountField | ChoiceField | TextField

const U64_MAX = (1n << 64n) - 1n
const PPM = 1_000_000
const integer = (unit: string, min: number, max: number, doc: string): IntegerField => ({
  kind: 'integer',
  unit,
  min,
  max,
  doc,
})
const ppm = (doc: string): IntegerField => integer('ppm', 0, PPM, doc)
const amount = (doc: string): AmountField => ({ kind: 'amount', max: U64_MAX, doc })
const choice = (
  choices: readonly string[],
  doc: string,
  refused: Readonly<Record<string, string>> = {},
): ChoiceField => ({
  kind: 'choice',
  choices,
  doc,
  refused,
})
const text = (pattern: RegExp, doc: string): TextField => ({ kind: 'text', pattern, doc })
const HEX32 = /^[0-9a-f]{64}$/
const ACCOUNT_OR_NONE = /^([0-9a-f]{40})?$/
const binding = (rule: string, doc: string): ChoiceField => choice(['on', 'off'], `${rule}: ${doc}`)

/** Every path of `Params`; models appear as `models.N.<field>`, here under `models.*`. */
export const PARAM_FIELDS: Readonly<Record<string, ParamField>> = {
  'network.name': text(/^[a-z0-9-]{1,32}$/, 'name of the network'),
  'network.addressPrefix': choice(['ncr', 'tncr'], 'prefix of addresses'),
  'network.genesisTimeMs': integer('ms', 0, 2 ** 48, 'time of the genesis block'),
  'network.launchDelayMs': integer('ms', 0, 2 ** 40, 'time between genesis and the first block allowed'),
  'network.genesisBeacon': text(HEX32, 'public randomness that did not exist before the announcement'),
  'block.timeMs': integer('ms', 10, 3_600_000, 'target time between blocks'),
  'block.maxFutureMs': integer('ms', 10, 18_000_000, 'how far ahead of the local clock a block may be'),
  'block.maturityBlocks': integer('blocks', 1, 1_000_000, 'blocks until a coinbase can be spent'),
  'block.maxTransactions': integer('transactions', 0, 1024, 'transactions in one block'),
  'block.winnerCheck': choice(['execute', 'sample', 'none'], 'how winners are checked (BLK-4)', {
    sample:
      'needs a rule by which a fraud proof takes a winning block out of its chain; proofs here are against receipts (AUD-4)',
  }),
  'difficulty.algorithm': choice(['wtema', 'wtema-unclamped', 'asert'], 'difficulty rule (BLK-6)'),
  'difficulty.halfLifeMs': integer('ms', 10, 10 ** 12, 'H: e-folding time of wtema, half-life of asert'),
  'difficulty.genesisBits': integer('compact target', 1, 0xffffffff, 'target of the first two blocks'),
  'difficulty.maxTargetBits': integer('compact target', 1, 0xffffffff, 'easiest target'),
  'emission.curve': choice(
    ['hyperbolic', 'pearl', 'halving', 'linear', 'constant'],
    'cumulative emission curve (ECO-2)',
  ),
  'emission.supplyGrains': amount('total supply of the curve'),
  'emission.curveBlocks': integer('blocks', 1, 10 ** 9, 'length constant of the curve'),
  'emission.ramp': choice(['none', 'linear', 'quadratic'], 'start-up ramp that delays the curve'),
  'emission.rampBlocks': integer('blocks', 1, 10 ** 6, 'length of the ramp'),
  'emission.tailGrains': amount('least subsidy per block after the ramp'),
  'emission.premineGrains': amount('created in genesis for the team account'),
  'emission.teamAccount': text(ACCOUNT_OR_NONE, 'account of premine and team share'),
  'emission.teamSharePpm': ppm('part of each subsidy for the team account'),
  'emission.bootstrapFactorPpm': ppm('part of the reward that a bootstrap block gets'),
  'emission.mintCapPpm': integer('ppm', 0, 10 ** 9, 'kappa: the cap on minting for useful work over what it burned'),
  'emission.verifierSharePpm': ppm("verifiers' part of the subsidy"),
  'emission.faucetGrains': amount('created in genesis for the faucet'),
  'emission.faucetAccount': text(ACCOUNT_OR_NONE, 'account of the faucet'),
  'fees.burnPpm': ppm('beta: burned part of job fees'),
  'fees.verifierPpm': ppm("nu: verifiers' part of the rest of job fees"),
  'fees.minTransactionGrains': amount('least fee of a transaction'),
  'fees.minJobGrains': amount('least escrow of a job: what it costs at most at its highest price (JOB-1)'),
  'bonds.minerGrains': amount('bond of a miner registration'),
  'bonds.verifierGrains': amount('bond of a verifier registration'),
  'bonds.unbondingBlocks': integer('blocks', 1, 10 ** 6, 'blocks until a bond is returned'),
  'units.bootstrapPromptTokens': integer('tokens', 17, 4096, 'prompt length of bootstrap units'),
  'units.bootstrapNewTokens': integer('tokens', 1, 4096, 'generated length of bootstrap units'),
  'units.maxPromptTokens': integer('tokens', 1, 32_768, 'longest prompt'),
  'units.maxNewTokens': integer('tokens', 1, 32_768, 'longest generation'),
  'units.maxUnitMacs': integer('MACs', 1, 2 ** 50, 'bound on the MACs of one unit'),
  'units.referenceMacsPerSecond': integer('MACs/s', 1, 2 ** 50, 'speed of the slowest machine meant'),
  'jobs.paidDrawPpm': ppm(
    'what a paid ticket stands for over what a bootstrap ticket does (WRK-4); 0: paid units make no blocks',
  ),
  'jobs.inputPricePpm': ppm('price of an input MAC over that of an output MAC (JOB-2)'),
  'jobs.assignmentWindowBlocks': integer('blocks', 1, 10_000, 'blocks that each rank has to deliver a job'),
  'jobs.fallbacks': integer('ranks', 0, MAX_JOB_RANKS - 1, 'ranks of an assignment after rank 0'),
  'jobs.auditWindowBlocks': integer('blocks', 1, 1_000_000, 'blocks from a receipt to its settlement'),
  'jobs.askDelayBlocks': integer('blocks', 1, 10_000, 'blocks until an ask takes effect'),
  'jobs.maxLifetimeBlocks': integer('blocks', 1, 1_000_000, "most blocks from a job's inclusion to its expiry"),
  'jobs.maxOpenPerModel': integer('jobs', 1, MAX_OPEN_JOBS, 'jobs of one model that wait for clearing'),
  'jobs.maxClearedPerModel': integer('jobs', 1, MAX_CLEARED_JOBS, 'jobs of one model that one block clears'),
  'jobs.maxAsksPerModel': integer('asks', 1, MAX_ASKS, 'standing asks of one model'),
  'jobs.weightBlocks': integer('blocks', 2, 1_000_000, 'averaging time of the weight that draws jobs (ECO-6)'),
  'jobs.capacityMultiple': integer('times', 1, 1_000_000, 'declared capacity over average work per block, at most'),
  'jobs.newcomerSharePpm': integer('ppm', 0, PPM - 1, 'part of the draw that newcomers share'),
  'jobs.nonDeliveryPpm': ppm('part of its weight that a key loses for a job it does not deliver'),
  'jobs.referenceMovePpm': ppm('most that the reference price moves in one block'),
  'audits.mode': choice(['on', 'off'], 'whether paid work is audited (chapter 11)'),
  'audits.rateUnits': integer('units', 0, 1_000_000, 'audit rate times units at stake of a miner (AUD-2)'),
  'audits.rateFloorPpm': ppm('least audit rate'),
  'audits.newKeyUnits': integer('units', 0, 1_000_000, 'units of a new key that are always audited'),
  'audits.steps': integer('steps', 1, MAX_AUDIT_STEPS, 'steps drawn for one audit'),
  'audits.epochBlocks': integer('blocks', 1, 1_000_000, "blocks for which a verifier's secret holds (AUD-1)"),
  'audits.verdictBlocks': integer('blocks', 1, 1_000_000, 'blocks after an epoch in which its verdicts are taken'),
  'audits.revealBlocks': integer('blocks', 1, 1_000_000, 'blocks after that in which its secrets are revealed'),
  'audits.maxVerifiers': integer('verifiers', 1, MAX_EPOCH_VERIFIERS, 'verifiers of one epoch'),
  'audits.missedRevealPpm': ppm('part of the bond that a secret kept back costs'),
  'audits.falseVerdictPpm': ppm('part of the bond that a false verdict costs'),
  'audits.payPpm': ppm('what the verdicts on a unit earn over what the unit burned (AUD-5)'),
  'audits.plantPpm': ppm('part of the units of a miner that plants which are drawn as planted faults (AUD-8)'),
  'audits.accusationDelayBlocks': integer('blocks', 1, 10_000, 'blocks from the commitment to a proof until the proof'),
  'audits.accusationBlocks': integer('blocks', 1, 10_000, 'blocks after that in which the proof is taken'),
  'audits.accusationDepositGrains': amount('deposit of an accusation, lost if it is false (AUD-6)'),
  'audits.bountyPpm': integer('ppm', 0, 100_000, 'part of forfeited bonds that the accuser gets (AUD-6)'),
  'audits.maxProofsPerBlock': integer('proofs', 1, MAX_BLOCK_PROOFS, 'fraud and verdict proofs in one block'),
  'audits.challengeWindowBlocks': integer(
    'blocks',
    0,
    1_000_000,
    'blocks after the audit window for challenges (AUD-3)',
  ),
  'audits.responseBlocks': integer('blocks', 1, 10_000, 'blocks to answer a challenge'),
  'audits.challengeBondGrains': amount("least bond of a challenge, besides the receipt's fee"),
  'audits.maxChallengesPerUnit': integer('challenges', 1, 16, 'challenges of one challenger to one unit'),
  'audits.maxChallengesPerBlock': integer('challenges', 1, MAX_BLOCK_PROOFS, 'challenges in one block'),
  'bindings.assignedInputs': binding('B1', 'inputs are assigned, never chosen'),
  'bindings.registeredWeights': binding('B2', 'weights are registered'),
  'bindings.operandBeforeNoise': binding('B3', 'the noise commits to the operand'),
  'bindings.completionBeforeDraw': binding('B4', 'the draw is keyed by the complete trace'),
  'bindings.singleUse': binding('B5', 'one trace and one set of draws per unit'),
  'bindings.checked': binding('B6', 'winners are re-executed'),
  'bindings.provenance': choice(['open', 'client-signed', 'assigned'], 'where inputs may come from'),
  'open.seedRule': choice(
    ['version-3', 'legacy'],
    'under provenance open: whether the seeds commit to dimensions (chapter 12)',
  ),
  'open.rankPenalty': choice(['on', 'off'], 'under provenance open: a fold step counts as 128 products (chapter 12)'),
  'models.*.name': text(/^[a-z0-9.-]{1,64}$/, 'name of the model'),
  'models.*.modelId': text(HEX32, 'hash of the manifest'),
  'models.*.corpusRoot': text(HEX32, 'root of the bootstrap corpus'),
  'models.*.corpusPrompts': integer('prompts', 1, 2 ** 24, 'prompts in the bootstrap corpus'),
  'models.*.noiseRank': integer('columns', 4, 1024, 'r: noise rank and fold step, a power of two'),
  'models.*.tileRows': integer('rows', 1, 256, 'h: rows of an output tile'),
  'models.*.tileColumns': integer('columns', 1, 256, 'w: columns of an output tile'),
}

/** The field behind a path, or undefined: `models.3.name` is `models.*.name`. */
export function fieldOf(path: string): ParamField | undefined {
  const key = path.replace(/^models\.(0|[1-9]\d?)\./, 'models.*.')
  return Object.hasOwn(PARAM_FIELDS, key) ? PARAM_FIELDS[key] : undefined
}

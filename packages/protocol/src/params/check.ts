import { targetFromBits } from '../difficulty/bits.ts'
import { check, ProtocolError } from '../errors.ts'
import { MAX_DUE_CHALLENGES, MAX_MODELS, MAX_UNIT_TOKENS } from '../limits.ts'
import { fieldOf, PARAM_FIELDS } from './fields.ts'
import type { Params } from './types.ts'

const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0

/** Throws PARAM_* with the path and the reason unless `params` is complete, in range, consistent and implemented. */
export function checkParams(params: Params): void {
  checkFields('', params)
  const paths = Object.keys(PARAM_FIELDS).filter((path) => !path.includes('*'))
  for (const path of paths) check(valueAt(params, path) !== undefined, 'PARAM_UNKNOWN', `${path} is missing`)
  checkContradictions(params)
}

function valueAt(params: Params, path: string): unknown {
  return path.split('.').reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], params)
}

function checkFields(prefix: string, node: unknown): void {
  if (node !== null && typeof node === 'object') {
    for (const [key, child] of Object.entries(node)) checkFields(prefix === '' ? key : `${prefix}.${key}`, child)
    return
  }
  const field = fieldOf(prefix)
  if (field === undefined) throw new ProtocolError('PARAM_UNKNOWN', `there is no parameter ${prefix}`)
  switch (field.kind) {
    case 'integer':
      check(typeof node === 'number' && Number.isSafeInteger(node), 'PARAM_TYPE', `${prefix} is an integer`)
      check(
        node >= field.min && node <= field.max,
        'PARAM_RANGE',
        `${prefix}=${node} is outside ${field.min}..${field.max} ${field.unit}`,
      )
      break
    case 'amount':
      check(typeof node === 'bigint', 'PARAM_TYPE', `${prefix} is an amount in grains`)
      check(node >= 0n && node <= field.max, 'PARAM_RANGE', `${prefix}=${node} is outside 0..${field.max} grains`)
      break
    case 'choice':
      check(typeof node === 'string', 'PARAM_TYPE', `${prefix} is one of ${field.choices.join(', ')}`)
      check(field.choices.includes(node), 'PARAM_RANGE', `${prefix}=${node} is none of ${field.choices.join(', ')}`)
      break
    case 'text':
      check(typeof node === 'string', 'PARAM_TYPE', `${prefix} is text`)
      check(field.pattern.test(node), 'PARAM_RANGE', `${prefix}=${node} does not match ${field.pattern.source}`)
      break
  }
  const refused = field.refused?.[String(node)]
  if (refused !== undefined)
    throw new ProtocolError('PARAM_NOT_IMPLEMENTED', `${prefix}=${String(node)} is refused: ${refused}`)
}

const need = (holds: boolean, why: string): void => check(holds, 'PARAM_CONTRADICTION', why)

/** ECO-8: whatever an audit can bring to light is on the chain before the unit's payment matures and the bond returns. */
function checkAuditWindows({ audits, block, jobs, bonds }: Params): void {
  if (audits.mode === 'off') return
  need(
    jobs.auditWindowBlocks + audits.challengeWindowBlocks + 2 * audits.responseBlocks < block.maturityBlocks,
    'block.maturityBlocks does not exceed jobs.auditWindowBlocks, audits.challengeWindowBlocks and twice audits.responseBlocks (ECO-8)',
  )
  const windowBlocks = jobs.assignmentWindowBlocks * (1 + jobs.fallbacks)
  const revealed = audits.epochBlocks + audits.verdictBlocks + audits.revealBlocks
  need(
    revealed + audits.accusationDelayBlocks < block.maturityBlocks,
    'block.maturityBlocks does not exceed audits.epochBlocks, verdictBlocks, revealBlocks and accusationDelayBlocks (ECO-8)',
  )
  const planted = Math.max(audits.verdictBlocks + audits.accusationDelayBlocks, windowBlocks)
  need(
    audits.plantPpm === 0 || audits.epochBlocks + planted + audits.responseBlocks <= block.maturityBlocks,
    'block.maturityBlocks is less than audits.epochBlocks, the windows of all ranks (or audits.verdictBlocks and accusationDelayBlocks) and audits.responseBlocks (AUD-8)',
  )
  need(
    bonds.unbondingBlocks >= windowBlocks + block.maturityBlocks,
    'bonds.unbondingBlocks does not cover the windows of all ranks and block.maturityBlocks (ECO-1)',
  )
  need(
    bonds.unbondingBlocks >= 2 * audits.epochBlocks + block.maturityBlocks,
    'bonds.unbondingBlocks does not cover two epochs and block.maturityBlocks: a verifier could leave before its last verdict is shown false (AUD-5)',
  )
  need(
    2 * audits.responseBlocks * audits.maxChallengesPerBlock <= MAX_DUE_CHALLENGES,
    `audits.responseBlocks and maxChallengesPerBlock let more than ${MAX_DUE_CHALLENGES} challenges wait (AUD-3)`,
  )
}

function checkContradictions(params: Params): void {
  const { block, difficulty, emission, units, jobs, models, bonds, bindings } = params
  need(block.maxFutureMs <= 5 * block.timeMs, 'block.maxFutureMs is more than 5 block.timeMs (BLK-6)')
  need(difficulty.halfLifeMs >= 16 * block.timeMs, 'difficulty.halfLifeMs is less than 16 block.timeMs (BLK-6)')
  need(bonds.unbondingBlocks >= block.maturityBlocks, 'bonds.unbondingBlocks is less than block.maturityBlocks (ECO-1)')
  need(
    (bindings.checked === 'on') === (block.winnerCheck === 'execute'),
    'bindings.checked=off and block.winnerCheck=none are one switch: set both (B6, BLK-4)',
  )
  need(
    bindings.provenance !== 'open' || jobs.paidDrawPpm === 0,
    'under bindings.provenance=open units draw nothing: set jobs.paidDrawPpm=0 too (chapter 12)',
  )
  const maxTarget = targetFromBits(difficulty.maxTargetBits)
  need(maxTarget >= 1n, 'difficulty.maxTargetBits is no target')
  const genesisTarget = targetFromBits(difficulty.genesisBits)
  need(
    genesisTarget >= 1n && genesisTarget <= maxTarget,
    'difficulty.genesisBits is easier than difficulty.maxTargetBits',
  )

  need(emission.supplyGrains >= 1n, 'emission.supplyGrains is 0')
  need(
    emission.curve !== 'pearl' || (emission.ramp === 'none' && emission.tailGrains === 0n),
    'emission.curve=pearl has neither ramp nor tail: set emission.ramp=none and emission.tailGrains=0 (ECO-2)',
  )
  need(emission.tailGrains <= emission.supplyGrains, 'emission.tailGrains exceeds emission.supplyGrains')
  need(
    emission.supplyGrains + emission.premineGrains + emission.faucetGrains < 1n << 63n,
    'emission.supplyGrains, premine and faucet together exceed 2^63 grains (CNV-4)',
  )
  const hasTeam = emission.premineGrains > 0n || emission.teamSharePpm > 0
  need(hasTeam === (emission.teamAccount !== ''), 'emission.teamAccount goes with a premine or a team share')
  need(
    emission.faucetGrains > 0n === (emission.faucetAccount !== ''),
    'emission.faucetAccount goes with emission.faucetGrains',
  )
  need(
    emission.faucetGrains === 0n || params.network.addressPrefix === 'tncr',
    'only test networks have a faucet (ECO-1)',
  )
  need(
    emission.teamSharePpm + emission.verifierSharePpm <= 1_000_000,
    'emission.teamSharePpm and verifierSharePpm exceed the subsidy',
  )

  need(
    units.bootstrapPromptTokens <= units.maxPromptTokens,
    'units.bootstrapPromptTokens exceeds units.maxPromptTokens',
  )
  need(units.bootstrapNewTokens <= units.maxNewTokens, 'units.bootstrapNewTokens exceeds units.maxNewTokens')
  need(
    units.maxPromptTokens + units.maxNewTokens <= MAX_UNIT_TOKENS,
    'units.maxPromptTokens and maxNewTokens exceed the largest unit',
  )
  // JOB-3. A hundredth of the block time for re-execution at the reference speed implies a twentieth for execution, as long as
  // execution is at most five times slower: see "Why does one bound cover execution and re-execution?".
  const rate = BigInt(units.referenceMacsPerSecond) * BigInt(block.timeMs)
  need(
    100n * BigInt(units.maxUnitMacs) * 1000n <= rate,
    'units.maxUnitMacs at units.referenceMacsPerSecond re-executes for more than a hundredth of block.timeMs (JOB-3)',
  )

  need(
    jobs.auditWindowBlocks < block.maturityBlocks,
    'jobs.auditWindowBlocks is not less than block.maturityBlocks (ECO-8)',
  )
  need(
    jobs.maxLifetimeBlocks > jobs.assignmentWindowBlocks * (1 + jobs.fallbacks),
    'jobs.maxLifetimeBlocks does not cover the windows of all ranks (ECO-4)',
  )
  need(
    bonds.unbondingBlocks >= jobs.assignmentWindowBlocks * (1 + jobs.fallbacks),
    'bonds.unbondingBlocks does not cover the windows of all ranks (ECO-1)',
  )

  checkAuditWindows(params)

  need(
    models.length >= 1 && models.length <= MAX_MODELS,
    `models has ${models.length} entries, 1 to ${MAX_MODELS} are allowed`,
  )
  need(new Set(models.map((model) => model.modelId)).size === models.length, 'models lists one modelId twice')
  models.forEach((model, i) => {
    for (const key of [
      'name',
      'modelId',
      'corpusRoot',
      'corpusPrompts',
      'noiseRank',
      'tileRows',
      'tileColumns',
    ] as const) {
      check(model[key] !== undefined, 'PARAM_UNKNOWN', `models.${i}.${key} is missing`)
    }
    need(isPowerOfTwo(model.noiseRank), `models.${i}.noiseRank is no power of two`)
    need(model.tileRows * model.tileColumns <= 4096, `models.${i} has tiles of more than 4096 accumulators`)
  })
}

/**
 * ECO-8: coinbases and receipt payments mature after `block.maturityBlocks`, which covers all windows in which an audit can still bring
 * something to light; until then fraud forfeits them.
 *
 *   receipt |-- audit window --|-- challenge window --|-- response, stretched --|  < maturity
 *
 * What is forfeited: packages/protocol/test/rules/aud-4-fraud-proofs.test.ts, packages/protocol/test/ledger-equivocation.test.ts.
 */
import { describe, test } from 'vitest'
import { checkModelFits, checkParams, overrideParams, presets, unitModel } from '../../src/index.ts'
import { AUDIT_PARAMS } from '../audit-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const withLines = (...lines: string[]) => overrideParams(AUDIT_PARAMS, lines)

test('the presets keep every relation', () => {
  for (const params of Object.values(presets)) accepted(() => checkParams(params))
})

describe.each([
  // audit 6 + challenge 3 + 2 * response 5 = 19
  ['block.maturityBlocks', 20, 19, ['audits.epochBlocks=1'], 'audits.responseBlocks'],
  // epoch 6 + verdicts 3 + reveals 6 + delay 2 = 17
  ['block.maturityBlocks', 18, 17, ['audits.responseBlocks=1'], 'accusationDelayBlocks'],
  // windows 2 * 2 + maturity 24
  ['bonds.unbondingBlocks', 28, 27, [], 'bonds.unbondingBlocks'],
] as const)('%s', (path, least, tooLow, others, named) => {
  test(`${least} is enough, ${tooLow} is not`, () => {
    accepted(() => withLines(`${path}=${least}`, ...others))
    rejected('PARAM_CONTRADICTION', () => withLines(`${path}=${tooLow}`, ...others), named)
  })
})

test('waiting challenges are bounded', () => {
  const long = ['block.maturityBlocks=5000', 'bonds.unbondingBlocks=5004', 'audits.maxChallengesPerBlock=1']
  accepted(() => withLines(...long, 'audits.responseBlocks=2048'))
  rejected('PARAM_CONTRADICTION', () => withLines(...long, 'audits.responseBlocks=2049'), 'AUD-3')
})

test('without audits none of the relations is required', () => {
  const off = 'audits.mode=off'
  accepted(() => withLines(off, 'block.maturityBlocks=7'))
  rejected('PARAM_CONTRADICTION', () => withLines('block.maturityBlocks=7'))
})

test('proofs of a block cost no more than one largest unit, and its challenges can be answered', () => {
  const dims = unitModel().config
  const fits = (...lines: string[]) => {
    const params = withLines(...lines)
    return checkModelFits(params, params.models[0]!, dims)
  }
  accepted(() => fits())
  // 64 proofs and 8 responses of the heaviest step, an output head of 260 x 32.
  accepted(() => fits('audits.maxProofsPerBlock=64', 'units.maxUnitMacs=599040'))
  rejected(
    'PARAM_CONTRADICTION',
    () => fits('audits.maxProofsPerBlock=64', 'units.maxUnitMacs=599039'),
    'proofs and responses in a block',
  )
  const wide = { ...dims, dModel: 2048, nLayers: 1 }
  const asked = (challenges: number): void =>
    checkModelFits(
      withLines(
        `audits.maxChallengesPerBlock=${challenges}`,
        'units.maxUnitMacs=10000000000',
        'units.referenceMacsPerSecond=1000000000000',
      ),
      AUDIT_PARAMS.models[0]!,
      wide,
    )
  accepted(() => asked(16))
  rejected('PARAM_CONTRADICTION', () => asked(64), 'challenges of a block ask for')
})

/**
 * JOB-3: work is bounded, so that a unit, its trace and its re-execution are. At the speed of the slowest machine meant, the
 * largest unit re-executes in a hundredth of the block time and executes in a twentieth: otherwise a block would go to whoever
 * started first, and checking would not keep up.
 *
 *   |<------------------------- block time T ------------------------->|
 *   |#|       re-execution, one batched pass          <= T / 100
 *   |###|     execution, token by token               <= T / 20, which follows: it is less than five times slower
 *
 * The bound holds for bootstrap units and for jobs. The ranges of all parameters: params.test.ts; all codes of jobs: packages/protocol/test/rules/job-1-posting.test.ts.
 */
import { test } from 'vitest'
import {
  checkJobForm,
  checkModelFits,
  checkTask,
  overrideParams,
  presets,
  unitMacs,
  unitModel,
} from '../../src/index.ts'
import { TEST_MODELS } from '../ledger-fixture.ts'
import { jobBody } from '../market-fixture.ts'
import { task } from '../trace-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const { unit } = presets
const dims = unitModel().config

test('maxUnitMacs: a hundredth of a 1 s block at 10^9 MACs/s is 10^7 MACs, and not one more', () => {
  accepted(() => overrideParams(unit, ['units.maxUnitMacs=10000000']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['units.maxUnitMacs=10000001']), 'JOB-3')
})

test('a slower reference machine or a shorter block time bounds it the same way', () => {
  accepted(() => overrideParams(unit, ['units.referenceMacsPerSecond=500000000']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['units.referenceMacsPerSecond=499999999']), 'JOB-3')
  const half = ['block.timeMs=500', 'block.maxFutureMs=2500']
  accepted(() => overrideParams(unit, half))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, [...half, 'units.maxUnitMacs=5000001']), 'JOB-3')
})

test('a bootstrap unit is a unit: its MACs are within the bound', () => {
  const macs = unitMacs(dims, unit.units.bootstrapPromptTokens, unit.units.bootstrapNewTokens)
  const bounded = (maxUnitMacs: number): void =>
    checkModelFits({ ...unit, units: { ...unit.units, maxUnitMacs } }, unit.models[0]!, dims)
  accepted(() => bounded(macs))
  rejected('PARAM_CONTRADICTION', () => bounded(macs - 1), 'units.maxUnitMacs')
})

test('its prompt and its generated tokens are within the longest allowed ones', () => {
  accepted(() => overrideParams(unit, ['units.bootstrapPromptTokens=32', 'units.bootstrapNewTokens=16']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['units.bootstrapPromptTokens=33']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['units.bootstrapNewTokens=17']))
})

test('no task needs more positions than the model has: the last token takes none', () => {
  const longest = dims.maxSeqLen - task().promptTokens.length + 1
  accepted(() => checkTask(dims, task({ maxNewTokens: longest })))
  rejected('UNIT_SHAPE', () => checkTask(dims, task({ maxNewTokens: longest + 1 })))
  rejected('UNIT_SHAPE', () => checkTask(dims, task({ maxNewTokens: 0 })))
})

test('a job is bounded by its lengths, by the positions of the model, and by maxUnitMacs', () => {
  const post = (maxUnitMacs: number) => {
    const params = { ...unit, units: { ...unit.units, maxUnitMacs } }
    return () => checkJobForm({ params, models: TEST_MODELS }, jobBody())
  }
  const macs = unitMacs(dims, jobBody().promptTokens.length, jobBody().maxNewTokens)
  accepted(post(macs))
  rejected('JOB_MACS', post(macs - 1))
  const wide = { ...unit, units: { ...unit.units, maxPromptTokens: 4096, maxNewTokens: 4096, maxUnitMacs: 2 ** 50 } }
  const tokens = Array.from({ length: dims.maxSeqLen }, () => 1)
  const long = (extra: Partial<ReturnType<typeof jobBody>>) => () =>
    checkJobForm({ params: wide, models: TEST_MODELS }, jobBody({ promptTokens: tokens, ...extra }))
  accepted(long({ maxNewTokens: 1 }))
  rejected('JOB_NEW_TOKENS', long({ maxNewTokens: 2 }))
  rejected('JOB_PROMPT_TOO_LONG', long({ promptTokens: [...tokens, 1] }))
})

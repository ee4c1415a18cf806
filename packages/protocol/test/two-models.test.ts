/** A network with two registered models (B2): the bootstrap lane runs the first, jobs run either, each market has its own price (ECO-7). */
import { expect, test } from 'vitest'
import {
  accountOf,
  bytesToHex,
  checkBody,
  checkHeaderForm,
  checkTicketProof,
  checkTransition,
  checkWinner,
  createContext,
  crossRatePpm,
  overrideParams,
  paramLines,
  readMarket,
  syntheticModel,
  UNIT_MODEL_DIMS,
  unitCorpus,
  unitModel,
} from '../src/index.ts'
import { easyParams, mineBlock, minePaidBlock, TestChain, testKeys } from './chain-fixture.ts'
import { FAUCET, transfer } from './ledger-fixture.ts'
import { askBody, jobBody, PRICE } from './market-fixture.ts'
import { rejected } from './rules/verbs.ts'

const second = syntheticModel({
  name: 'second',
  dims: { ...UNIT_MODEL_DIMS, ffnDim: 96 },
  seed: 'second',
  tiedHead: false,
})
const { modelId } = second
const params = overrideParams(
  easyParams,
  paramLines(easyParams)
    .filter((line) => line.startsWith('models.0.'))
    .map((line) => line.replace('models.0.', 'models.1.'))
    .map((line) => line.replace(/(modelId=).*/, `$1${bytesToHex(modelId)}`)),
)
const context = createContext(params, unitModel(), unitCorpus(), [second])
const miner = testKeys(1)

test('every listed model must be loaded, in the order of the parameters', () => {
  rejected('MODEL_UNREGISTERED', () => createContext(params, unitModel(), unitCorpus()))
  rejected('MODEL_UNREGISTERED', () => createContext(params, unitModel(), unitCorpus(), [unitModel()]))
  rejected('MODEL_UNREGISTERED', () => createContext(easyParams, unitModel(), unitCorpus(), [second]))
})

test('jobs of both models clear at prices of their own, and a block is won with a job of the second', () => {
  const chain = new TestChain(context)
  const other = testKeys(2)
  chain.mine(other, chain.tx(FAUCET, transfer(accountOf(miner.publicKey), 10n ** 10n)))
  chain.mine(other, chain.tx(miner, { kind: 'minerRegister' }))
  const asks = [askBody(), askBody({ modelId, price: PRICE / 4n })]
  chain.mine(other, ...asks.map((ask, i) => chain.tx(miner, ask, BigInt(i))))
  const jobs = [jobBody({ expiryHeight: 20 }), jobBody({ modelId, expiryHeight: 20 })]
  const { summary } = chain.mine(other, ...jobs.map((job, i) => chain.tx(FAUCET, job, BigInt(i))))
  expect(summary.clearings.map((clearing) => clearing.modelId)).toEqual(params.models.map((model) => model.modelId))
  const [first, cheap] = params.models.map((model) => readMarket(chain.state, model.modelId).referencePrice)
  expect([first, cheap]).toEqual([(3n * PRICE) / 4n, (5n * PRICE) / 8n])
  expect(crossRatePpm(first!, cheap!)).toBe(1_200_000n)

  chain.mine(other)
  const jobId = summary.clearings[1]!.jobIds[0]!
  const { block } = minePaidBlock({ ...chain.base, keys: miner, jobId })
  checkHeaderForm(context, block.header)
  checkBody(context, block)
  checkTicketProof(context, block, chain.ancestry.recent.at(-1)!.beacon)
  checkTransition(context, block, chain.state, chain.state.ltHash)
  checkWinner(context, block)
  const unit = { ...block.header.unit, modelId: unitModel().modelId }
  rejected('UNIT_MODEL', () =>
    checkTransition(context, { ...block, header: { ...block.header, unit } }, chain.state, chain.state.ltHash),
  )
})

test('the bootstrap lane runs the first model only', () => {
  const chain = new TestChain(context)
  const { block } = mineBlock({ ...chain.base, keys: miner })
  const unit = { ...block.header.unit, modelId }
  rejected('UNIT_MODEL', () => checkHeaderForm(context, { ...block.header, unit }))
})

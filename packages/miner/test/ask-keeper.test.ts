/** Asks that a miner keeps in the books: posted, replaced, lost and posted again (ECO-7). */
import { equalBytes, presets, readAsks, type StandingAsk } from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import type { LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import { AskKeeper } from '../src/ask-keeper.ts'
import { faucet, heightOf, isAssigned, jobAt, marketNet, NCR, PRICE } from './market-net.ts'

let network: LocalNetwork
afterEach(() => network.stop())

const asksAt = ({ node }: LocalMember): readonly StandingAsk[] =>
  readAsks(node.chain.reader, presets.unit.models[0]!.modelId)
const askOf = (at: LocalMember, { keys }: LocalMember): StandingAsk | undefined =>
  asksAt(at).find(({ minerKey }) => equalBytes(minerKey, keys.publicKey))

test('an ask that a newcomer lost by not delivering is posted again', async () => {
  // Nothing matures in time, so that everybody is a newcomer.
  const overrides = ['jobs.paidDrawPpm=0', 'block.maturityBlocks=30', 'bonds.unbondingBlocks=40']
  const net = await marketNet({ miners: 1, overrides })
  ;({ network } = net)
  const { plain, miners, runs, job, post, run } = net
  const [member] = miners as [LocalMember]
  expect(member.asks!.view).toMatchObject([{ state: 'standing', priceGrains: PRICE.toString() }])
  runs[0]!.isBroken = true
  const jobId = await post(job())
  await run(() => isAssigned(plain, jobId))
  await run(() => jobAt(plain, jobId) === undefined)
  expect(askOf(plain, member)).toBeUndefined()
  await run(() => askOf(plain, member) !== undefined)
  await run(() => member.asks!.view[0]!.state === 'standing')
})

test('another price replaces the ask; one that a full book would not take is not posted', async () => {
  const net = await marketNet({ miners: 2, overrides: ['jobs.maxAsksPerModel=2'] })
  ;({ network } = net)
  const { plain, miners, run, send } = net
  const [member] = miners as [LocalMember]
  member.asks!.stop()
  const { node, agent } = member
  const cheaper = new AskKeeper({ node, agent, priceGrains: PRICE - 1n, capacityMacs: 10n ** 12n })
  cheaper.start()
  await run(() => askOf(plain, member)?.price === PRICE - 1n)
  expect(asksAt(plain)).toHaveLength(2)
  await run(() => cheaper.view[0]!.state === 'standing')
  cheaper.stop()

  const late = network.add('late', 'plain', { register: true, ask: 2n * PRICE })
  await network.startMember(late)
  await send(faucet, { kind: 'transfer', to: late.agent.account, grains: 10n * NCR })
  await run(() => late.registration.view.state === 'active')
  const height = heightOf(plain)
  await run(() => heightOf(plain) >= height + 4)
  expect(late.asks!.view).toMatchObject([{ state: 'book-full' }])
  expect(late.agent.waiting).toEqual([])
  expect(asksAt(plain)).toHaveLength(2)
})

test('asks wait for a registration', async () => {
  const net = await marketNet({ miners: 1 })
  ;({ network } = net)
  const late = network.add('late', 'miner', { ask: PRICE })
  await network.startMember(late)
  const height = heightOf(net.plain)
  await net.run(() => heightOf(net.plain) >= height + 3)
  expect(late.asks!.view).toMatchObject([{ state: 'unregistered' }])
  expect(late.agent.waiting).toEqual([])
})

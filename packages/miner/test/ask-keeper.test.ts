/** Asks that a miner keeps in the books: posted, replaced, lost and posted again (ECO-7). */
import { equalBytes, presets, readAsks, type StandingAsk } from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import type { LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import { AskKeeper } from '../src/ask-keeper.ts'
import { heightOf, isAssigned, jobAt, marketNet, PRICE } from './market-net.ts'

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

test('another price replaces the ask; a higher one than all of a full book is not posted', async () => {
  const net = await marketNet({ miners: 2, overrides: ['jobs.maxAsksPerModel=2'] })
  ;({ network } = net)
  const { plain, miners, run } = net
  const [member] = miners as [LocalMember]
  member.asks!.stop()
  const { node, agent } = member
  const cheaper = new AskKeeper({ node, agent, priceGrains: PRICE - 1n, capacityMacs: 10n ** 12n })
  cheaper.start()
  await run(() => askOf(plain, member)?.price === PRICE - 1n)
  expect(asksAt(plain)).toHaveLength(2)
  await run(() => cheaper.view[0]!.state === 'standing')
  cheaper.stop()

  // The book is full, and this one would pay for an ask that is not taken.
  const dear = new AskKeeper({ node, agent, priceGrains: PRICE + 1n, capacityMacs: 10n ** 12n })
  expect(dear.view[0]!.state).toBe('waiting')
  const other = new AskKeeper({
    ...{ node: plain.node, agent: network.add('late', 'miner').agent, priceGrains: PRICE, capacityMacs: 1n },
  })
  expect(other.view[0]!.state).toBe('unregistered')
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

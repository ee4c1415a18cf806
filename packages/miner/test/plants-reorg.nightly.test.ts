/** P5 of planted faults: a branch with the commitment, the planted receipt and its finding is lost, and the planter keeps everything (AUD-8). */
import {
  auditSupply,
  bytesToHex,
  isBarred,
  ROLE_MINER,
  readAuditedUnit,
  readPlanter,
  readRegistration,
  readSuspicion,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import type { LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import { heightOf, marketNet } from './market-net.ts'

let network: LocalNetwork
afterEach(() => network.stop())

const OVERRIDES = [
  'audits.mode=on',
  'audits.steps=8',
  'audits.plantPpm=1000000',
  // Whoever is cut off for longer than the window of the reveals has lost it.
  'audits.responseBlocks=20',
  'audits.challengeWindowBlocks=10',
  'block.maturityBlocks=60',
  'bonds.unbondingBlocks=90',
  'jobs.auditWindowBlocks=6',
  'jobs.paidDrawPpm=0',
]

/**
 *    asks - planter, verifier, client: commitment, plant, found |
 *         \ three other miners, longer ----------------------- heal - the same jobs, plants and findings again
 */
test('everything about a plant on the branch that lost happens again, or not at all', async () => {
  const net = await marketNet({ miners: 1, overrides: OVERRIDES, member: { plants: true } })
  network = net.network
  const { plain, verifier, post, job, run } = net
  const planter = net.miners[0]!
  const others: LocalMember[] = []
  for (const name of ['other-1', 'other-2', 'other-3']) {
    const other = network.add(name, 'miner')
    await network.startMember(other)
    others.push(other)
  }
  await run(() => network.members.every(({ node }) => node.chain.tip.hex === plain.node.chain.tip.hex))
  const few = [planter, plain, verifier]
  network.hub.partition(
    few.map(({ name }) => name),
    others.map(({ name }) => name),
  )
  const { chain } = plain.node
  const forkHeight = heightOf(plain)
  const jobs: Uint8Array[] = []
  const found = (): boolean => jobs.some((id) => (readSuspicion(chain.reader, id)?.finders.length ?? 0) > 0)
  for (let i = 0; i < 12 && !found(); i++) {
    jobs.push(await post(job()))
    const height = heightOf(plain)
    await run(() => found() || heightOf(plain) >= height + 4)
  }
  expect(found()).toBe(true)
  const lost = chain.tip
  expect(lost.header.height).toBeGreaterThan(forkHeight)

  await run(() => others[0]!.node.chain.tip.totalWork > chain.tip.totalWork)
  network.hub.heal()
  await run(() => !chain.isOnBestChain(lost))
  const { height } = chain.tip.header
  await run(() => heightOf(plain) >= height + 80)
  for (const { node, store } of network.members) {
    expect(isBarred(node.chain.reader, planter.keys.publicKey)).toBe(false)
    const { bond } = readRegistration(node.chain.reader, ROLE_MINER, planter.keys.publicKey)!
    expect(bond).toBe(network.context.params.bonds.minerGrains)
    const { held, created } = auditSupply(store.stateEntries())
    expect(held).toBe(created)
  }
  // It went on planting, and all is over.
  expect(readPlanter(chain.reader, Math.floor(heightOf(plain) / 6), planter.keys.publicKey)).toBeDefined()
  for (const id of jobs) expect(readAuditedUnit(chain.reader, id), bytesToHex(id)).toBeUndefined()
}, 400_000)

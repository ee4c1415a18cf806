/** NET-4 and P7 with real miners: a network that was cut in two becomes one again. */
import { auditSupply, bytesToHex, isBarred } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { LocalNetwork } from './local-network.ts'

const BLOCKS_APART = 6

/**
 *            - 0 and 1: six blocks -
 *   3 blocks                         heal: one tip, one state root
 *            - 2 and 3: six blocks -
 */
test('two pairs of miners, cut off for some blocks, converge after they meet; a late joiner follows', async () => {
  const network = new LocalNetwork({ seed: 'partition', miners: 4 })
  await network.start()
  await network.untilHeight(3)
  const heights = (): number[] => network.members.map(({ node }) => node.chain.tip.header.height)
  const names = network.members.map(({ name }) => name)
  let left = 0
  for (const { node } of network.members) {
    node.events.on('reorg', (event) => {
      left += event.left.length
    })
  }

  network.hub.partition(names.slice(0, 2), names.slice(2))
  const goal = Math.max(...heights()) + BLOCKS_APART
  await network.untilHeight(goal)
  const buried = (i: number): string => network.members[i]!.node.chain.atHeight(goal - 2)!.hex
  expect(buried(0)).toBe(buried(1))
  expect(buried(2)).toBe(buried(3))
  expect(buried(0)).not.toBe(buried(2))

  network.hub.heal()
  const late = network.add('late', 'plain')
  await network.startMember(late)
  const common = goal + 2
  await network.clock.runUntil(() => {
    const tips = network.members.map(({ node }) => node.chain.atHeight(common)?.hex)
    return heights().every((height) => height >= common + 2) && new Set(tips).size === 1
  })
  const roots = network.members.map(({ node }) => bytesToHex(node.chain.atHeight(common)!.header.stateRoot))
  expect(new Set(roots).size).toBe(1)
  // The side with less work has left its blocks: nothing of them remains, and no honest miner is punished for them.
  expect(left).toBeGreaterThanOrEqual(BLOCKS_APART)
  for (const { node, store } of network.members) {
    const audit = auditSupply(store.stateEntries())
    expect(audit.held).toBe(audit.created)
    expect(audit.burned).toBe(0n)
    for (const { keys } of network.members) expect(isBarred(node.chain.tipState().reader, keys.publicKey)).toBe(false)
  }
  await network.stop()
})

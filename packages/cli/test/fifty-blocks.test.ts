import { bytesToHex, readAmount } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { LocalNetwork } from './local-network.ts'

/** Hashes of the best chain up to `height`, and every member's state root there. */
async function run(seed: string, height: number): Promise<{ ids: string[]; stateRoots: string[] }> {
  const network = new LocalNetwork({ seed, miners: 3, verifiers: 1 })
  let accusations = 0
  for (const { node } of network.members) {
    node.events.on('equivocation', () => {
      accusations++
    })
  }
  await network.start()
  await network.untilHeight(height)
  // Ties at the tip resolve with the next block: compare what is buried.
  const ids = Array.from({ length: height - 2 }, (_, i) => network.members[0]!.node.chain.atHeight(i)!.hex)
  const stateRoots = network.members.map(({ node }) => bytesToHex(node.chain.atHeight(height - 3)!.header.stateRoot))
  // P5: nobody who is honest is ever accused, let alone punished.
  for (const { node, store } of network.members) {
    expect(store.stateEntries().filter(([key]) => key.startsWith('barred/'))).toEqual([])
    expect(readAmount(node.chain.tipState().reader, 'burned')).toBe(0n)
  }
  expect(accusations).toBe(0)
  await network.stop()
  return { ids, stateRoots }
}

test('fifty blocks on a virtual clock, run twice from one seed, give equal hashes (NET-5)', async () => {
  const first = await run('fifty', 50)
  const second = await run('fifty', 50)
  expect(first.ids).toHaveLength(48)
  expect(new Set(first.stateRoots).size).toBe(1)
  expect(second).toEqual(first)
  const other = await run('another seed', 10)
  expect(other.ids[5]).not.toBe(first.ids[5])
})

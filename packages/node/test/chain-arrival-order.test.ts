/** P7 and P9: whatever the order in which blocks arrive, the tip and the state root are the same. */
import { ProtocolError } from '@nacre/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChainBench } from './support/chain-bench.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'

/**
 *                              /- d4 - d5! - d6 - d7 - d8     longest, but d5 does not re-execute
 *   genesis - a1 - a2 - a3 - a4 - a5
 *               \- b2 - b3 - b4 - b5 - b6*                    the heaviest valid branch
 *                    \- c3 - c4
 *
 * No two branches that could win weigh the same: among those the first seen stays, so order would matter.
 */
const forge = new Forge()
const pay = (nonce: bigint, to: string) => transactionOf(forge.context, faucetKeys, nonce, transferTo(keysOf(to), 7n))
forge.mine('a1')
forge.mine('a2', 'a1', { transactions: [pay(0n, 'x')] })
forge.mine('a3 a4 a5', 'a2')
forge.mine('b2', 'a1', { transactions: [pay(0n, 'y'), pay(1n, 'y')] })
forge.mine('b3 b4 b5 b6', 'b2')
forge.mine('c3 c4', 'b2')
forge.mine('d4 d', 'a3')
forge.withWrongToken('d5', 'd')
forge.mine('d6 d7 d8', 'd5')
const LABELS = 'a1 a2 a3 a4 a5 b2 b3 b4 b5 b6 c3 c4 d4 d5 d6 d7 d8'.split(' ')

/** Offers blocks as a node does: orphans wait for their parent, descendants of an invalid block are dropped. */
async function offerAll(bench: ChainBench, labels: readonly string[]): Promise<void> {
  let waiting = [...labels]
  while (waiting.length > 0) {
    const orphans: string[] = []
    for (const label of waiting) {
      try {
        await bench.offer(label)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        if (error.code === 'BLOCK_PARENT_UNKNOWN') orphans.push(label)
      }
    }
    if (orphans.length === waiting.length) return
    waiting = orphans
  }
}

test('every order of arrival leads to the same tip and state', async () => {
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(LABELS, { minLength: LABELS.length }), async (order) => {
      const bench = new ChainBench(forge)
      await offerAll(bench, order)
      bench.tip('b6')
      const replays = new Map<string, number>()
      for (const label of bench.replayed) replays.set(label, (replays.get(label) ?? 0) + 1)
      expect([...replays.values()].filter((count) => count > 1)).toEqual([])
    }),
    { numRuns: 10 },
  )
})

test('blocks offered all at once end at the same tip', async () => {
  const bench = new ChainBench(forge)
  for (let round = 0; round < LABELS.length; round++) {
    await Promise.allSettled(LABELS.map((label) => bench.offer(label)))
  }
  bench.tip('b6')
})

/** BLK-3 from end to end: whoever sees two blocks of one ticket reports it, and the chain punishes the key. */
import { barredCodec, barredKey, blockCodec, isBarred, readEntry, readImmature, signHeader } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { LocalNetwork } from './local-network.ts'

test('a miner that signs twice is barred by those who saw it; the honest miner is not, and goes on', async () => {
  const network = new LocalNetwork({ seed: 'cheat', miners: 2 })
  const [honest, cheat] = network.members
  await network.start()
  // The honest miner needs a matured coinbase for the fee.
  const { maturityBlocks } = network.context.params.block
  await network.untilHeight(maturityBlocks + 4)

  // The cheat signs its next block a second time, one millisecond later, and shows both.
  const publish = cheat!.node.publishBlock.bind(cheat!.node)
  cheat!.node.publishBlock = async (block) => {
    const header = signHeader({ ...block.header, timeMs: block.header.timeMs + 1 }, cheat!.keys)
    const result = await publish(block)
    await cheat!.node.network.publish('block', blockCodec.encode({ ...block, header }))
    return result
  }
  const { chain } = honest!.node
  const barredHeight = (): number | undefined => readEntry(chain.reader, barredKey(cheat!.keys.publicKey), barredCodec)
  expect(barredHeight()).toBeUndefined()
  // Three blocks on top: the block that bars the key may lose to one of its own that came at the same time.
  const isBuried = (): boolean => chain.tip.header.height >= (barredHeight() ?? Number.POSITIVE_INFINITY) + 3
  expect(await network.clock.runUntil(isBuried)).toBe(true)
  expect(isBarred(chain.reader, honest!.keys.publicKey)).toBe(false)
  const { height } = chain.tip.header
  const immature = Array.from({ length: maturityBlocks }, (_, i) => readImmature(chain.reader, height + 1 + i))
  const owners = immature.flat().map(({ minerKey }) => minerKey.join())
  expect(new Set(owners)).toEqual(new Set([honest!.keys.publicKey.join()]))

  const later = [1, 2, 3].map((i) => chain.atHeight(barredHeight()! + i)!.header.minerKey)
  expect(later.every((key) => key.join() === honest!.keys.publicKey.join())).toBe(true)
  await network.stop()
})

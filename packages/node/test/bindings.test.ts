/**
 * B1 to B6 in a node: the cheat that a binding closes, as a real block, offered to a chain whose workers run the engine. Where the
 * binding holds it is refused with the binding's code; where it is off it becomes the tip.
 */
import { blockId, ProtocolError } from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import { CHEATS } from '../../protocol/test/bindings/cheats.ts'
import { networkOf } from '../../protocol/test/bindings/network.ts'
import { ChainBench } from './support/chain-bench.ts'
import { Forge } from './support/forge.ts'

describe.each(CHEATS)('$binding: $does', (cheat) => {
  test('is refused where the binding holds', async () => {
    const network = networkOf(...cheat.both)
    const { chain } = new ChainBench(new Forge(network.context))
    const outcome = await chain.offer(cheat.make(network)).catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(ProtocolError)
    expect(outcome).toMatchObject({ code: cheat.refused, verdict: 'reject' })
    expect(chain.tip).toBe(chain.tree.genesis)
  })

  test('becomes the tip where it is off', async () => {
    const network = networkOf(...cheat.both, ...cheat.off)
    const bench = new ChainBench(new Forge(network.context))
    const block = cheat.make(network)
    expect(await bench.chain.offer(block)).toBe('best')
    expect(bench.chain.tip.id).toEqual(blockId(block.header))
    expect(bench.replayed).toHaveLength(cheat.binding === 'B6' ? 0 : 1)
  })
})

/** BLK-3: work commits to the parent, not to the block's body, so one won ticket could carry many blocks. Doing so is punished. */
import {
  accountOf,
  encodeTransaction,
  equalBytes,
  headerCodec,
  isBarred,
  readAccount,
  readAmount,
  readImmature,
  signTransaction,
  type TransactionBody,
} from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SiblingWatch } from '../src/chain/sibling-watch.ts'
import type { NodeEvents } from '../src/events.ts'
import { ChainBench } from './support/chain-bench.ts'
import { Forge, faucetKeys, keysOf, transactionOf } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

const cheat = keysOf('b')

/** Siblings of a block: the same ticket, another time, signed again. */
function siblings(forge: Forge, of: string, labels: string): void {
  const { timeMs } = forge.get(of).header
  for (const [i, label] of labels.split(' ').entries()) forge.tamper(label, of, { timeMs: timeMs + i + 1 })
}

function accusation(forge: Forge, first: string, second: string): TransactionBody {
  const [evidenceA, evidenceB] = [first, second].map((label) => headerCodec.encode(forge.get(label).header))
  return { kind: 'equivocation', evidenceA: evidenceA!, evidenceB: evidenceB! }
}

describe('on the chain', () => {
  /**
   *   genesis - b1 - b2 - c3 - c4*      c3 contains b2 and b2' as evidence, sent by somebody who mines nothing
   *               \- b2'      \- b4!    the cheat mines no more
   */
  test('two signed headers of one ticket forfeit what is immature and bar the key', async () => {
    const forge = new Forge()
    const bench = new ChainBench(forge)
    forge.mine('b1 b2')
    siblings(forge, 'b2', "b2'")
    const report = transactionOf(forge.context, faucetKeys, 0n, accusation(forge, 'b2', "b2'"))
    forge.mine('c3', 'b2', { transactions: [report] })
    forge.mine('c4', 'c3')
    await bench.best('b1 b2')
    const { reader } = bench.chain.tipState()
    const { maturityBlocks } = forge.context.params.block
    const immature = [1, 2].map((height) => readImmature(reader, height + maturityBlocks)[0]!.grains)
    expect(immature.every((grains) => grains > 0n)).toBe(true)

    await bench.best('c3 c4')
    expect(isBarred(reader, cheat.publicKey)).toBe(true)
    expect(readAmount(reader, 'burned')).toBe(immature[0]! + immature[1]!)
    const left = [1, 2, 3].flatMap((height) => [...readImmature(reader, height + maturityBlocks)])
    expect(left.some(({ minerKey }) => equalBytes(minerKey, cheat.publicKey))).toBe(false)
    expect(readAccount(reader, accountOf(cheat.publicKey)).balance).toBe(0n)
  })

  test('a block of a barred key is invalid', async () => {
    const forge = new Forge()
    const bench = new ChainBench(forge)
    forge.mine('b1')
    siblings(forge, 'b1', "b1'")
    const report = transactionOf(forge.context, faucetKeys, 0n, accusation(forge, 'b1', "b1'"))
    forge.mine('c2', 'b1', { transactions: [report] })
    await bench.best('b1 c2')
    expect(() => forge.mine('b3', 'c2')).toThrow(/^BLOCK_KEY_BARRED: /)
    // Made as if the key were not barred, and with whatever state root: the rule itself refuses it.
    const blind = {
      ...forge.get('c2'),
      entries: new Map([...forge.get('c2').entries].filter(([key]) => !key.startsWith('barred/'))),
    }
    forge.keep(forge.mineOn(blind, 'b3'))
    await bench.rejected('b3', 'BLOCK_KEY_BARRED')
    bench.tip('c2')
  })

  /**
   *   genesis - b1 - b2 - c3
   *         \- d1 - d2 - d3 - d4*       without the accusation the cheat is not barred: it is a fact of a branch
   */
  test('a reorganisation takes the punishment back with the block that contains it', async () => {
    const forge = new Forge()
    const bench = new ChainBench(forge)
    forge.mine('b1 b2')
    siblings(forge, 'b2', "b2'")
    const report = transactionOf(forge.context, faucetKeys, 0n, accusation(forge, 'b2', "b2'"))
    forge.mine('c3', 'b2', { transactions: [report] })
    forge.mine('d1 d2 d3 d4')
    await bench.best('b1 b2 c3')
    await bench.side('d1 d2 d3')
    await bench.best('d4')
    expect(isBarred(bench.chain.tipState().reader, cheat.publicKey)).toBe(false)
  })

  test.each([
    ['one header twice', (forge: Forge) => accusation(forge, 'b1', 'b1')],
    ['two honest blocks', (forge: Forge) => accusation(forge, 'b1', 'b2')],
    ['headers of two keys', (forge: Forge) => accusation(forge, 'b1', 'a1')],
  ])('%s is no evidence: a block with it is invalid (P4, P5)', async (_name, body) => {
    const forge = new Forge()
    const bench = new ChainBench(forge)
    forge.mine('a1')
    forge.mine('b1 b2 c')
    const report = transactionOf(forge.context, faucetKeys, 0n, body(forge))
    forge.tamper('c3', 'c', {}, { ...forge.block('c').body, transactions: [report] })
    await bench.best('b1 b2')
    await bench.rejected('c3', 'TX_EQUIVOCATION')
    expect(isBarred(bench.chain.tipState().reader, cheat.publicKey)).toBe(false)
  })
})

describe('in gossip', () => {
  const forge = new Forge()
  forge.mine('b1 b2')
  siblings(forge, 'b1', "b1' b1'' b1'''")
  let net: NodeNet
  let node: TestNode
  let evidence: NodeEvents['equivocation'][]
  beforeEach(async () => {
    net = new NodeNet(forge)
    node = await net.node('node')
    evidence = []
    node.node.events.on('equivocation', (event) => evidence.push(event))
  })
  afterEach(() => net.stop())

  test('two siblings of a ticket are taken in, then only the evidence counts', async () => {
    const peer = net.peer('peer', ['node'])
    for (const label of ['b1', "b1'", "b1''", "b1'''"]) {
      await peer.publish('block', net.encoded(label))
      await net.runFor(50)
    }
    const isKnown = (label: string) => node.node.chain.tree.get(forge.get(label).id) !== undefined
    expect(['b1', "b1'", "b1''", "b1'''"].map(isKnown)).toEqual([true, true, false, false])
    expect(evidence).toHaveLength(1)
    const pair = evidence[0]!.evidence.map((header) => headerCodec.encode(header))
    expect(pair).toEqual(['b1', "b1'"].map((label) => headerCodec.encode(forge.get(label).header)))
    expect(node.network.peers()).toContain('peer')
    // The evidence is what a transaction needs.
    const body = { kind: 'equivocation', evidenceA: pair[0]!, evidenceB: pair[1]! } as const
    const { genesis } = forge.context
    const report = signTransaction({ chainId: genesis.chainId, nonce: 0n, fee: 1000n, body }, faucetKeys)
    forge.mine('c2', 'b1', { transactions: [encodeTransaction(report)] })
    await peer.publish('block', net.encoded('c2'))
    await net.untilTip(node, 'c2')
    expect(isBarred(node.node.chain.tipState().reader, cheat.publicKey)).toBe(true)
  })

  test('a surplus sibling that others build upon still arrives by sync', async () => {
    forge.mine('e2', "b1'''")
    const honest = net.peer('honest', ['node'], {
      headers: () => net.headers("b1''' e2"),
      blocks: () => net.blocks("b1''' e2"),
    })
    for (const label of ['b1', "b1'", "b1'''", 'e2']) await honest.publish('block', net.encoded(label))
    expect(await net.untilTip(node, 'e2')).toBe(true)
  })

  test('a miner that shows one block again and again is no cheat', () => {
    const watch = new SiblingWatch(forge.context.params.bindings)
    const { header } = forge.get('b1')
    for (let i = 0; i < 5; i++) expect(watch.see(header)).toEqual({ isSurplus: false, evidence: undefined })
    // Two blocks of one miner with different tickets are its right, too.
    expect(watch.see(forge.get('b2').header)).toEqual({ isSurplus: false, evidence: undefined })
  })
})
